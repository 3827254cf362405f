package broker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
)

// brokers are those of the fake cluster, as Metadata tells of them.
func (b *bench) brokers() (all []kmsg.MetadataResponseBroker) {
	for id, addr := range b.kafka.ListenAddrs() {
		broker := kmsg.NewMetadataResponseBroker()
		info, _ := splitAddr(addr)
		broker.NodeID, broker.Host, broker.Port = int32(id), info.Host, info.Port
		all = append(all, broker)
	}
	return all
}

// describes makes brokers tell of the partitions of a topic as they please.
func (b *bench) describes(name string, id TopicID, partitions ...int32) {
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = b.brokers()
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = &name, id
		for _, id := range partitions {
			partition := kmsg.NewMetadataResponseTopicPartition()
			partition.Partition = id
			topic.Partitions = append(topic.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
}

// Whoever answers for an external cluster says what he likes. What cannot be a topic is none to anybody who counts its partitions.
func TestATopicThatCannotBeIsRefused(t *testing.T) {
	id := TopicID{1}
	for name, partitions := range map[string][]int32{
		"none": {}, "negative": {-1, 0}, "twice": {0, 1, 1}, "the largest": {2147483647, -2147483648},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.describes("orders", id, partitions...)
			ctx := testContext(t)
			if topic, _, err := b.cluster.Topic(ctx, "orders"); err == nil || !strings.Contains(err.Error(), "orders") {
				t.Errorf("by name: %+v, %v", topic, err)
			}
			if topic, found, err := b.cluster.TopicByID(ctx, id); err == nil || found {
				t.Errorf("by id: %+v, %v", topic, err)
			}
			snapshot, err := b.cluster.Snapshot(ctx, 0)
			if err != nil || len(snapshot.Topics) != 0 {
				t.Errorf("among all: %+v, %v", snapshot, err)
			}
			if snapshot.Lacks("orders", snapshot.At) || !slices.Equal(snapshot.Unread(), []string{"orders"}) {
				t.Error("a topic that is not described counts as one that is not there")
			}
		})
	}
}

// In ZooKeeper mode brokers do not hear of partitions that have never had a leader. The others are there, and so is the topic.
func TestPartitionsMayBeMissing(t *testing.T) {
	id := TopicID{1}
	for name, partitions := range map[string][]int32{"in another order": {2, 0, 1}, "a gap": {2, 0}, "not from 0": {2, 1}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{})
			b.describes("orders", id, partitions...)
			ctx := testContext(t)
			byName, _, err := b.cluster.Topic(ctx, "orders")
			if err != nil {
				t.Fatal(err)
			}
			byID, found, err := b.cluster.TopicByID(ctx, id)
			if err != nil || !found {
				t.Fatal(err)
			}
			snapshot, err := b.cluster.Snapshot(ctx, 0)
			if err != nil || len(snapshot.Unread()) > 0 {
				t.Fatal(err, snapshot.Unread())
			}
			if n := snapshot.Topics["orders"].Partitions; int(n) != len(partitions) {
				t.Errorf("among all: %d partitions", n)
			}
			for how, topic := range map[string]Topic{"by name": byName, "by id": byID} {
				var ids []int32
				for _, p := range topic.Partitions {
					ids = append(ids, p.ID)
				}
				if !slices.Equal(ids, slices.Sorted(slices.Values(partitions))) {
					t.Errorf("%s: partitions %v", how, ids)
				}
			}
		})
	}
}

// What others made since does not show in what was seen long ago.
func TestAnOldSnapshotDoesNotTellWhatWasNotThere(t *testing.T) {
	s := &Snapshot{At: time.Now()}
	if !s.Lacks("orders", s.At.Add(metadata.Lately)) || s.Lacks("orders", s.At.Add(metadata.Lately+time.Second)) {
		t.Error("only what was seen a moment ago tells what was not there")
	}
}
