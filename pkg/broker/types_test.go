package broker

import "testing"

func TestAPartitionThatMovesCountsNoReplicas(t *testing.T) {
	topic := Topic{Partitions: []Partition{{Replicas: []int32{3, 0, 1, 2}}, {Replicas: []int32{0, 1, 2}}}}
	if got := topic.ReplicationFactor(); got != 3 {
		t.Errorf("%d replicas, want 3", got)
	}
	if got := (Topic{}).ReplicationFactor(); got != 0 {
		t.Errorf("%d replicas without partitions", got)
	}
}
