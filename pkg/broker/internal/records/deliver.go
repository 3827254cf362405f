package records

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// deliver hands an answer to the sink, with the turn taken.
func (f *fetcher) deliver(resp *kmsg.FetchResponse, asked []*position) readEvent {
	var e readEvent
	if resp.ErrorCode != 0 {
		e.why = kafkaerr.New(kafkaerr.OpRead, f.r.topic.Name, resp.ErrorCode, nil, 0)
		return e
	}
	byID := make(map[int32]*position, len(asked))
	for _, p := range asked {
		byID[p.id] = p
	}
	over, mentioned := map[*position]bool{}, map[*position]bool{}
	// A partition that others leave no room for in an answer was not asked about.
	empty, throttle := isEmpty(resp), wire.ThrottleOf(resp)
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			part := &t.Partitions[i]
			p := byID[part.Partition]
			if p == nil {
				continue
			}
			mentioned[p] = true
			if part.ErrorCode != 0 {
				err := kafkaerr.New(kafkaerr.OpRead, transport.PartitionObject(f.r.topic.Name, p.id), part.ErrorCode, nil, 0)
				if !kafkaerr.LooksAnew(part.ErrorCode) {
					return readEvent{fatal: err}
				}
				// An offset out of range is looked into, so it is the one that is told.
				if e.why == nil || part.ErrorCode == kafkaerr.OffsetOutOfRange {
					e.why = err
				}
				if part.ErrorCode == kafkaerr.OffsetOutOfRange {
					// An offset that is in range is refused for the epoch of what was read before it, of which the leader does not know
					// (Partition.readRecords).
					p.lineage = nil
				}
				p.fenced = p.fenced || part.ErrorCode == kafkaerr.FencedLeaderEpoch
				e.lost = append(e.lost, p)
				over[p] = true
				continue
			}
			before := p.next
			read := f.records
			if part.DivergingEpoch.EndOffset >= 0 {
				read = f.diverged
			}
			if err := read(p, part); err != nil {
				return readEvent{fatal: err}
			}
			p.failing = time.Time{}
			switch {
			case p.end < 0:
			case p.next >= p.end:
				e.done++
				over[p] = true
			case p.next != before:
				p.silence = Silence{}
			case empty || p == asked[0]:
				if err := f.r.silent(p, throttle, part.LastStableOffset); err != nil {
					return readEvent{fatal: err}
				}
			}
		}
	}
	for _, p := range asked {
		if mentioned[p] || p.end < 0 {
			continue
		}
		if err := f.r.silent(p, throttle, p.end); err != nil {
			return readEvent{fatal: err}
		}
	}
	f.drop(func(p *position) bool { return over[p] })
	if err := f.r.sink.Idle(); err != nil {
		return readEvent{fatal: err}
	}
	return e
}

// records hands over the records of one partition in an answer. The answer lists the transactions in it that were aborted; each of
// their batches up to the marker that ends it is skipped (as in Kafka's own CompletedFetch.java).
func (f *fetcher) records(p *position, part *kmsg.FetchResponseTopicPartition) error {
	aborted := part.AbortedTransactions
	slices.SortFunc(aborted, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	aborting := map[int64]bool{}
	damaged := func(err error) error {
		return fmt.Errorf("%s %s at offset %d: %w", kafkaerr.OpRead, transport.PartitionObject(f.r.topic.Name, p.id), p.next, err)
	}
	for rest := part.RecordBatches; ; {
		b, tail, ok, err := kafkarecord.Cut(rest)
		if err != nil {
			return damaged(err)
		}
		if !ok {
			return nil
		}
		rest = tail
		if b.NextOffset() <= p.next {
			continue
		}
		for len(aborted) > 0 && aborted[0].FirstOffset < b.NextOffset() {
			aborting[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		switch {
		case b.Control():
			marker, err := b.AbortMarker()
			if err != nil {
				return damaged(err)
			}
			if marker {
				delete(aborting, b.ProducerID())
			}
		case b.Transactional() && aborting[b.ProducerID()]:
		default:
			if err := f.batch(p, b); err != nil {
				var sunk *sinkError
				if errors.As(err, &sunk) {
					return sunk.err
				}
				return damaged(err)
			}
		}
		p.lineage.Grow(b.LeaderEpoch(), p.next)
		p.next = b.NextOffset()
		if p.end >= 0 && p.next >= p.end {
			return nil
		}
	}
}

// sinkError tells an error of the sink from one of the records.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

func (f *fetcher) batch(p *position, b kafkarecord.Batch) error {
	return b.Each(&f.r.record, func(r kafkarecord.Record) error {
		// A batch comes whole, also when only its last records were asked for.
		if r.Offset < p.next || p.end >= 0 && r.Offset >= p.end {
			return nil
		}
		r.Partition = p.id
		if err := f.r.sink.Record(r); err != nil {
			return &sinkError{err}
		}
		return nil
	})
}
