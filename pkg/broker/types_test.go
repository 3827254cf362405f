package broker

import (
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
)

func TestReplicasOfAMoveDoNotCount(t *testing.T) {
	topic := Topic{Partitions: []Partition{{Replicas: []int32{3, 0, 1, 2}}, {Replicas: []int32{0, 1, 2}}}}
	if got := topic.ReplicationFactor(); got != 3 {
		t.Errorf("%d replicas, want 3", got)
	}
	if got := (Topic{}).ReplicationFactor(); got != 0 {
		t.Errorf("%d replicas without partitions", got)
	}
}

func TestAReadKnowsOfTheMoveBeforeIt(t *testing.T) {
	now := time.Now()
	var e metadata.Expectations
	e.Reassigned(now, "orders", 1, []int32{3, 1, 2})
	for _, tc := range []struct {
		replicas []int32
		met      bool
	}{
		{[]int32{0, 1, 2}, false},
		{[]int32{3, 1, 2, 0}, true}, // moving
		{[]int32{3, 1, 2}, true},
		{[]int32{1, 2, 3}, false}, // the preferred leader is another
	} {
		topics := map[string]Topic{"orders": {Name: "orders", Partitions: []Partition{{ID: 0, Replicas: []int32{0, 1, 2}}, {ID: 1, Replicas: tc.replicas}}}}
		if got := e.Met(now, topics, nil); got != tc.met {
			t.Errorf("%v: met is %v", tc.replicas, got)
		}
		if !e.Met(now.Add(metadata.SettleTime), topics, nil) {
			t.Errorf("%v is not believed after the time that brokers may need to hear of it", tc.replicas)
		}
	}
	topics := map[string]Topic{"orders": {Name: "orders", Partitions: []Partition{{ID: 1, Replicas: []int32{0, 1, 2}}}}}
	e.Reassigned(now, "orders", 1, nil)
	if !e.Met(now, topics, nil) {
		t.Error("a move that was cancelled is waited for")
	}
}

// Brokers before 2.8 give topics no ids, which is no id that two of them have in common. A log folder without one has Kafka's own word for that.
func TestNoIDIsNoText(t *testing.T) {
	if text := (TopicID{}).String(); text != "" {
		t.Errorf("no topic id is %q", text)
	}
	const one = "AAAAAAAAAAAAAAAAAAAAAQ"
	if id, err := ParseTopicID(one); err != nil || id.String() != one {
		t.Errorf("%s is read as %s, %v", one, id, err)
	}
	if text := (DirectoryID{}).String(); text != "AAAAAAAAAAAAAAAAAAAAAA" {
		t.Errorf("no directory id is %q", text)
	}
}
