package roll

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxNamed is how many partitions are named where more are counted.
const maxNamed = 10

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is Kafka's own form, topic-partition.
func (p TopicPartition) String() string {
	return p.Topic + "-" + strconv.Itoa(int(p.Partition))
}

func (p TopicPartition) compare(other TopicPartition) int {
	if c := strings.Compare(p.Topic, other.Topic); c != 0 {
		return c
	}
	return cmp.Compare(p.Partition, other.Partition)
}

// Partitions counts partitions and names the first ten, by topic and number.
type Partitions struct {
	Count int
	First []TopicPartition
}

// add keeps the order by itself: metadata comes in none.
func (p *Partitions) add(topic string, partition int32) {
	p.Count++
	added := TopicPartition{Topic: topic, Partition: partition}
	full := len(p.First) == maxNamed
	if full && added.compare(p.First[maxNamed-1]) > 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(p.First, added, TopicPartition.compare)
	if full {
		p.First = p.First[:maxNamed-1]
	}
	if p.First == nil {
		p.First = make([]TopicPartition, 0, maxNamed)
	}
	p.First = slices.Insert(p.First, at, added)
}

// String names the partitions, and how many there are beyond those.
func (p Partitions) String() string {
	var b strings.Builder
	for i, partition := range p.First {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(partition.String())
	}
	if more := p.Count - len(p.First); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}
