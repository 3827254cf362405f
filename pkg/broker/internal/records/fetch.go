package records

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
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
	r *reading
	// id is the topic's; without one it is asked for by its name.
	id     metadata.TopicID
	leader int32
	link   *wire.Link
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
			f.link.Close()
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
	if f.link != nil && !f.r.c.Pool.Current(f.link) {
		f.link.Close()
		f.link = nil
	}
	if f.link == nil {
		if err := f.connect(ctx); err != nil {
			return readEvent{why: err}
		}
	}
	if err := f.r.c.Pool.Admit(ctx, f.link); err != nil {
		return readEvent{why: err}
	}
	stop := context.AfterFunc(ctx, f.link.Kill)
	defer stop()
	start := time.Now()
	resp, err := f.fetch(ctx, positions)
	if err != nil {
		return readEvent{why: err}
	}
	early := isEmpty(resp) && time.Since(start) < fetchWait/2
	e := f.deliver(resp, positions)
	f.r.over = e.fatal
	if cap(f.r.body) > keptBody {
		f.r.body = nil
	}
	if cap(f.r.record) > keptBody {
		f.r.record = nil
	}
	f.link.Conn.Intake.Settle()
	f.r.give()
	wait := wire.ThrottleOf(resp)
	if early {
		// It was to be held until there is something, or until its time was up.
		wait = max(wait, readPause)
	}
	if wait > 0 && e.why == nil && e.fatal == nil {
		_ = f.r.c.Pause(ctx, wait)
	}
	return e
}

func (f *fetcher) connect(ctx context.Context) error {
	c := f.r.c
	addr, err := c.Address(ctx, f.leader, false)
	if err != nil {
		return err
	}
	if err := c.Pool.DialError(addr); err != nil {
		return err
	}
	security, gen, err := c.Pool.Secure(ctx)
	if err != nil {
		return err
	}
	l, err := wire.OpenLink(ctx, c.Opts, c.Pool.Manner(security), addr, c.Opts.ConnectTimeout)
	if err != nil {
		if ctx.Err() == nil {
			c.Pool.MarkDown(addr, gen, err)
		}
		return &kafkaerr.NoAnswerError{Addr: addr, Gone: true, Err: err}
	}
	l.Gen, l.Used = gen, c.Opts.Clock.Now()
	f.link = l
	return nil
}

// fetch sends a request and returns its answer with the turn taken, or an error without. What a broker answers stays in the
// socket until the turn comes: only then is its memory had.
func (f *fetcher) fetch(ctx context.Context, positions []*position) (*kmsg.FetchResponse, error) {
	l, c, start := f.link, f.r.c, time.Now()
	req, err := f.request(positions)
	if err != nil {
		return nil, err
	}
	l.Corr++
	buf := kmsg.NewRequestFormatter(kmsg.FormatterClientID(l.ClientID)).AppendRequest(nil, req, l.Corr)
	length, err := f.answerLength(buf)
	if err != nil {
		c.Observe(req.Key(), "broken", start)
		return nil, &kafkaerr.NoAnswerError{Addr: l.Addr, Sent: true, Err: err}
	}
	// An answer that is left unread makes the connection useless.
	if err := f.r.take(ctx); err != nil {
		return nil, err
	}
	resp, err := f.answer(req, length)
	if err != nil {
		f.r.give()
		c.Observe(req.Key(), "broken", start)
		return nil, &kafkaerr.NoAnswerError{Addr: l.Addr, Sent: true, Err: err}
	}
	c.Observe(req.Key(), "ok", start)
	l.Used = c.Opts.Clock.Now()
	return resp, nil
}

func (f *fetcher) request(positions []*position) (*kmsg.FetchRequest, error) {
	topic := f.r.topic.Name
	req := kmsg.NewPtrFetchRequest()
	offered, ok := f.link.Offers.APIs[req.Key()]
	version := min(offered.Max, req.MaxVersion())
	if f.id.IsZero() {
		version = min(version, lastNamedFetchVersion)
	}
	if !ok || version < max(offered.Min, minFetchVersion) {
		text := fmt.Sprintf("the broker does not offer Fetch in version %d or later", minFetchVersion)
		return nil, kafkaerr.New(kafkaerr.OpRead, topic, kafkaerr.UnsupportedVersion, &text, 0)
	}
	req.SetVersion(version)
	req.MaxWaitMillis = int32(fetchWait / time.Millisecond)
	req.MinBytes = 1
	req.MaxBytes = wire.FetchBytes
	req.IsolationLevel = int8(offsets.ReadCommitted)
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, f.id
	for _, p := range positions {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset = p.id, p.next
		part.CurrentLeaderEpoch, part.LastFetchedEpoch = p.askedEpoch(), p.lineage.Last()
		part.PartitionMaxBytes = int32(max(wire.FetchBytes/len(positions), minPartitionBytes))
		t.Partitions = append(t.Partitions, part)
	}
	req.Topics = append(req.Topics, t)
	return req, nil
}

// answerLength sends a request and waits until its answer begins.
func (f *fetcher) answerLength(request []byte) (uint32, error) {
	conn := f.link.Conn
	conn.Intake.Expect(int16(kmsg.Fetch))
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
	conn, r := f.link.Conn, f.r
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
	if corr := int32(binary.BigEndian.Uint32(body)); corr != f.link.Corr {
		return nil, fmt.Errorf("answer to request %d, want %d", corr, f.link.Corr)
	}
	body = body[4:]
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	if resp.IsFlexible() {
		var err error
		if body, err = wire.SkipTags(body); err != nil {
			return nil, err
		}
	}
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("decode the answer: %w", err)
	}
	return resp, nil
}
