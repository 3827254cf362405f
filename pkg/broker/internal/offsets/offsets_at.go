package offsets

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
)

// OffsetAt is where a partition's log reaches a point in time.
type OffsetAt struct {
	// Offset is the first one whose record is that late or later, -1 when there is none.
	Offset int64
	// Timestamp is that record's, zero when there is none.
	Timestamp time.Time
	// Err tells why this partition could not be asked; Offset is then -1.
	Err error
}

// OffsetsAt is that of broker.Cluster.
func (c *Offsets) OffsetsAt(ctx context.Context, topic metadata.Topic, at time.Time) (map[int32]OffsetAt, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	said, err := c.offsetsAt(ctx, topic, ReadUncommitted, searchTimestamp(at))
	if err != nil {
		return nil, err
	}
	answers := make(map[int32]OffsetAt, len(said[0]))
	for id, o := range said[0] {
		answer := OffsetAt{Offset: o.offset, Err: o.err}
		if o.offset >= 0 {
			answer.Timestamp = time.UnixMilli(o.timestamp).UTC()
		}
		answers[id] = answer
	}
	return answers, nil
}

// searchTimestamp is a time as Kafka compares it, in milliseconds. A part of one is rounded up: the record is to be that late.
// Negative numbers would ask for something else (-1 is the end, -2 the start).
func searchTimestamp(at time.Time) int64 {
	millis := at.UnixMilli()
	if at.After(time.UnixMilli(millis)) {
		millis++
	}
	return max(millis, 0)
}
