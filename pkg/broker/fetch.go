package broker

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

const (
	// fetchBytes is what one answer should bring; a batch that is larger comes whole all the same.
	fetchBytes = 1 << 20
	// minPartitionBytes is the least that a partition may bring to an answer that it shares with many.
	minPartitionBytes = 64 << 10
	// fetchWait is how long a broker holds a request when there is nothing new.
	fetchWait = 900 * time.Millisecond
	// answerTimeout is how much later than that an answer may begin, and bodyTimeout how long it may take to arrive.
	answerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	// minFetchVersion is the first with batches and transactions, lastNamedFetchVersion the last that names topics instead of
	// giving their ids.
	minFetchVersion       = 4
	lastNamedFetchVersion = 12
	// keptBody is the largest memory for an answer that is kept for the next one.
	keptBody = 4 << 20
)

// fetcher reads the partitions that one broker leads, over a connection of its own.
type fetcher struct {
	r      *reading
	leader int32
	link   *link
	// turnOf is which partition comes first in the next request: brokers fill an answer in that order.
	turnOf int

	mu        sync.Mutex
	positions []*position
	ended     bool
}

// run reads until there is nothing left to read. On any failure the fetcher ends and gives its partitions back.
func (f *fetcher) run(ctx context.Context) {
	defer func() {
		if f.link != nil {
			f.link.close()
		}
	}()
	var broken error
	defer func() {
		if broken != nil {
			// Whoever held the turn has not given it: the reading ends as a whole.
			f.r.tell(ctx, readEvent{fatal: broken})
		}
	}()
	defer crash.Recover(&broken)
	for {
		positions := f.next()
		if positions == nil {
			return
		}
		e := f.round(ctx, positions)
		if ctx.Err() != nil {
			return
		}
		if e.why != nil && len(e.lost) == 0 {
			// All of them, and those that have joined meanwhile.
			f.mu.Lock()
			e.lost, f.positions, f.ended = f.positions, nil, true
			f.mu.Unlock()
			f.r.tell(ctx, e)
			return
		}
		if e.done > 0 || len(e.lost) > 0 || e.fatal != nil {
			f.r.tell(ctx, e)
		}
	}
}

// next is the partitions for a request in the order that they are to be served; nil ends the fetcher.
func (f *fetcher) next() []*position {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.positions) == 0 {
		f.ended = true
		return nil
	}
	f.turnOf++
	first := f.turnOf % len(f.positions)
	return append(slices.Clone(f.positions[first:]), f.positions[:first]...)
}

// drop takes partitions away from the fetcher.
func (f *fetcher) drop(gone func(*position) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.positions = slices.DeleteFunc(f.positions, gone)
}

// round sends one request and hands over what it brings. An event with a reason and without partitions is about all of them.
func (f *fetcher) round(ctx context.Context, positions []*position) readEvent {
	if f.link != nil && !f.r.c.pool.current(f.link) {
		f.link.close()
		f.link = nil
	}
	if f.link == nil {
		if err := f.connect(ctx); err != nil {
			return readEvent{why: err}
		}
	}
	if err := f.r.c.pool.admit(ctx, f.link); err != nil {
		return readEvent{why: err}
	}
	stop := context.AfterFunc(ctx, f.link.kill)
	defer stop()
	resp, err := f.fetch(ctx, positions)
	if err != nil {
		return readEvent{why: err}
	}
	e := f.deliver(resp, positions)
	f.r.over = e.fatal
	if cap(f.r.body) > keptBody {
		f.r.body = nil
	}
	if cap(f.r.record) > keptBody {
		f.r.record = nil
	}
	f.link.conn.intake.settle()
	f.r.give()
	if throttle := throttleOf(resp); throttle > 0 && e.why == nil && e.fatal == nil {
		_ = f.r.c.pause(ctx, throttle)
	}
	return e
}

func (f *fetcher) connect(ctx context.Context) error {
	c := f.r.c
	addr, err := c.address(ctx, f.leader, false)
	if err != nil {
		return err
	}
	if err := c.pool.dialError(addr); err != nil {
		return err
	}
	security, gen, err := c.pool.secure(ctx)
	if err != nil {
		return err
	}
	l, err := openLink(ctx, c.opts, c.pool.manner(security), addr, c.opts.ConnectTimeout)
	if err != nil {
		if ctx.Err() == nil {
			c.pool.markDown(addr, gen, err)
		}
		return &kafkaerr.NoAnswerError{Addr: addr, Gone: true, Err: err}
	}
	l.gen, l.used = gen, c.opts.Clock.Now()
	f.link = l
	return nil
}

// current tells whether a link is good for another request: opened as connections are opened now, and known to its broker still.
func (p *pool) current(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.gen == p.gen && !p.outlived(l)
}

// fetch sends a request and returns its answer with the turn taken, or an error without. What a broker answers stays in the
// socket until the turn comes: only then is its memory had.
func (f *fetcher) fetch(ctx context.Context, positions []*position) (*kmsg.FetchResponse, error) {
	l, c, start := f.link, f.r.c, time.Now()
	req, err := f.request(positions)
	if err != nil {
		return nil, err
	}
	l.corr++
	buf := kmsg.NewRequestFormatter(kmsg.FormatterClientID(l.clientID)).AppendRequest(nil, req, l.corr)
	length, err := f.answerLength(buf)
	if err != nil {
		c.observe(req.Key(), "broken", start)
		return nil, &kafkaerr.NoAnswerError{Addr: l.addr, Sent: true, Err: err}
	}
	// An answer that is left unread makes the connection useless.
	if err := f.r.take(ctx); err != nil {
		return nil, err
	}
	resp, err := f.answer(req, length)
	if err != nil {
		f.r.give()
		c.observe(req.Key(), "broken", start)
		return nil, &kafkaerr.NoAnswerError{Addr: l.addr, Sent: true, Err: err}
	}
	c.observe(req.Key(), "ok", start)
	l.used = c.opts.Clock.Now()
	return resp, nil
}

func (f *fetcher) request(positions []*position) (*kmsg.FetchRequest, error) {
	topic := f.r.topic
	req := kmsg.NewPtrFetchRequest()
	offered, ok := f.link.offers.apis[req.Key()]
	version := min(offered.max, req.MaxVersion())
	if topic.ID.IsZero() {
		version = min(version, lastNamedFetchVersion)
	}
	if !ok || version < max(offered.min, minFetchVersion) {
		text := fmt.Sprintf("the broker does not offer Fetch in version %d or later", minFetchVersion)
		return nil, kafkaerr.New(opRead, topic.Name, kafkaerr.UnsupportedVersion, &text, 0)
	}
	req.SetVersion(version)
	req.MaxWaitMillis = int32(fetchWait / time.Millisecond)
	req.MinBytes = 1
	req.MaxBytes = fetchBytes
	req.IsolationLevel = int8(ReadCommitted)
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic.Name, topic.ID
	for _, p := range positions {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset = p.id, p.next
		part.PartitionMaxBytes = int32(max(fetchBytes/len(positions), minPartitionBytes))
		t.Partitions = append(t.Partitions, part)
	}
	req.Topics = append(req.Topics, t)
	return req, nil
}

// answerLength sends a request and waits until its answer begins.
func (f *fetcher) answerLength(request []byte) (uint32, error) {
	conn := f.link.conn
	conn.intake.expect(int16(kmsg.Fetch))
	if err := conn.SetDeadline(time.Now().Add(fetchWait + answerTimeout)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length < 4 {
		return 0, fmt.Errorf("answer of %d bytes", length)
	}
	return length, nil
}

// answer reads the rest, with the turn taken.
func (f *fetcher) answer(req *kmsg.FetchRequest, length uint32) (*kmsg.FetchResponse, error) {
	conn, r := f.link.conn, f.r
	if err := conn.SetDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, err
	}
	if cap(r.body) < int(length) || cap(r.body) > keptBody {
		r.body = make([]byte, length)
	}
	body := r.body[:length]
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	if corr := int32(binary.BigEndian.Uint32(body)); corr != f.link.corr {
		return nil, fmt.Errorf("answer to request %d, want %d", corr, f.link.corr)
	}
	body = body[4:]
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	if resp.IsFlexible() {
		var err error
		if body, err = skipTags(body); err != nil {
			return nil, err
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	return resp, nil
}

// deliver hands an answer to the sink, with the turn taken.
func (f *fetcher) deliver(resp *kmsg.FetchResponse, asked []*position) readEvent {
	var e readEvent
	if resp.ErrorCode != 0 {
		e.why = kafkaerr.New(opRead, f.r.topic.Name, resp.ErrorCode, nil, 0)
		return e
	}
	byID := make(map[int32]*position, len(asked))
	for _, p := range asked {
		byID[p.id] = p
	}
	empty := true
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			empty = empty && len(part.RecordBatches) == 0
		}
	}
	over := map[*position]bool{}
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			part := &t.Partitions[i]
			p := byID[part.Partition]
			if p == nil {
				continue
			}
			if part.ErrorCode != 0 {
				err := kafkaerr.New(opRead, partitionObject(f.r.topic.Name, p.id), part.ErrorCode, nil, 0)
				if !kafkaerr.LooksAnew(part.ErrorCode) {
					return readEvent{fatal: err}
				}
				// An offset out of range is looked into, so it is the one that is told.
				if e.why == nil || part.ErrorCode == kafkaerr.OffsetOutOfRange {
					e.why = err
				}
				e.lost = append(e.lost, p)
				over[p] = true
				continue
			}
			before := p.next
			if err := f.records(p, part); err != nil {
				return readEvent{fatal: err}
			}
			p.failing = time.Time{}
			if p.next > before {
				p.stuck = time.Time{}
			}
			switch {
			case p.end < 0:
			case p.next >= p.end, empty && part.LastStableOffset >= p.end:
				// With nothing at all in an answer there is nothing before the end either: compaction may leave its last offsets empty.
				e.done++
				over[p] = true
			case part.LastStableOffset >= p.end:
			case p.stuck.IsZero():
				p.stuck = time.Now()
			case time.Since(p.stuck) > stuckPatience:
				text := fmt.Sprintf("its committed records end at offset %d now, before %d, where they ended when reading began", part.LastStableOffset, p.end)
				return readEvent{fatal: kafkaerr.New(opRead, partitionObject(f.r.topic.Name, p.id), kafkaerr.OffsetNotAvailable, &text, 0)}
			}
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
		return fmt.Errorf("%s %s at offset %d: %w", opRead, partitionObject(f.r.topic.Name, p.id), p.next, err)
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
