package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// Batcher lets concurrent calls of one kind share requests. A call that finds no request of its kind in flight goes out at once;
// those that come while one is under way go together when it ends. So a lone caller never waits for company, and under load the
// window is the round trip of the request before.
//
//	            ┌ in flight: a ┐┌ in flight: b c d ┐
//	callers   a      b   c  d        e
//
// Each caller has its own answer and waits no longer than its own context. The request's context is nobody's in particular: it
// lasts as long as the most patient of those who share it, and ends when all of them have given up.
type Batcher[Q, A any] struct {
	BatchRules[Q]
	// life ends everything.
	life context.Context
	// send sends one request for all calls and answers each. Those that it leaves unanswered get the error that it returns.
	send func(ctx context.Context, calls []*Call[Q, A]) error
	// leave is what the last caller of a batch to give up gives the request to end; leaveTime when 0.
	leave time.Duration

	Mu    sync.Mutex
	Queue []*Call[Q, A]
	// Running requests are in flight, late ones of them for longer than StallAfter.
	Running, late int
}

// BatchRules say what may share a request.
type BatchRules[Q any] struct {
	// API is the request's name in metrics.
	API string
	// Width is how many requests may be in flight: a second one goes out only when those before it are late, so that a broker that
	// hangs does not hold up what another would answer. 1 when 0.
	Width int
	// MaxCalls bounds the calls of one request; no bound when nil.
	MaxCalls func() int
	// MaxWeight bounds the sum of what weigh says of the calls. A call that is heavier goes alone, and has the broker's own words.
	MaxWeight int
	Weigh     func(Q) int
	// Key names what Kafka allows in a request only once: of calls with the same key the later waits for the next request. Calls
	// can always share when it is nil.
	Key func(Q) string
}

// Call is one caller's part of a batch.
type Call[Q, A any] struct {
	Query Q
	// deadline is the caller's; zero when it has none.
	deadline time.Time
	batcher  *Batcher[Q, A]
	// batch is set, under the batcher's lock, when the call is taken from the queue; left when its caller gave up before.
	batch *batch
	left  bool

	// answered is guarded by the batch's lock. value and err may be read once done is closed.
	answered bool
	done     chan struct{}
	value    A
	err      error
}

// batch is one request in flight, or the few that an answer made necessary.
type batch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu sync.Mutex
	// waiting is how many callers have neither an answer nor given up.
	waiting int

	// late and ended are guarded by the batcher's lock.
	late, ended bool
}

// leftError says that a caller's context ended before its answer came.
type leftError struct {
	// taken tells whether a request for the call may have been sent.
	taken bool
	cause error
}

func (e *leftError) Error() string { return e.cause.Error() }
func (e *leftError) Unwrap() error { return e.cause }

// submit puts a call into the queue, and starts a request when none is in flight.
func (b *Batcher[Q, A]) submit(ctx context.Context, query Q) *Call[Q, A] {
	k := &Call[Q, A]{Query: query, batcher: b, done: make(chan struct{})}
	k.deadline, _ = ctx.Deadline()
	b.Mu.Lock()
	defer b.Mu.Unlock()
	b.Queue = append(b.Queue, k)
	b.startLocked()
	return k
}

// startLocked starts a request if what is in flight is late.
func (b *Batcher[Q, A]) startLocked() {
	if b.Running == b.late && b.Running < max(b.Width, 1) {
		b.Running++
		go b.Run()
	}
}

// Run carries out batches until the queue is empty.
func (b *Batcher[Q, A]) Run() {
	for {
		current, calls := b.take()
		if current == nil {
			return
		}
		stall := time.AfterFunc(StallAfter, func() { b.overdue(current) })
		b.carryOut(current.ctx, calls)
		stall.Stop()
		current.cancel(nil)
		if !b.ended(current) {
			return
		}
	}
}

// take makes a batch of the calls that have waited longest. With none left it says so, and the request slot is free again.
func (b *Batcher[Q, A]) take() (*batch, []*Call[Q, A]) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	var taken []*Call[Q, A]
	var keys map[string]bool
	kept, weight, full := b.Queue[:0], 0, false
	most := len(b.Queue)
	if b.MaxCalls != nil {
		most = b.MaxCalls()
	}
	for _, k := range b.Queue {
		if k.left {
			continue
		}
		key, w := "", 0
		if b.Key != nil {
			key = b.Key(k.Query)
		}
		if b.Weigh != nil {
			w = b.Weigh(k.Query)
		}
		// The queue keeps its order: when one call does not fit any more, the lighter ones behind it wait as well.
		full = full || len(taken) == most || b.MaxWeight > 0 && len(taken) > 0 && weight+w > b.MaxWeight
		if full || b.Key != nil && keys[key] {
			kept = append(kept, k)
			continue
		}
		if b.Key != nil {
			if keys == nil {
				keys = map[string]bool{}
			}
			keys[key] = true
		}
		taken, weight = append(taken, k), weight+w
	}
	clear(b.Queue[len(kept):])
	b.Queue = kept
	if len(taken) == 0 {
		b.Running--
		return nil, nil
	}
	current := &batch{waiting: len(taken)}
	current.ctx, current.cancel = b.contextFor(taken)
	for _, k := range taken {
		k.batch = current
	}
	return current, taken
}

// contextFor lasts until the last of the callers' deadlines.
func (b *Batcher[Q, A]) contextFor(calls []*Call[Q, A]) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(b.life)
	latest := time.Time{}
	for _, k := range calls {
		if k.deadline.IsZero() {
			return ctx, cancel
		}
		if k.deadline.After(latest) {
			latest = k.deadline
		}
	}
	ctx, stop := context.WithDeadline(ctx, latest)
	return ctx, func(cause error) {
		cancel(cause)
		stop()
	}
}

// overdue lets the next request go beside one that takes long.
func (b *Batcher[Q, A]) overdue(current *batch) {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	if current.ended {
		return
	}
	current.late = true
	b.late++
	if len(b.Queue) > 0 {
		b.startLocked()
	}
}

// ended tells whether to take the next batch: not when a request that was sent beside a late one does so already.
func (b *Batcher[Q, A]) ended(current *batch) bool {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	current.ended = true
	if current.late {
		b.late--
	}
	if b.Running-b.late > 1 {
		b.Running--
		return false
	}
	return true
}

// idle tells whether nothing is in flight and nobody waits.
func (b *Batcher[Q, A]) idle() bool {
	b.Mu.Lock()
	defer b.Mu.Unlock()
	return b.Running == 0 && len(b.Queue) == 0
}

// errNotAnswered is a bug in a send function.
var errNotAnswered = errors.New("the request ended without an answer to this call")

// carryOut sends a batch and sees to it that everybody has an answer.
func (b *Batcher[Q, A]) carryOut(ctx context.Context, calls []*Call[Q, A]) {
	batchSize.WithLabelValues(b.API).Observe(float64(len(calls)))
	err := b.attempt(ctx, calls)
	if err == nil {
		err = errNotAnswered
	}
	refuse(calls, err)
}

// attempt turns a panic into an error after which nobody knows whether the request was sent.
func (b *Batcher[Q, A]) attempt(ctx context.Context, calls []*Call[Q, A]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			klog.Background().Error(nil, "Panic in a request to Kafka", "api", b.API, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic: %v", ErrSent, p)
		}
	}()
	return b.send(ctx, calls)
}

// refuse answers those who have no answer yet with an error.
func refuse[Q, A any](calls []*Call[Q, A], err error) {
	var none A
	for _, k := range calls {
		k.Answer(none, err)
	}
}

// Answer gives a caller its result. Only the first counts.
func (k *Call[Q, A]) Answer(value A, err error) {
	k.batch.mu.Lock()
	defer k.batch.mu.Unlock()
	if k.answered {
		return
	}
	k.answered = true
	if !k.left {
		k.batch.waiting--
	}
	k.value, k.err = value, err
	close(k.done)
}

// leaveTime is enough for a request that is cancelled to end, so that it can tell whether it was sent at all.
const leaveTime = 50 * time.Millisecond

// Wait returns the call's answer, or a *leftError when the context ends first.
func (k *Call[Q, A]) Wait(ctx context.Context) (A, error) {
	select {
	case <-k.done:
		return k.value, k.err
	case <-ctx.Done():
	}
	var none A
	cause := context.Cause(ctx)
	if !k.leaveQueue() {
		last := k.leaveBatch()
		if last {
			k.batch.cancel(cause)
			patience := time.NewTimer(cmp.Or(k.batcher.leave, leaveTime))
			defer patience.Stop()
			select {
			case <-k.done:
			case <-patience.C:
			}
		}
		select {
		case <-k.done:
			return k.value, k.err
		default:
			return none, &leftError{taken: true, cause: cause}
		}
	}
	return none, &leftError{cause: cause}
}

// leaveQueue takes the call out of the queue; false means that it is not there any more.
func (k *Call[Q, A]) leaveQueue() bool {
	k.batcher.Mu.Lock()
	defer k.batcher.Mu.Unlock()
	if k.batch != nil {
		return false
	}
	k.left = true
	return true
}

// leaveBatch tells whether nobody is left who waits for the batch.
func (k *Call[Q, A]) leaveBatch() bool {
	k.batch.mu.Lock()
	defer k.batch.mu.Unlock()
	if k.answered {
		return false
	}
	k.left = true
	k.batch.waiting--
	return k.batch.waiting == 0
}

// Batchers are the batchers of one kind for several targets, such as the leaders that are asked for offsets. A target that nobody
// asks any more is forgotten.
type Batchers[K comparable, Q, A any] struct {
	Build func(K) *Batcher[Q, A]

	Mu       sync.Mutex
	ByTarget map[K]*Batcher[Q, A]
}

// Submit is the batcher's for one target.
func (s *Batchers[K, Q, A]) Submit(ctx context.Context, target K, query Q) *Call[Q, A] {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	b := s.ByTarget[target]
	if b == nil {
		for other, b := range s.ByTarget {
			if b.idle() {
				delete(s.ByTarget, other)
			}
		}
		if s.ByTarget == nil {
			s.ByTarget = map[K]*Batcher[Q, A]{}
		}
		b = s.Build(target)
		s.ByTarget[target] = b
	}
	return b.submit(ctx, query)
}
