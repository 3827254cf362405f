package broker

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

// batcher lets concurrent calls of one kind share requests. A call that finds no request of its kind in flight goes out at once;
// those that come while one is under way go together when it ends. So a lone caller never waits for company, and under load the
// window is the round trip of the request before.
//
//	            ┌ in flight: a ┐┌ in flight: b c d ┐
//	callers   a      b   c  d        e
//
// Each caller has its own answer and waits no longer than its own context. The request's context is nobody's in particular: it
// lasts as long as the most patient of those who share it, and ends when all of them have given up.
type batcher[Q, A any] struct {
	batchRules[Q]
	// life ends everything.
	life context.Context
	// send sends one request for all calls and answers each. Those that it leaves unanswered get the error that it returns.
	send func(ctx context.Context, calls []*call[Q, A]) error
	// leave is what the last caller of a batch to give up gives the request to end; leaveTime when 0.
	leave time.Duration

	mu    sync.Mutex
	queue []*call[Q, A]
	// running requests are in flight, late ones of them for longer than stallAfter.
	running, late int
}

// batchRules say what may share a request.
type batchRules[Q any] struct {
	// api is the request's name in metrics.
	api string
	// width is how many requests may be in flight: a second one goes out only when those before it are late, so that a broker that
	// hangs does not hold up what another would answer. 1 when 0.
	width int
	// maxCalls bounds the calls of one request; no bound when nil.
	maxCalls func() int
	// maxWeight bounds the sum of what weigh says of the calls. A call that is heavier goes alone, and has the broker's own words.
	maxWeight int
	weigh     func(Q) int
	// key names what Kafka allows in a request only once: of calls with the same key the later waits for the next request. Calls
	// can always share when it is nil.
	key func(Q) string
}

// call is one caller's part of a batch.
type call[Q, A any] struct {
	query Q
	// deadline is the caller's; zero when it has none.
	deadline time.Time
	batcher  *batcher[Q, A]
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
func (b *batcher[Q, A]) submit(ctx context.Context, query Q) *call[Q, A] {
	k := &call[Q, A]{query: query, batcher: b, done: make(chan struct{})}
	k.deadline, _ = ctx.Deadline()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, k)
	b.startLocked()
	return k
}

// startLocked starts a request if what is in flight is late.
func (b *batcher[Q, A]) startLocked() {
	if b.running == b.late && b.running < max(b.width, 1) {
		b.running++
		go b.run()
	}
}

// run carries out batches until the queue is empty.
func (b *batcher[Q, A]) run() {
	for {
		current, calls := b.take()
		if current == nil {
			return
		}
		stall := time.AfterFunc(stallAfter, func() { b.overdue(current) })
		b.carryOut(current.ctx, calls)
		stall.Stop()
		current.cancel(nil)
		if !b.ended(current) {
			return
		}
	}
}

// take makes a batch of the calls that have waited longest. With none left it says so, and the request slot is free again.
func (b *batcher[Q, A]) take() (*batch, []*call[Q, A]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var taken []*call[Q, A]
	var keys map[string]bool
	kept, weight, full := b.queue[:0], 0, false
	most := len(b.queue)
	if b.maxCalls != nil {
		most = b.maxCalls()
	}
	for _, k := range b.queue {
		if k.left {
			continue
		}
		key, w := "", 0
		if b.key != nil {
			key = b.key(k.query)
		}
		if b.weigh != nil {
			w = b.weigh(k.query)
		}
		// The queue keeps its order: when one call does not fit any more, the lighter ones behind it wait as well.
		full = full || len(taken) == most || b.maxWeight > 0 && len(taken) > 0 && weight+w > b.maxWeight
		if full || b.key != nil && keys[key] {
			kept = append(kept, k)
			continue
		}
		if b.key != nil {
			if keys == nil {
				keys = map[string]bool{}
			}
			keys[key] = true
		}
		taken, weight = append(taken, k), weight+w
	}
	clear(b.queue[len(kept):])
	b.queue = kept
	if len(taken) == 0 {
		b.running--
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
func (b *batcher[Q, A]) contextFor(calls []*call[Q, A]) (context.Context, context.CancelCauseFunc) {
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
func (b *batcher[Q, A]) overdue(current *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if current.ended {
		return
	}
	current.late = true
	b.late++
	if len(b.queue) > 0 {
		b.startLocked()
	}
}

// ended tells whether to take the next batch: not when a request that was sent beside a late one does so already.
func (b *batcher[Q, A]) ended(current *batch) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	current.ended = true
	if current.late {
		b.late--
	}
	if b.running-b.late > 1 {
		b.running--
		return false
	}
	return true
}

// idle tells whether nothing is in flight and nobody waits.
func (b *batcher[Q, A]) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running == 0 && len(b.queue) == 0
}

// errNotAnswered is a bug in a send function.
var errNotAnswered = errors.New("the request ended without an answer to this call")

// carryOut sends a batch and sees to it that everybody has an answer.
func (b *batcher[Q, A]) carryOut(ctx context.Context, calls []*call[Q, A]) {
	batchSize.WithLabelValues(b.api).Observe(float64(len(calls)))
	err := b.attempt(ctx, calls)
	if err == nil {
		err = errNotAnswered
	}
	refuse(calls, err)
}

// attempt turns a panic into an error after which nobody knows whether the request was sent.
func (b *batcher[Q, A]) attempt(ctx context.Context, calls []*call[Q, A]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			klog.Background().Error(nil, "Panic in a request to Kafka", "api", b.api, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: panic: %v", errSent, p)
		}
	}()
	return b.send(ctx, calls)
}

// refuse answers those who have no answer yet with an error.
func refuse[Q, A any](calls []*call[Q, A], err error) {
	var none A
	for _, k := range calls {
		k.answer(none, err)
	}
}

// answer gives a caller its result. Only the first counts.
func (k *call[Q, A]) answer(value A, err error) {
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

// wait returns the call's answer, or a *leftError when the context ends first.
func (k *call[Q, A]) wait(ctx context.Context) (A, error) {
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
func (k *call[Q, A]) leaveQueue() bool {
	k.batcher.mu.Lock()
	defer k.batcher.mu.Unlock()
	if k.batch != nil {
		return false
	}
	k.left = true
	return true
}

// leaveBatch tells whether nobody is left who waits for the batch.
func (k *call[Q, A]) leaveBatch() bool {
	k.batch.mu.Lock()
	defer k.batch.mu.Unlock()
	if k.answered {
		return false
	}
	k.left = true
	k.batch.waiting--
	return k.batch.waiting == 0
}

// batchers are the batchers of one kind for several targets, such as the leaders that are asked for offsets. A target that nobody
// asks any more is forgotten.
type batchers[K comparable, Q, A any] struct {
	build func(K) *batcher[Q, A]

	mu       sync.Mutex
	byTarget map[K]*batcher[Q, A]
}

// submit is the batcher's for one target.
func (s *batchers[K, Q, A]) submit(ctx context.Context, target K, query Q) *call[Q, A] {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.byTarget[target]
	if b == nil {
		for other, b := range s.byTarget {
			if b.idle() {
				delete(s.byTarget, other)
			}
		}
		if s.byTarget == nil {
			s.byTarget = map[K]*batcher[Q, A]{}
		}
		b = s.build(target)
		s.byTarget[target] = b
	}
	return b.submit(ctx, query)
}
