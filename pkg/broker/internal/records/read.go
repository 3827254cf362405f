package records

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// Records writes records and reads them.
type Records struct {
	*metadata.Metadata
	offsets *offsets.Offsets

	// Reads and produces hold a token for each call of Read and for each batch that is being written.
	Reads, produces chan struct{}
	Producers       producers
}

func New(o *offsets.Offsets) *Records {
	c := &Records{Metadata: o.Metadata, offsets: o, Reads: make(chan struct{}, MaxReads), produces: make(chan struct{}, maxProduces)}
	c.OnForget(func(bool) { c.Producers.forget() })
	return c
}

// Reading is what Read is asked for.
type Reading struct {
	// From is the offset to begin at, by partition. Partitions that it does not name are not read.
	From map[int32]int64
	// Epochs are those of the leaders that told the ends of partitions which are read from there, as far as they are known: by them it is noticed
	// that such a log is cut before anything is read of it.
	Epochs map[int32]int32
	// Until is one past the last offset to read, by partition; Read returns when all are reached, and with an error when they cannot be. Without it Read goes on, with
	// records as they are written, until its context ends.
	Until map[int32]int64
	// Added has a reading without Until go on with partitions that are added to the topic meanwhile, too, from their first offsets.
	Added bool
}

// Sink takes what Read finds. Its methods are called one at a time, from any goroutine; while one blocks nothing more is read than
// is in memory already. An error that one returns ends Read, which returns it.
type Sink interface {
	// Record takes the next record of a partition. Its bytes are valid during the call.
	Record(kafkarecord.Record) error
	// Gap takes note of records that are not there any more.
	Gap(Gap) error
	// Idle is called when an answer of a broker has been handed over, also one that brought nothing.
	Idle() error
}

// Gap is a range of offsets that cannot be read although they were to be.
type Gap struct {
	Partition int32
	// From is the offset that was to be read next, Next the one that reading goes on with. Next is larger when retention or a
	// truncation removed records, and smaller when the log has lost its end (an unclean election).
	From, Next int64
}

const (
	// MaxReads bounds the calls of Read at the same time on one cluster, each of which holds one answer of a broker in memory.
	MaxReads = 64
	// ReadPatience is how long the brokers may fail to serve a partition, or answer without any record of it before its Until, before Read
	// gives up. A rolling restart takes less.
	ReadPatience = 30 * time.Second
	// readPause is the time before brokers are asked again after a failure.
	readPause = 200 * time.Millisecond
)

// Read is that of broker.Cluster.
func (c *Records) Read(ctx context.Context, topic metadata.Topic, what Reading, sink Sink) error {
	select {
	case c.Reads <- struct{}{}:
		defer func() { <-c.Reads }()
	default:
		text := fmt.Sprintf("%d reads are under way on this cluster, which is all that this server takes on at the same time", MaxReads)
		return kafkaerr.New(kafkaerr.OpRead, topic.Name, kafkaerr.ThrottlingQuotaExceeded, &text, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.Life, func() { cancel(context.Cause(c.Life)) })()

	r := &reading{c: c, topic: topic, what: what, sink: sink, turn: make(chan struct{}, 1), events: make(chan readEvent), known: map[int32]bool{}}
	// Fetchers end with the context, and hold the sink until then.
	defer r.running.Wait()
	defer cancel(nil)
	var open []*position
	for id, from := range what.From {
		r.known[id] = true
		p := newPosition(id, from)
		if epoch, known := what.Epochs[id]; known {
			p.lineage.Grow(epoch, from)
		}
		if what.Until != nil {
			if p.end = what.Until[id]; p.next >= p.end {
				continue
			}
		}
		open = append(open, p)
	}
	return r.run(ctx, open)
}

// reading is one call of Read.
type reading struct {
	c *Records
	// topic is as the caller knows it, and its id as brokers told it since.
	topic metadata.Topic
	// believed is what was heard last of who leads it.
	believed metadata.Topic
	what     Reading
	sink     Sink
	// known are the partitions that are or were read; gone is how many looks in a row did not find the topic.
	known map[int32]bool
	gone  int
	// turn is held by the one fetcher that has an answer in memory and talks to the sink.
	turn chan struct{}
	// over is what ends the reading, set by who holds turn: the sink is not called again.
	over error
	// body and record are the memory for an answer and for a record, used by who holds turn.
	body, record []byte
	events       chan readEvent
	fetchers     []*fetcher
	running      crash.Group
}

// position is where reading is in one partition.
type position struct {
	id   int32
	next int64
	// end is one past the last offset to read, -1 without one.
	end int64
	// leaderEpoch is the highest epoch that a leader of it is said to have, -1 when none is; fenced tells that one has a higher epoch.
	leaderEpoch int32
	fenced      bool
	lineage     Lineage
	// failing is since when no broker serves it; zero when one does.
	failing time.Time
	// silence is that of a broker that does, and brings nothing.
	silence Silence
}

func newPosition(partition int32, from int64) *position {
	return &position{id: partition, next: from, end: -1, leaderEpoch: -1}
}

// readEvent is what a fetcher tells: partitions that are read to their end, those that it cannot serve and why, or the end of all.
type readEvent struct {
	done int
	lost []*position
	why  error
	// look is what the brokers say of the topic meanwhile.
	look *look
	// fatal ends the whole reading.
	fatal error
}

func (r *reading) run(ctx context.Context, open []*position) error {
	left := len(open)
	r.assign(ctx, r.topic, open)
	var waiting []*position
	var why error
	var retry, next <-chan time.Time
	if r.what.Until == nil {
		next = time.After(r.c.Opts.LookEvery)
	}
	for left > 0 {
		select {
		case <-ctx.Done():
			return r.c.Failed(ctx, kafkaerr.OpRead, r.topic.Name, context.Cause(ctx))
		case e := <-r.events:
			if e.fatal != nil {
				return e.fatal
			}
			if e.look != nil {
				added, pause, err := r.looked(ctx, e.look)
				if err != nil {
					return err
				}
				left += added
				next = time.After(pause)
			}
			left -= e.done
			if len(e.lost) > 0 {
				waiting, why = append(waiting, e.lost...), e.why
			}
			if len(waiting) > 0 && retry == nil {
				retry = time.After(readPause)
			}
		case <-next:
			next = nil
			topic := r.topic
			r.running.Go(func() { r.tell(ctx, readEvent{look: r.look(ctx, topic)}) })
		case <-retry:
			retry = nil
			lost := waiting
			waiting = nil
			done, err := r.resume(ctx, lost, why)
			if err != nil {
				return err
			}
			left -= done
		}
	}
	return nil
}

// resume finds out where partitions can be read after a failure. It returns how many of them turn out to be read to their end.
func (r *reading) resume(ctx context.Context, lost []*position, why error) (done int, err error) {
	asking, asked := r.c.Begin(ctx)
	defer asked()
	r.c.Contradicted(r.believed, why)
	now, found, replaced, err := r.c.TopicAgain(asking, r.topic)
	switch {
	case ctx.Err() != nil:
		return 0, r.c.Failed(ctx, kafkaerr.OpRead, r.topic.Name, context.Cause(ctx))
	case err != nil && !kafkaerr.IsUnreachable(err) && asking.Err() == nil && !kafkaerr.Retriable(kafkaerr.CodeOf(err)):
		return 0, err
	case err != nil:
		return 0, r.later(ctx, lost, err)
	case !found:
		return 0, r.goneError(replaced)
	}
	if kafkaerr.CodeOf(why) == kafkaerr.OffsetOutOfRange {
		ranges, err := r.c.offsets.OffsetsOf(asking, now, offsets.ReadCommitted)
		if err != nil {
			return 0, r.later(ctx, lost, err)
		}
		if lost, done, err = r.skip(ctx, lost, ranges); err != nil {
			return 0, err
		}
	}
	if err := r.patient(lost, why); err != nil {
		return 0, err
	}
	r.assign(ctx, now, lost)
	return done, nil
}

// later gives partitions back to wait for another attempt.
func (r *reading) later(ctx context.Context, lost []*position, why error) error {
	if err := r.patient(lost, why); err != nil {
		return err
	}
	r.running.Go(func() { r.tell(ctx, readEvent{lost: lost, why: why}) })
	return nil
}

// patient is the error of partitions that were not served for too long, or cannot be.
func (r *reading) patient(lost []*position, why error) error {
	if kafkaerr.IsTooLong(why) {
		return r.c.Failed(context.Background(), kafkaerr.OpRead, r.topic.Name, why)
	}
	for _, p := range lost {
		if p.failing.IsZero() {
			p.failing = time.Now()
		}
		if time.Since(p.failing) < r.c.Opts.ReadPatience {
			continue
		}
		var refusal *kafkaerr.Error
		if errors.As(why, &refusal) || kafkaerr.IsUnreachable(why) || kafkaerr.IsNotAdmitted(why) {
			return why
		}
		return &kafkaerr.UnreachableError{Cluster: r.c.Label, Address: transport.AddressesOf(why), Err: why}
	}
	return nil
}

// skip moves partitions whose next offset the brokers do not have to where they do have records.
func (r *reading) skip(ctx context.Context, lost []*position, ranges map[int32]offsets.PartitionOffsets) (kept []*position, done int, err error) {
	if err := r.take(ctx); err != nil {
		return nil, 0, err
	}
	defer r.give()
	for _, p := range lost {
		has, known := ranges[p.id]
		to := min(max(p.next, has.Start), max(has.End, has.Start))
		if known && has.Err == nil && to != p.next {
			gap := Gap{Partition: p.id, From: p.next, Next: to}
			cut := to < p.next
			p.next = to
			if err := r.sink.Gap(gap); err != nil {
				r.over = err
				return nil, 0, err
			}
			// A log that has lost its end will not reach what was its end.
			if p.end >= 0 && (cut || p.next >= p.end) {
				done++
				continue
			}
		}
		kept = append(kept, p)
	}
	if err := r.sink.Idle(); err != nil {
		r.over = err
		return nil, 0, err
	}
	return kept, done, nil
}

// assign gives partitions to the fetchers of their leaders. Those without a leader wait.
func (r *reading) assign(ctx context.Context, topic metadata.Topic, positions []*position) {
	r.believed, r.topic.ID = topic, topic.ID
	now := make(map[int32]metadata.Partition, len(topic.Partitions))
	for _, p := range topic.Partitions {
		now[p.ID] = p
	}
	byLeader := map[int32][]*position{}
	var leaderless []*position
	for _, p := range positions {
		if is, known := now[p.id]; known && is.Leader >= 0 {
			p.ledBy(is.LeaderEpoch)
			byLeader[is.Leader] = append(byLeader[is.Leader], p)
		} else {
			leaderless = append(leaderless, p)
		}
	}
	if len(leaderless) > 0 {
		why := kafkaerr.New(kafkaerr.OpRead, transport.PartitionObject(topic.Name, leaderless[0].id), kafkaerr.LeaderNotAvailable, nil, 0)
		r.running.Go(func() { r.tell(ctx, readEvent{lost: leaderless, why: why}) })
	}
	for leader, share := range byLeader {
		if !r.join(leader, share) {
			f := &fetcher{r: r, id: topic.ID, leader: leader, positions: share}
			r.fetchers = append(r.fetchers, f)
			r.running.Go(func() { f.run(ctx) })
		}
	}
}

// join hands partitions to a fetcher that runs for their leader.
func (r *reading) join(leader int32, share []*position) bool {
	joined := false
	kept := r.fetchers[:0]
	for _, f := range r.fetchers {
		f.mu.Lock()
		if !f.ended && !joined && f.leader == leader {
			f.positions = append(f.positions, share...)
			joined = true
		}
		if !f.ended {
			kept = append(kept, f)
		}
		f.mu.Unlock()
	}
	clear(r.fetchers[len(kept):])
	r.fetchers = kept
	return joined
}

func (r *reading) tell(ctx context.Context, e readEvent) {
	select {
	case r.events <- e:
	case <-ctx.Done():
	}
}

// take waits for the turn to hold an answer in memory and to talk to the sink; give ends it.
func (r *reading) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		if err := r.over; err != nil {
			r.give()
			return err
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *reading) give() { <-r.turn }
