package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describes makes brokers tell of the partitions of a topic as they please.
func (b *bench) describes(name string, id TopicID, partitions ...int32) {
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		for id, addr := range b.kafka.ListenAddrs() {
			broker := kmsg.NewMetadataResponseBroker()
			info, _ := splitAddr(addr)
			broker.NodeID, broker.Host, broker.Port = int32(id), info.Host, info.Port
			resp.Brokers = append(resp.Brokers, broker)
		}
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
		"none": {}, "a gap": {0, 2}, "not from 0": {1, 2}, "negative": {-1, 0}, "twice": {0, 1, 1}, "the largest": {2147483647, -2147483648},
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
			if snapshot.lacks("orders") {
				t.Error("a topic that is not described counts as one that is not there")
			}
		})
	}
	b := newBench(t, Options{})
	b.describes("orders", id, 2, 0, 1)
	topic, _, err := b.cluster.Topic(testContext(t), "orders")
	if err != nil || !slices.IsSortedFunc(topic.Partitions, func(a, b Partition) int { return int(a.ID - b.ID) }) || len(topic.Partitions) != 3 {
		t.Errorf("in another order: %+v, %v", topic, err)
	}
}
