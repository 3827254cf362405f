package broker

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/groups"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A task stands for the partitions of its number of all topics that its subtopology reads.
func TestWhatInstancesOfAStreamsGroupRead(t *testing.T) {
	instance := "pod-0"
	member := kmsg.StreamsGroupDescribeResponseGroupMember{MemberID: "m", InstanceID: &instance, ClientID: "app", ClientHost: "/10.0.0.1"}
	member.Assignment.ActiveTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{2, 0}}, {SubtopologyID: "1", Partitions: []int32{0}}, {SubtopologyID: "gone", Partitions: []int32{7}}}
	member.Assignment.StandbyTasks = []kmsg.TaskIDs{{SubtopologyID: "1", Partitions: []int32{1}}}
	described := kmsg.StreamsGroupDescribeResponseGroup{
		Topology: &kmsg.StreamsGroupDescribeResponseGroupTopology{Subtopologies: []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{
			{SubtopologyID: "0", SourceTopics: []string{"orders", "prices"}, RepartitionSinkTopics: []string{"by-shop"}},
			{SubtopologyID: "1", SourceTopics: []string{"orders"}, RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "by-shop"}}},
		}},
		Members: []kmsg.StreamsGroupDescribeResponseGroupMember{member, {MemberID: "idle", ClientID: "app"}},
	}
	got := Group{Members: groups.StreamsMembers(described)}
	got.Sort()
	want := []GroupMember{{ID: "idle", ClientID: "app"}, {ID: "m", InstanceID: "pod-0", ClientID: "app", Host: "10.0.0.1",
		Assignment: []TopicPartitions{{Topic: "by-shop", Partitions: []int32{0}}, {Topic: "orders", Partitions: []int32{0, 2}}, {Topic: "prices", Partitions: []int32{0, 2}}}}}
	if !reflect.DeepEqual(got.Members, want) {
		t.Errorf("got %+v", got.Members)
	}
	described.Topology = nil
	if members := groups.StreamsMembers(described); len(members) != 2 || members[0].Assignment != nil {
		t.Errorf("without a topology: %+v", members)
	}
}

// Brokers that know nothing of a kind of groups have none of it, and what they refuse is not taken for that.
func TestAGroupOfNoKind(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	b.commit(t, "g", "orders", 0)
	for _, id := range []string{"nosuch", ""} {
		if g, found, err := b.cluster.GroupOfAnyKind(testContext(t), id); err != nil || found {
			t.Errorf("%q: %+v, %v, %v", id, g, found, err)
		}
	}
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if described, ok := resp.(*kmsg.ShareGroupDescribeResponse); ok {
				described.Groups[0].ErrorCode = kafkaerr.GroupAuthorizationFailed
			}
		}
	})
	if _, _, err := b.cluster.GroupOfAnyKind(testContext(t), "nosuch"); !kafkaerr.OfAccount(err) {
		t.Errorf("got %v", err)
	}
}
