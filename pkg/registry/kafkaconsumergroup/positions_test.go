package kafkaconsumergroup

import (
	"errors"
	"testing"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Where a group has committed nothing, an application of Kafka Streams has all of it before it, as kafka-streams-groups says. Where others
// begin is for their settings to say, and kafka-consumer-groups tells no lag.
func TestTheLagWhereNothingIsCommitted(t *testing.T) {
	committed, open, refused := broker.TopicPartition{Topic: "orders"}, broker.TopicPartition{Topic: "orders", Partition: 1}, broker.TopicPartition{Topic: "orders", Partition: 2}
	at := func(streams bool) *positions {
		return &positions{
			streams:   streams,
			committed: map[broker.TopicPartition]broker.CommittedOffset{committed: {Offset: 7}},
			owners:    map[broker.TopicPartition]broker.GroupMember{committed: {ID: "m"}, open: {ID: "m"}},
			topics:    map[string]broker.Topic{"orders": {Name: "orders"}},
			ranges:    map[broker.TopicPartition]broker.PartitionOffsets{committed: {Start: 5, End: 10}, open: {Start: 5, End: 25}},
		}
	}
	for streams, want := range map[bool]struct{ row, sum int64 }{true: {20, 23}, false: {-1, 3}} {
		p := at(streams)
		if rows := p.rows(); len(rows) != 2 || ptr.Deref(rows[1].Lag, -1) != want.row || rows[1].Committed != nil || ptr.Deref(p.lag(), -1) != want.sum {
			t.Errorf("streams %v: %+v, in sum %d", streams, rows, ptr.Deref(p.lag(), -1))
		}
	}
	p := at(true)
	p.owners[refused] = broker.GroupMember{ID: "m"}
	p.ranges[refused] = broker.PartitionOffsets{Start: -1, End: -1, Err: errors.New("no broker answers")}
	if rows, sum := p.rows(), p.lag(); sum != nil || rows[2].Lag != nil || rows[2].Message == "" {
		t.Errorf("a leader that does not answer: %+v, in sum %v", rows, sum)
	}
}
