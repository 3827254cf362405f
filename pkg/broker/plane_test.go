package broker

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func TestATopicsLife(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	c := b.cluster

	created, err := c.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 3, Replicas: 3, Config: map[string]string{"retention.ms": "86400000"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if created.ID.IsZero() || created.Partitions != 3 || created.Replicas != 3 {
		t.Errorf("created %+v", created)
	}
	topics, err := c.Topics(ctx, "orders", "nobody", "not/legal")
	if err != nil {
		t.Fatal(err)
	}
	orders, ok := topics["orders"]
	if len(topics) != 1 || !ok {
		t.Fatalf("topics %v, want orders alone", topics)
	}
	if orders.ID != created.ID || len(orders.Partitions) != 3 || orders.ReplicationFactor() != 3 || orders.Internal {
		t.Errorf("orders %+v", orders)
	}
	for i, p := range orders.Partitions {
		if p.ID != int32(i) || p.Leader < 0 || len(p.ISR) != 3 || p.Err != nil {
			t.Errorf("partition %+v", p)
		}
	}
	if b.kafka.TopicInfo("nobody") != nil {
		t.Error("a look at a topic has created it")
	}

	byID, found, err := c.TopicByID(ctx, created.ID)
	if err != nil || !found || byID.Name != "orders" || len(byID.Partitions) != 3 {
		t.Errorf("by id: %+v %v %v", byID, found, err)
	}
	if _, found, err = c.TopicByID(ctx, TopicID{1}); found || err != nil {
		t.Errorf("unknown id: found %v, %v", found, err)
	}

	if err := c.CreatePartitions(ctx, "orders", 12, nil, false); err != nil {
		t.Fatal(err)
	}
	if orders, _, err = c.Topic(ctx, "orders"); err != nil || len(orders.Partitions) != 12 {
		t.Errorf("%d partitions, want 12 (%v)", len(orders.Partitions), err)
	}
	if err := c.CreatePartitions(ctx, "orders", 12, nil, false); err != nil {
		t.Errorf("the same number again: %v", err)
	}
	if err := c.CreatePartitions(ctx, "orders", 6, nil, false); kafkaerr.CodeOf(err) != kafkaerr.InvalidPartitions {
		t.Errorf("fewer partitions: %v, want INVALID_PARTITIONS", err)
	}

	if err := c.DeleteTopic(ctx, created.ID); err != nil {
		t.Fatal(err)
	}
	if _, found, err := c.Topic(ctx, "orders"); found || err != nil {
		t.Errorf("deleted: found %v, %v", found, err)
	}
	if err := c.DeleteTopic(ctx, created.ID); err != nil {
		t.Errorf("deleting an unknown id: %v, want success", err)
	}
	if err := c.DeleteTopic(ctx, TopicID{}); kafkaerr.CodeOf(err) != kafkaerr.InvalidRequest {
		t.Errorf("deleting no id: %v, want INVALID_REQUEST", err)
	}
}

func TestValidateOnlyLeavesNothing(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	c := b.cluster
	if _, err := c.CreateTopic(ctx, NewTopic{Name: "asked", Partitions: 2, Replicas: 1}, true); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateTopic(ctx, NewTopic{Name: "asked", Partitions: 2, Replicas: 9}, true)
	if kafkaerr.CodeOf(err) != 38 {
		t.Errorf("nine replicas on three brokers: %v, want INVALID_REPLICATION_FACTOR", err)
	}
	if _, found, err := c.Topic(ctx, "asked"); found || err != nil {
		t.Errorf("validateOnly has created the topic: %v %v", found, err)
	}
	if _, err := c.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 2, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	if err := c.CreatePartitions(ctx, "orders", 5, nil, true); err != nil {
		t.Error(err)
	}
	if orders, _, err := c.Topic(ctx, "orders"); len(orders.Partitions) != 2 || err != nil {
		t.Errorf("validateOnly has grown the topic to %d partitions: %v", len(orders.Partitions), err)
	}
	if err := c.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": "5000"}, nil, true); err != nil {
		t.Error(err)
	}
	if set := topicSettings(t, c, "orders"); len(set) != 0 {
		t.Errorf("validateOnly has set %v", set)
	}
}

func topicSettings(t *testing.T, c *Cluster, topic string) map[string]string {
	t.Helper()
	entries, err := c.TopicConfig(testContext(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	return metadata.TopicValues(entries)
}

func TestTopicConfig(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	c := b.cluster
	if err := c.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": "5000", "cleanup.policy": "compact"}, nil, false); err != nil {
		t.Fatal(err)
	}
	if got := topicSettings(t, c, "orders"); got["retention.ms"] != "5000" || got["cleanup.policy"] != "compact" {
		t.Errorf("settings %v", got)
	}
	if err := c.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": "6000"}, []string{"cleanup.policy"}, false); err != nil {
		t.Fatal(err)
	}
	if got := topicSettings(t, c, "orders"); got["retention.ms"] != "6000" || len(got) != 1 {
		t.Errorf("settings %v, want retention.ms alone", got)
	}
	entries, err := c.TopicConfig(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(entries, func(a, b ConfigEntry) int { return map[bool]int{true: 1, false: -1}[a.Name > b.Name] }) {
		t.Error("the settings are not sorted")
	}
	i := slices.IndexFunc(entries, func(e ConfigEntry) bool { return e.Name == "cleanup.policy" })
	if i < 0 || entries[i].Source != SourceDefault || !entries[i].Default {
		t.Errorf("cleanup.policy is not at its default: %+v", entries)
	}

	configs, err := c.TopicConfigs(ctx, "orders", "nobody")
	if kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition || len(configs) != 1 {
		t.Errorf("with one topic unknown: %d answers and %v", len(configs), err)
	}
	if err := c.AlterTopicConfig(ctx, "orders", map[string]string{"min.insync.replicas": "2"}, nil, false); err != nil {
		t.Fatal(err)
	}
	values, err := c.TopicSetting(ctx, "min.insync.replicas", "orders", "nobody")
	if err != nil || len(values) != 1 || values["orders"] != "2" {
		t.Errorf("one setting of both: %v, %v", values, err)
	}
	if err := c.AlterTopicConfig(ctx, "orders", map[string]string{"a": "1"}, []string{"a"}, false); kafkaerr.CodeOf(err) != kafkaerr.InvalidRequest {
		t.Errorf("set and removed at once: %v", err)
	}
	if err := c.AlterTopicConfig(ctx, "nobody", map[string]string{"retention.ms": "1"}, nil, false); kafkaerr.CodeOf(err) == 0 {
		t.Errorf("altering an unknown topic: %v, want the broker's refusal", err)
	}
}

func TestOffsetsAndSizes(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(6, "orders"))
	ctx := testContext(t)
	offsets, err := b.cluster.Offsets(ctx, "orders", ReadUncommitted)
	if err != nil || len(offsets) != 6 {
		t.Fatalf("%d partitions, %v", len(offsets), err)
	}
	for id, o := range offsets {
		if o.Err != nil || o.Start != 0 || o.End != 0 {
			t.Errorf("partition %d: %+v", id, o)
		}
	}
	if _, err := b.cluster.Offsets(ctx, "nobody", ReadUncommitted); kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition {
		t.Errorf("unknown topic: %v", err)
	}

	sizes, err := b.cluster.LogDirs(ctx, "orders", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for id, dirs := range sizes.Brokers {
		if dirs.Err != nil || dirs.At.IsZero() {
			t.Errorf("broker %d: %+v", id, dirs)
		}
		count += len(dirs.Replicas)
	}
	if count == 0 {
		t.Error("no replica has a size")
	}
	asked := b.network.requests(int16(kmsg.DescribeLogDirs))
	if _, err := b.cluster.LogDirs(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if now := b.network.requests(int16(kmsg.DescribeLogDirs)); now != asked {
		t.Errorf("%d requests more for a cached answer", now-asked)
	}
	if _, err := b.cluster.FreshLogDirs(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	if now := b.network.requests(int16(kmsg.DescribeLogDirs)); now == asked {
		t.Error("a fresh answer came from the cache")
	}
}

func TestOffsetsFollowALeaderThatMoves(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	orders, _, err := b.cluster.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	old := orders.Partitions[0].Leader
	if err := b.kafka.MoveTopicPartition("orders", 0, (old+1)%3); err != nil {
		t.Fatal(err)
	}
	// The caller's metadata is older than the move.
	offsets, err := b.cluster.OffsetsOf(ctx, orders, ReadUncommitted)
	if err != nil || offsets[0].Err != nil || offsets[0].End != 0 {
		t.Errorf("%+v, %v", offsets, err)
	}
}

func TestDescribe(t *testing.T) {
	b := newBench(t, Options{}, kfake.ClusterID("fake-id"))
	ctx := testContext(t)
	info, err := b.cluster.Describe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if info.ID != "fake-id" || len(info.Brokers) != 3 || info.KRaft || info.ControllerID < 0 {
		t.Errorf("%+v", info)
	}
	versions, err := b.cluster.BrokerVersions(ctx)
	if err != nil || len(versions) != 3 {
		t.Fatalf("%v %v", versions, err)
	}
	for id, v := range versions {
		if v.Err != nil || v.Release == "" {
			t.Errorf("broker %d: %+v", id, v)
		}
	}
	if ok, err := b.cluster.SupportsAPI(ctx, int16(kmsg.CreateTopics)); !ok || err != nil {
		t.Errorf("CreateTopics supported: %v %v", ok, err)
	}
	if ok, err := b.cluster.SupportsAPI(ctx, int16(kmsg.DescribeQuorum)); ok || err != nil {
		t.Errorf("DescribeQuorum supported: %v %v", ok, err)
	}
	if _, err := b.cluster.Quorum(ctx); !kafkaerr.IsNotSupported(err) {
		t.Errorf("quorum without KRaft: %v, want not supported", err)
	}
	if err := b.cluster.UnregisterBroker(ctx, 2); !kafkaerr.IsNotSupported(err) {
		t.Errorf("unregister without KRaft: %v, want not supported", err)
	}
}

func TestReassign(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	ctx := testContext(t)
	moving, err := b.cluster.Reassignments(ctx, "orders")
	if err != nil || len(moving) != 0 {
		t.Errorf("%v %v", moving, err)
	}
	if err := b.cluster.Reassign(ctx, "orders", map[int32][]int32{0: {1, 2, 0}}); err != nil {
		t.Errorf("reassign: %v", err)
	}
	if err := b.cluster.Reassign(ctx, "orders", map[int32][]int32{0: nil}); err != nil {
		t.Errorf("cancel of nothing: %v, want success", err)
	}
	err = b.cluster.Reassign(ctx, "orders", map[int32][]int32{1: {2, 1, 0}, 5: {0, 1, 2}, 6: {0, 1, 2}})
	if n := len(kafkaerr.Refusals(err)); n != 2 {
		t.Errorf("two unknown partitions: %d refusals in %v", n, err)
	}
}
