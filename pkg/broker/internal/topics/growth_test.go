package topics

import (
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
)

// A growth of which nobody knows the outcome has been done when the topic is what it would be then, and not when others have grown it.
func TestAGrowthIsDoneWhenTheTopicIsAsItWouldBe(t *testing.T) {
	have := metadata.Topic{Partitions: []metadata.Partition{{ID: 0, Replicas: []int32{0, 1}}, {ID: 1, Replicas: []int32{1, 2}}, {ID: 2, Replicas: []int32{2, 0}}}}
	for name, tc := range map[string]struct {
		growth growth
		done   bool
	}{
		"as many, placed by the brokers": {growth{total: 3}, true},
		"fewer":                          {growth{total: 4}, false},
		"more":                           {growth{total: 2}, false},
		"on the brokers asked for":       {growth{total: 3, assignments: [][]int32{{1, 2}, {2, 0}}}, true},
		"on others":                      {growth{total: 3, assignments: [][]int32{{1, 2}, {0, 2}}}, false},
	} {
		if got := tc.growth.doneIn(have); got != tc.done {
			t.Errorf("%s: done %t, want %t", name, got, tc.done)
		}
	}
}
