//go:build long

package releases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

// committed are the offsets of a group on a topic, as the brokers tell another client.
func (b *bed) committed(t *testing.T, client *kgo.Client, group, topic string) map[int32]int64 {
	t.Helper()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = group
	request.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{0, 1}}}
	request.Groups = []kmsg.OffsetFetchRequestGroup{{Group: group, MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{0, 1}}}}}
	answer, err := request.RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[int32]int64{}
	for _, told := range answer.Topics {
		for _, p := range told.Partitions {
			offsets[p.Partition] = p.Offset
		}
	}
	for _, g := range answer.Groups {
		for _, told := range g.Topics {
			for _, p := range told.Partitions {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets
}

// tryGroup has a group that has read three records of each partition and left, of five, shown and put back.
func tryGroup(t *testing.T, b *bed, group, topic string, of v1beta1.ConsumerGroupType) {
	t.Helper()
	client := b.Client(t)
	name := v1beta1.ConsumerGroupName(b.Name, group)
	var shown *v1beta1.KafkaConsumerGroup
	testbed.Until(t, "the group is empty", func() string {
		var err error
		if shown, err = b.Groups().Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			return err.Error()
		}
		if shown.Status.State != "Empty" {
			return fmt.Sprintf("it is %+v", shown.Status)
		}
		return ""
	})
	if shown.Status.Type != of || ptr.Deref(shown.Status.Lag, -1) != 4 {
		t.Errorf("the group is %+v with a lag of %d, want type %s and 4", shown.Status, ptr.Deref(shown.Status.Lag, -1), of)
	}
	list, err := b.Groups().List(t.Context(), metav1.ListOptions{})
	if err != nil || !slices.ContainsFunc(list.Items, func(g v1beta1.KafkaConsumerGroup) bool { return g.Name == name }) {
		t.Errorf("the list lacks the group, %v", err)
	}
	if got := b.committed(t, client, group, topic); !maps.Equal(got, map[int32]int64{0: 3, 1: 3}) {
		t.Errorf("committed are %v", got)
	}
	if _, err := b.Groups().UpdateOffsets(t.Context(), name, &v1beta1.KafkaConsumerGroupOffsets{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaConsumerGroupOffsetsSpec{Reset: []v1beta1.OffsetReset{
			{Topic: topic, Partitions: []int32{0}, To: v1beta1.EarliestOffset},
			{Topic: topic, Partitions: []int32{1}, Time: "2026-01-31T08:02:00Z"},
		}}}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := b.committed(t, client, group, topic); !maps.Equal(got, map[int32]int64{0: 0, 1: 2}) {
		t.Errorf("after the reset committed are %v", got)
	}
	view, err := b.Groups().GetOffsets(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(view.Status.Partitions) != 2 || ptr.Deref(view.Status.Lag, -1) != 8 {
		t.Errorf("offsets are %+v, %v", view, err)
	}
}

// grouped makes a topic with so many records in each of two partitions, a minute apart.
func (b *bed) grouped(t *testing.T, topic string) {
	t.Helper()
	b.newTopic(t, topic, 2, nil)
	b.minutes(t, topic, 0, 3)
}

func (b *bed) minutes(t *testing.T, topic string, from, count int) {
	t.Helper()
	client := b.Client(t)
	for p := range int32(2) {
		for i := from; i < from+count; i++ {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: p, Value: []byte("v"),
				Timestamp: time.Date(2026, 1, 31, 8, i, 0, 0, time.UTC)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func tryClassicGroups(t *testing.T, b *bed, _ release) {
	topic, group := b.Name+"-classic", "classic-readers"
	b.grouped(t, topic)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	member := b.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	for read := 0; read < 6; {
		fetches := member.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		read += fetches.NumRecords()
	}
	if err := member.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	stable, err := b.Groups().Get(ctx, v1beta1.ConsumerGroupName(b.Name, group), metav1.GetOptions{})
	if err != nil || stable.Status.State != "Stable" || len(stable.Status.Members) != 1 || len(stable.Status.Members[0].Assignments) != 1 {
		t.Errorf("while its member reads the group is %+v, %v", stable, err)
	}
	member.Close()
	b.minutes(t, topic, 3, 2)
	tryGroup(t, b, group, topic, v1beta1.GroupTypeClassic)
}

func tryConsumerGroups(t *testing.T, b *bed, r release) {
	if !r.consumer {
		return
	}
	topic, group := b.Name+"-consumer", "consumer-readers"
	b.grouped(t, topic)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"--bootstrap-server", strings.Join(b.Kafka.Bootstrap(), ","), "--group", group, "--topic", topic, "--from-beginning", "--max-messages", "6"}
	for _, property := range []string{"group.protocol=consumer", "auto.commit.interval.ms=100"} {
		args = append(args, "--consumer-property", property)
	}
	if _, err := b.Kafka.Tool(ctx, "org.apache.kafka.tools.consumer.ConsoleConsumer", args...); err != nil {
		t.Fatal(err)
	}
	b.minutes(t, topic, 3, 2)
	tryGroup(t, b, group, topic, v1beta1.GroupTypeConsumer)
}
