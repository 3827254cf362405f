package records

import (
	"context"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

const (
	// tailGrowth is how much further back the next look goes when one has not found enough records.
	tailGrowth = 8
	// tailMarks is the number of offsets that are kept while records are counted, of all partitions together, and leastMarks that of one
	// partition when there are many.
	tailMarks, leastMarks = 1 << 16, 16
)

// tailStarts finds where the last n records of each partition begin. Offsets alone do not tell: compaction leaves gaps, markers of
// transactions and aborted records take offsets of their own. So the records are counted, from as far back as it would be without any
// of these, and from further back where that was not enough. Kept are some of their offsets only, whatever number is asked for and
// whatever size the records have; what lies between two of them is read again.
func tailStarts(ctx context.Context, cluster *broker.Cluster, have broker.Topic, what broker.Reading, n int64) (map[int32]int64, error) {
	starts := make(map[int32]int64, len(what.From))
	if n == 0 {
		return what.Until, nil
	}
	most := max(tailMarks/max(len(what.From), 1), leastMarks)
	back := n
	look := newReading()
	for id, end := range what.Until {
		look.From[id], look.Until[id] = max(end-back, what.From[id]), end
	}
	between, skips := newReading(), map[int32]int64{}
	for len(look.From) > 0 {
		count := &tailCounter{most: most, marks: map[int32]*offsetMarks{}}
		if err := cluster.Read(ctx, have, look, count); err != nil {
			return nil, err
		}
		next := newReading()
		back *= tailGrowth
		for id, from := range look.From {
			found := count.marks[id]
			switch {
			case found != nil && found.count >= n:
				mark, after, skip := found.at(found.count-n, look.Until[id])
				if starts[id] = mark; skip > 0 {
					between.From[id], between.Until[id], skips[id] = mark, after, skip
				}
			case from <= what.From[id]:
				starts[id] = what.From[id]
			default:
				next.From[id], next.Until[id] = max(look.Until[id]-back, what.From[id]), look.Until[id]
			}
		}
		look = next
	}
	if len(between.From) == 0 {
		return starts, nil
	}
	for id, until := range between.Until {
		// When retention is faster.
		starts[id] = until
	}
	return starts, cluster.Read(ctx, have, between, &tailSkipper{skips: skips, starts: starts})
}

func newReading() broker.Reading {
	return broker.Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
}

// tailCounter counts the records of each partition.
type tailCounter struct {
	most  int
	marks map[int32]*offsetMarks
}

// Record implements broker.Sink.
func (t *tailCounter) Record(r kafkarecord.Record) error {
	marks := t.marks[r.Partition]
	if marks == nil {
		marks = &offsetMarks{stride: 1}
		t.marks[r.Partition] = marks
	}
	marks.add(r.Offset, t.most)
	return nil
}

// Gap implements broker.Sink. Retention was faster; what is left is what there is.
func (*tailCounter) Gap(broker.Gap) error { return nil }

// Idle implements broker.Sink.
func (*tailCounter) Idle() error { return nil }

// tailSkipper finds the first record behind some of each partition.
type tailSkipper struct {
	skips, starts map[int32]int64
}

// Record implements broker.Sink.
func (t *tailSkipper) Record(r kafkarecord.Record) error {
	if t.skips[r.Partition] == 0 {
		t.starts[r.Partition] = r.Offset
	}
	t.skips[r.Partition]--
	return nil
}

// Gap implements broker.Sink.
func (*tailSkipper) Gap(broker.Gap) error { return nil }

// Idle implements broker.Sink.
func (*tailSkipper) Idle() error { return nil }

// offsetMarks are the offsets of every so manieth record of a partition.
type offsetMarks struct {
	// stride is the number of records from one of the offsets to the next; count is that of all records.
	stride, count int64
	offsets       []int64
}

// add counts a record. Of offsets that are too many every second is let go of.
func (m *offsetMarks) add(offset int64, most int) {
	if m.count%m.stride == 0 && len(m.offsets) == most {
		kept := m.offsets[:0]
		for i := 0; i < most; i += 2 {
			kept = append(kept, m.offsets[i])
		}
		m.offsets = kept
		m.stride *= 2
	}
	if m.count%m.stride == 0 {
		m.offsets = append(m.offsets, offset)
	}
	m.count++
}

// at is the last mark before or at a record, which is skip records further, and the mark after it, or else the end.
func (m *offsetMarks) at(record, end int64) (mark, after, skip int64) {
	i := record / m.stride
	after = end
	if int(i)+1 < len(m.offsets) {
		after = m.offsets[i+1]
	}
	return m.offsets[i], after, record % m.stride
}
