package topics

import (
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// A broker may show a partition that was just added before it knows its replicas. They are as many as the others have.
func TestTheReplicasOfAGrowingTopicAreKnown(t *testing.T) {
	have := topic(3)
	have.Partitions = append(have.Partitions, broker.Partition{ID: 3, Leader: -1})
	if got := Known(have); got != (OnBrokers{have.ID, 4, 2}) {
		t.Errorf("known is %+v, want 4 partitions of 2 replicas", got)
	}
	// One that moves has those that are added and removed, too.
	have.Partitions[1].Replicas = []int32{0, 1, 2, 3}
	if got := Known(have); got.Replicas != 2 {
		t.Errorf("while a partition moves there are %d replicas, want 2", got.Replicas)
	}
	if got := Known(broker.Topic{}); got.Partitions != 0 || got.Replicas != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
