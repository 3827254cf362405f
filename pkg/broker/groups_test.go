package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/groups"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// client is a second way to the fake cluster, past the gateway and its network.
func (b *bench) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.kafka.ListenAddrs()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// produce writes records, round robin over a topic's partitions.
func (b *bench) produce(t *testing.T, topic string, partitions, each int) {
	t.Helper()
	client := b.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range partitions * each {
		record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte("v")}
		if err := client.ProduceSync(testContext(t), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// commit makes a group of offsets and no members.
func (b *bench) commit(t *testing.T, group, topic string, offsets ...int64) {
	t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	commit := kmsg.NewOffsetCommitRequestTopic()
	commit.Topic, commit.TopicID = topic, b.kafka.TopicInfo(topic).TopicID
	for i, offset := range offsets {
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = int32(i), offset
		commit.Partitions = append(commit.Partitions, partition)
	}
	req.Topics = append(req.Topics, commit)
	resp, err := req.RequestWith(testContext(t), b.client(t))
	if err != nil {
		t.Fatal(err)
	}
	if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
		t.Fatal(kerr.ErrorForCode(code))
	}
}

// join makes a consumer that stays in a group and commits nothing by itself.
func (b *bench) join(t *testing.T, group, topic, clientID string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client := b.client(t, append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID(clientID),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(50*time.Millisecond))...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return client
}

// quickHeartbeats let members of the newer protocol hear of each other soon.
var quickHeartbeats = kfake.BrokerConfigs(map[string]string{"group.consumer.heartbeat.interval.ms": "50"})

// stable waits until all partitions of a group are with its members.
func (b *bench) stable(t *testing.T, group string, members, partitions int) {
	t.Helper()
	eventually(t, "group "+group+" is stable", func() bool {
		g := b.kafka.GroupInfo(group)
		return g != nil && g.State == "Stable" && len(g.Members) == members && g.NumAssigned() == partitions
	})
}

func TestGroupsAreListedByTheirCoordinators(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	ctx := testContext(t)
	if list, err := b.cluster.Groups(ctx); err != nil || len(list.Groups) != 0 {
		t.Fatalf("without groups: %+v, %v", list, err)
	}
	for i := range 12 {
		b.commit(t, fmt.Sprintf("g-%02d", i), "orders", 0)
	}
	b.join(t, "newer", "orders", "c", kgo.ServerSideBalancer())
	b.stable(t, "newer", 1, 2)
	list, err := b.cluster.Groups(ctx)
	if err != nil || len(list.Missing) > 0 {
		t.Fatalf("%+v, %v", list.Missing, err)
	}
	var ids []string
	for _, g := range list.Groups {
		ids = append(ids, g.ID)
		if want := b.kafka.CoordinatorFor(g.ID); g.Coordinator != want {
			t.Errorf("%s is coordinated by %d, want %d", g.ID, g.Coordinator, want)
		}
		want := Group{ID: g.ID, Type: GroupClassic, State: "Empty", Coordinator: g.Coordinator}
		if g.ID == "newer" {
			want.Type, want.State, want.ProtocolType = GroupConsumer, "Stable", "consumer"
		}
		if fmt.Sprint(g) != fmt.Sprint(want) {
			t.Errorf("listed as %+v, want %+v", g, want)
		}
	}
	if len(ids) != 13 || !slices.IsSorted(ids) {
		t.Errorf("groups %q", ids)
	}
	if n := b.network.requests(int16(kmsg.DescribeGroups)) + b.network.requests(int16(kmsg.OffsetFetch)); n > 0 {
		t.Errorf("a list has sent %d requests about single groups", n)
	}
}

// What Kafka's tools for groups of consumers, share groups and streams groups do not list is none of these.
func TestWhichGroupsAreListed(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(1, groups.OffsetsTopic))
	b.kafka.ControlKey(int16(kmsg.ListGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
		for _, g := range [][3]string{{"a", "consumer", "consumer"}, {"b", "Classic", "consumer"}, {"c", "classic", ""}, {"d", "", "consumer"},
			{"e", "classic", "connect"}, {"f", "share", "share"}, {"g", "streams", "streams"}} {
			group := kmsg.NewListGroupsResponseGroup()
			group.Group, group.GroupType, group.ProtocolType, group.GroupState = g[0], g[1], g[2], "Stable"
			resp.Groups = append(resp.Groups, group)
		}
		return resp, nil, true
	})
	list, err := b.cluster.Groups(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]GroupType{}
	for _, g := range list.Groups {
		got[g.ID] = g.Type
	}
	if want := map[string]GroupType{"a": GroupConsumer, "b": GroupClassic, "c": GroupClassic, "d": GroupClassic, "f": GroupShare, "g": GroupStreams}; !maps.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if want := map[string]GroupType{"e": GroupClassic, "f": "share", "g": "streams"}; !maps.Equal(list.Others, want) {
		t.Errorf("of other kinds are %v, want %v", list.Others, want)
	}
	b.kafka.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
		group := kmsg.NewDescribeGroupsResponseGroup()
		group.Group, group.State, group.ProtocolType = "e", "Stable", "connect"
		resp.Groups = append(resp.Groups, group)
		return resp, nil, true
	})
	if g, found, err := b.cluster.Group(testContext(t), "e"); found || err != nil {
		t.Errorf("the group of a Connect cluster: %+v, %v", g, err)
	}
}

func TestAGroupIsDescribedInItsProtocol(t *testing.T) {
	for name, opts := range map[GroupType][]kgo.Opt{GroupClassic: nil, GroupConsumer: {kgo.ServerSideBalancer()}} {
		t.Run(string(name), func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(4, "orders"), quickHeartbeats)
			b.join(t, "billing", "orders", "one", append(opts, kgo.InstanceID("pod-0"))...)
			b.join(t, "billing", "orders", "two", opts...)
			b.stable(t, "billing", 2, 4)
			g, found, err := b.cluster.Group(testContext(t), "billing")
			if err != nil || !found {
				t.Fatalf("found %v, %v", found, err)
			}
			if g.ID != "billing" || g.Type != name || g.State != "Stable" || g.ProtocolType != "consumer" || g.Assignor == "" ||
				g.Coordinator != b.kafka.CoordinatorFor("billing") || !g.IsActive() || len(g.Members) != 2 {
				t.Errorf("described as %+v", g)
			}
			assigned := map[int32]string{}
			for i, m := range g.Members {
				want := []string{"one", "two"}[i]
				if m.ClientID != want || m.ID == "" || !strings.HasPrefix(m.Host, "127.0.0.1") || (m.InstanceID == "pod-0") != (want == "one") {
					t.Errorf("member %+v, want %s", m, want)
				}
				for _, a := range m.Assignment {
					for _, p := range a.Partitions {
						if name == GroupClassic && a.Topic != "orders" { // the fake names topics of the newer protocol by id only
							t.Errorf("assigned of topic %q", a.Topic)
						}
						assigned[p] = m.ClientID
					}
				}
			}
			if len(assigned) != 4 {
				t.Errorf("assigned %v, want 4 partitions", assigned)
			}
		})
	}
}

func TestAGroupThatIsNotThere(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	look := func() {
		t.Helper()
		if g, found, err := b.cluster.Group(ctx, "nobody"); found || err != nil {
			t.Errorf("%+v, %v", g, err)
		}
		if offsets, err := b.cluster.CommittedOffsets(ctx, "nobody"); len(offsets) > 0 || err != nil {
			t.Errorf("%+v, %v", offsets, err)
		}
	}
	look()
	// Real brokers create the topic of offsets for whoever asks.
	if n := b.network.requests(int16(kmsg.FindCoordinator)); n > 0 {
		t.Errorf("the first look on a cluster without groups has asked for a coordinator %d times", n)
	}
	b.commit(t, "somebody", "orders", 0)
	look()
	if b.network.requests(int16(kmsg.FindCoordinator)) == 0 {
		t.Error("on a cluster with groups no coordinator was asked for")
	}
}

func TestCommittedOffsets(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	ctx := testContext(t)
	b.produce(t, "orders", 3, 5)
	want := map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 2, {Topic: "orders", Partition: 2}: 5}
	if n, err := b.cluster.CommitOffsets(ctx, "billing", want); n != 2 || err != nil {
		t.Fatalf("%d written, %v", n, err)
	}
	info := b.kafka.GroupInfo("billing")
	if info == nil || info.State != "Empty" || info.Commits["orders"][0].Offset != 2 || info.Commits["orders"][2].Offset != 5 ||
		info.Commits["orders"][0].LeaderEpoch != -1 {
		t.Fatalf("the brokers have %+v", info)
	}
	got, err := b.cluster.CommittedOffsets(ctx, "billing")
	if err != nil || len(got) != 2 || got[TopicPartition{Topic: "orders", Partition: 0}].Offset != 2 || got[TopicPartition{Topic: "orders", Partition: 2}].Offset != 5 {
		t.Errorf("read back %+v, %v", got, err)
	}
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "orders", Partitions: []int32{1}, Err: kerr.UnknownTopicOrPartition, Count: 9})
	n, err := b.cluster.CommitOffsets(ctx, "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 3, {Topic: "orders", Partition: 1}: 1})
	if n != 1 || kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition || !strings.Contains(err.Error(), "orders-1") {
		t.Errorf("of two partitions, one refused: %d written, %v", n, err)
	}
	if info := b.kafka.GroupInfo("billing"); info.Commits["orders"][0].Offset != 3 {
		t.Errorf("the brokers have %+v", info.Commits)
	}
}

func TestManyOffsetsAreSplit(t *testing.T) {
	topics := make([]string, 20)
	for i := range topics {
		topics[i] = fmt.Sprintf("%0249d", i)
	}
	b := newBench(t, Options{}, kfake.SeedTopics(200, topics...))
	offsets := map[TopicPartition]int64{}
	for _, topic := range topics {
		for p := range int32(200) {
			offsets[TopicPartition{Topic: topic, Partition: p}] = int64(p)
		}
	}
	if n, err := b.cluster.CommitOffsets(testContext(t), "billing", offsets); n != 4000 || err != nil {
		t.Fatalf("%d written, %v", n, err)
	}
	if n := b.network.requests(int16(kmsg.OffsetCommit)); n < 2 || n > 5 {
		t.Errorf("in %d requests", n)
	}
	if got := b.kafka.GroupInfo("billing").Commits[topics[19]][199].Offset; got != 199 {
		t.Errorf("the last offset is %d", got)
	}
}

func TestAGroupWithMembersRefusesOffsets(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{"classic": nil, "consumer": {kgo.ServerSideBalancer()}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.join(t, "billing", "orders", "one", opts...)
			b.stable(t, "billing", 1, 1)
			n, err := b.cluster.CommitOffsets(testContext(t), "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 0})
			if n != 0 || kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != kafkaerr.Conflict {
				t.Errorf("%d written, %v", n, err)
			}
		})
	}
}

// What is asked about one group goes to the broker that was found first, for a while.
func TestACoordinatorIsLookedUpOnce(t *testing.T) {
	clk := newFakeClock()
	opts := unhurried
	opts.Clock = clk
	b := newBench(t, opts, kfake.SeedTopics(1, "orders"))
	b.commit(t, "billing", "orders", 0)
	ask := func() {
		t.Helper()
		for name, call := range groupCalls {
			if err := call(testContext(t), b.cluster); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	ask()
	if n := b.network.requests(int16(kmsg.FindCoordinator)); n != 1 {
		t.Errorf("looked up %d times, want once", n)
	}
	clk.Step(groups.CoordinatorLife)
	ask()
	if n := b.network.requests(int16(kmsg.FindCoordinator)); n != 2 {
		t.Errorf("a while later looked up %d times in all, want twice", n)
	}
}

// An account that has the rights of docs/external-clusters.md for groups, and no other, sees them.
func TestAnAccountThatMaySeeOneGroup(t *testing.T) {
	allow := func(of kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: of, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	s := newSecured(t, Options{}, SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "bob", Password: "bob"}},
		kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "orders", "secret", groups.OffsetsTopic), kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.User("PLAIN", "bob", "bob", allow(kmsg.ACLResourceTypeGroup, "billing", kmsg.ACLOperationDescribe),
			allow(kmsg.ACLResourceTypeGroup, "billing", kmsg.ACLOperationRead), allow(kmsg.ACLResourceTypeTopic, "orders", kmsg.ACLOperationRead)))
	admin := s.gateway.Cluster(Target{Key: "streams/theirs/admin", Bootstrap: s.kafka.ListenAddrs(),
		Security: &fixed{security: mustSecurity(t, SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "admin", Password: "admin"}})}})
	if _, err := admin.CommitOffsets(testContext(t), "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 0}); err != nil {
		t.Fatal(err)
	}
	list, err := s.cluster.Groups(testContext(t))
	if err != nil || len(list.Groups) != 1 || list.Groups[0].ID != "billing" {
		t.Errorf("listed %+v, %v", list, err)
	}
	if g, found, err := s.cluster.Group(testContext(t), "billing"); err != nil || !found || g.ID != "billing" {
		t.Errorf("described as %+v, found %v, %v", g, found, err)
	}
	if offsets, err := s.cluster.CommittedOffsets(testContext(t), "billing"); err != nil || len(offsets) != 1 {
		t.Errorf("offsets %v, %v", offsets, err)
	}
	if _, err := s.cluster.CommitOffsets(testContext(t), "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 0}); err != nil {
		t.Errorf("commit: %v", err)
	}
	topics, err := s.cluster.Topics(testContext(t), "orders", "secret")
	if len(topics) != 1 || !kafkaerr.OfAccount(err) || !strings.Contains(err.Error(), "lacks the right Describe on the topic") {
		t.Errorf("topics %v, %v", topics, err)
	}
}
