package roll_test

import (
	"fmt"
	"testing"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// large is a cluster of 100 brokers on three racks with 100,000 partitions in 2,000 topics, three replicas each. Of every so many
// partitions one has a replica that is not in sync; 0 for none.
func large(behindEvery int) *roll.Snapshot {
	const brokersCount, topicsCount, partitionsCount = 100, 2000, 50
	s := &roll.Snapshot{Metadata: &roll.Metadata{Controller: -1}, Quorum: healthy(3000, 3000, 3001, 3002)}
	for id := range int32(brokersCount) {
		n := outdated(fmt.Sprintf("b%d", id), id, roll.Broker)
		n.Rack = fmt.Sprintf("r%d", id%3)
		s.Nodes = append(s.Nodes, n)
	}
	for id := range int32(3) {
		s.Nodes = append(s.Nodes, node(fmt.Sprintf("c%d", id), 3000+id, roll.Controller))
	}
	count := int32(0)
	for t := range topicsCount {
		topic := roll.Topic{Name: fmt.Sprintf("topic-%d", t), MinISR: 2}
		for p := range int32(partitionsCount) {
			first := count % brokersCount
			replicas := []int32{first, (first + 1) % brokersCount, (first + 2) % brokersCount}
			isr := replicas
			if count++; behindEvery > 0 && int(count)%behindEvery == 0 {
				isr = replicas[:2]
			}
			topic.Partitions = append(topic.Partitions, roll.Partition{ID: p, Leader: first, Replicas: replicas, ISR: isr})
		}
		s.Metadata.Topics = append(s.Metadata.Topics, topic)
	}
	return s
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct {
		name        string
		behindEvery int
		o           roll.Options
	}{
		{"healthy", 0, roll.Options{}},
		{"half-behind", 2, roll.Options{}},
		{"all-behind", 1, roll.Options{}},
		{"rack", 0, roll.Options{Parallel: roll.Rack}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := large(c.behindEvery)
			b.ReportAllocs()
			for b.Loop() {
				roll.Next(s, c.o, now)
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	s := large(0)
	b.ReportAllocs()
	for b.Loop() {
		roll.Plan(s, roll.Options{Parallel: roll.Rack}, now)
	}
}

// TestLargeClustersCostFewAllocations: what a pass needs depends on the nodes, not on the partitions.
func TestLargeClustersCostFewAllocations(t *testing.T) {
	s := large(2)
	if n := testing.AllocsPerRun(1, func() { roll.Next(s, roll.Options{}, now) }); n > 2000 {
		t.Errorf("%.0f allocations for 100,000 partitions", n)
	}
}
