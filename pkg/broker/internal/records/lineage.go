package records

import "github.com/twmb/franz-go/pkg/kmsg"

// A log that was cut behind what has been read of it, in an unclean election, and has grown again since looks as if nothing had happened: the
// offset to read next is there. Two things tell. A leader of another epoch than the one that the reader thinks it asks refuses
// (Partition.getLocalLog). And a leader that is told the epoch of the last record read answers where that epoch ends in its log if this is not
// where it was read (Partition.readRecords), from Fetch 12, which Kafka has since 2.7.

// Lineage is where in a partition the records of each leader epoch began, as far as they were read, in order.
type Lineage []EpochStart

type EpochStart struct {
	Epoch  int32
	Offset int64
}

// MaxLineage bounds the epochs that are kept of one partition. A log that was cut further back is read again from the oldest of them.
const MaxLineage = 16

// Last is the epoch of the last record read, -1 when it is not known.
func (l Lineage) Last() int32 {
	if len(l) == 0 {
		return -1
	}
	return l[len(l)-1].Epoch
}

// Grow takes note of a batch that was read from an offset on.
func (l *Lineage) Grow(epoch int32, offset int64) {
	switch {
	case epoch < 0:
		*l = nil
	case epoch > l.Last():
		if len(*l) == MaxLineage {
			*l = append((*l)[:0], (*l)[1:]...)
		}
		*l = append(*l, EpochStart{epoch, offset})
	case epoch < l.Last():
		*l = Lineage{{epoch, offset}}
	}
}

// Cut goes back to a leader's log, in which the last epoch that is not above what was read is epoch, and ends at end. It returns the offset up
// to which both are the same, as a follower does that truncates (AbstractFetcherThread.truncateOnFetchResponse).
func (l *Lineage) Cut(next int64, epoch int32, end int64) int64 {
	next = min(next, end)
	for l.Last() > epoch {
		at := len(*l) - 1
		next = min(next, (*l)[at].Offset)
		*l = (*l)[:at]
	}
	return next
}

// ledBy takes over which epoch the brokers say that a partition's leader has. Kafka's epochs only grow: a lower one is of a broker that has not
// heard of the newer.
func (p *position) ledBy(epoch int32) {
	if epoch > p.leaderEpoch {
		p.leaderEpoch, p.fenced = epoch, false
	}
}

// askedEpoch is the epoch that a leader must have to be read from. When a leader has a higher one than any broker tells, which one asks for is
// not told.
func (p *position) askedEpoch() int32 {
	if p.fenced {
		return -1
	}
	return p.leaderEpoch
}

// diverged goes back in a partition whose leader answers that its log is another, and tells so. The end of the reading comes back with it,
// unless the log has grown up to it since.
func (f *fetcher) diverged(p *position, part *kmsg.FetchResponseTopicPartition) error {
	before := p.next
	p.next = p.lineage.Cut(before, part.DivergingEpoch.Epoch, part.DivergingEpoch.EndOffset)
	if p.next == before {
		// Nothing that was read is in question.
		p.lineage = nil
		return nil
	}
	if p.end >= 0 && part.LastStableOffset >= 0 {
		p.end = min(p.end, max(part.LastStableOffset, p.next))
	}
	return f.r.sink.Gap(Gap{Partition: p.id, From: before, Next: p.next})
}
