package offsets

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
)

// Calls that share a request may know different epochs.
func TestTheHighestEpochOfALeaderCounts(t *testing.T) {
	ask := func(topic string, partitions ...ledPartition) *transport.Call[Question, Answer] {
		return &transport.Call[Question, Answer]{Query: Question{topic, partitions}}
	}
	req := ListOffsets(Target{Timestamp: -1, Isolation: ReadCommitted}, []*transport.Call[Question, Answer]{
		ask("a", ledPartition{0, 4}, ledPartition{1, -1}), ask("b", ledPartition{0, 1}), ask("a", ledPartition{0, 6}), ask("a", ledPartition{0, 5}, ledPartition{2, 2}),
	}).(*kmsg.ListOffsetsRequest)
	got := map[metadata.TopicPartition]int32{}
	for _, topic := range req.Topics {
		for _, p := range topic.Partitions {
			if _, twice := got[metadata.TopicPartition{Topic: topic.Topic, Partition: p.Partition}]; twice || p.Timestamp != -1 {
				t.Errorf("%s-%d twice, or for %d", topic.Topic, p.Partition, p.Timestamp)
			}
			got[metadata.TopicPartition{Topic: topic.Topic, Partition: p.Partition}] = p.CurrentLeaderEpoch
		}
	}
	want := map[metadata.TopicPartition]int32{{Topic: "a", Partition: 0}: 6, {Topic: "a", Partition: 1}: -1, {Topic: "a", Partition: 2}: 2, {Topic: "b", Partition: 0}: 1}
	if len(got) != len(want) || req.IsolationLevel != 1 {
		t.Errorf("asked about %v, isolation %d", got, req.IsolationLevel)
	}
	for p, epoch := range want {
		if got[p] != epoch {
			t.Errorf("%v is asked about with epoch %d, want %d", p, got[p], epoch)
		}
	}
}
