package kafkatopic

import (
	"context"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// tailGrowth is how much further back the next look goes when one has not found enough records.
const tailGrowth = 8

// tailStarts finds where the last n records of each partition begin. Offsets alone do not tell: compaction leaves gaps, markers of
// transactions and aborted records take offsets of their own. So the records are counted, from as far back as it would be without any
// of these, and from further back where that was not enough. Kept are offsets only, whatever size the records have.
func tailStarts(ctx context.Context, cluster *broker.Cluster, have broker.Topic, what broker.Reading, n int64) (map[int32]int64, error) {
	starts := make(map[int32]int64, len(what.From))
	if n == 0 {
		return what.Until, nil
	}
	back := n
	look := broker.Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
	for id, end := range what.Until {
		look.From[id], look.Until[id] = max(end-back, what.From[id]), end
	}
	for len(look.From) > 0 {
		count := &tailCounter{most: int(n), last: map[int32]*lastOffsets{}}
		if err := cluster.Read(ctx, have, look, count); err != nil {
			return nil, err
		}
		next := broker.Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
		back *= tailGrowth
		for id, from := range look.From {
			found := count.last[id]
			switch {
			case found != nil && found.full(int(n)):
				starts[id] = found.first()
			case from <= what.From[id]:
				starts[id] = what.From[id]
			default:
				next.From[id], next.Until[id] = max(look.Until[id]-back, what.From[id]), look.Until[id]
			}
		}
		look = next
	}
	return starts, nil
}

// tailCounter keeps the last offsets of each partition.
type tailCounter struct {
	most int
	last map[int32]*lastOffsets
}

// Record implements broker.Sink.
func (t *tailCounter) Record(r broker.Record) error {
	last := t.last[r.Partition]
	if last == nil {
		last = &lastOffsets{}
		t.last[r.Partition] = last
	}
	last.add(r.Offset, t.most)
	return nil
}

// Gap implements broker.Sink. Retention was faster; what is left is what there is.
func (*tailCounter) Gap(broker.Gap) error { return nil }

// Idle implements broker.Sink.
func (*tailCounter) Idle() error { return nil }

// lastOffsets is a ring of offsets.
type lastOffsets struct {
	ring []int64
	next int
}

func (l *lastOffsets) add(offset int64, most int) {
	if len(l.ring) < most {
		l.ring = append(l.ring, offset)
		return
	}
	l.ring[l.next] = offset
	l.next = (l.next + 1) % most
}

func (l *lastOffsets) full(most int) bool { return len(l.ring) == most }

// first is the oldest offset in a full ring.
func (l *lastOffsets) first() int64 { return l.ring[l.next] }
