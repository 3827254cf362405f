// Package loop runs a reconcile function over a queue of keys: workers, back-off by key, metrics. It knows nothing of what is
// reconciled.
package loop

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
)

// SyncFunc makes one object what it should be. It returns after how long to be called again although nothing changed, 0 for
// never. After an error it is called again with growing delays.
type SyncFunc func(ctx context.Context, key types.NamespacedName) (time.Duration, error)

// Options configure a Loop.
type Options struct {
	// Name is the controller's name in logs and metrics.
	Name string
	// Workers is the number of objects in work at once, in each lane; 1 when 0.
	Workers int
	// Lane tells what an object shares its workers with. One that is slow then delays only those of its own lane. All are in one when
	// nil.
	Lane func(key types.NamespacedName) string
	// MinBackoff and MaxBackoff bound the delay after errors; 200 ms and 5 s when 0.
	MinBackoff, MaxBackoff time.Duration
	// Clock is the real one when nil.
	Clock clock.WithTicker
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
}

// Loop is a queue of keys and what works on them.
type Loop struct {
	opts  Options
	sync  SyncFunc
	queue workqueue.TypedRateLimitingInterface[types.NamespacedName]
	// running are all syncs.
	running sync.WaitGroup

	mu    sync.Mutex
	lanes map[string]*lane
}

// lane is the work of one lane: how many are at it, and the keys that came when all were.
type lane struct {
	busy    int
	waiting []types.NamespacedName
	// aside is how many have stepped aside, and returning those of them who wait for a place.
	aside     int
	returning []chan struct{}
}

// maxAside bounds those who have stepped aside of one lane, each with its goroutine and its object.
const maxAside = 1024

// place is what a sync has in its context: its lane, and the context of the loop, which outlives it.
type place struct {
	lane string
	ctx  context.Context
}

// placeIn is the key of the place.
type placeIn struct{ loop *Loop }

// New builds a Loop. Keys can be added before it runs. Its queue has goroutines of its own, which end when Run does.
func New(opts Options, sync SyncFunc) *Loop {
	if opts.Workers <= 0 {
		opts.Workers = 1
	}
	if opts.MinBackoff <= 0 {
		opts.MinBackoff = 200 * time.Millisecond
	}
	if opts.MaxBackoff <= 0 {
		opts.MaxBackoff = 5 * time.Second
	}
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	if opts.Lane == nil {
		opts.Lane = func(types.NamespacedName) string { return "" }
	}
	return &Loop{
		opts:  opts,
		sync:  sync,
		lanes: map[string]*lane{},
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](opts.MinBackoff, opts.MaxBackoff),
			workqueue.TypedRateLimitingQueueConfig[types.NamespacedName]{Clock: opts.Clock},
		),
	}
}

// Add asks for a key to be synced soon.
func (l *Loop) Add(key types.NamespacedName) { l.queue.Add(key) }

// Len is the number of keys that wait, for a worker or for one of their lane.
func (l *Loop) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.queue.Len()
	for _, at := range l.lanes {
		waiting += len(at.waiting)
	}
	return waiting
}

// Run works until ctx ends, and returns when the last sync has.
func (l *Loop) Run(ctx context.Context) {
	l.running.Go(func() {
		for {
			key, quit := l.queue.Get()
			if quit {
				return
			}
			if name := l.opts.Lane(key); l.enter(name, key) {
				l.start(ctx, name, key)
			}
		}
	})
	<-ctx.Done()
	l.queue.ShutDown()
	l.running.Wait()
}

// enter takes a place in a lane. Without one the key waits for it; to the queue it is in work already.
func (l *Loop) enter(name string, key types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.lanes[name]
	if at == nil {
		at = &lane{}
		l.lanes[name] = at
	}
	if at.busy == l.opts.Workers {
		at.waiting = append(at.waiting, key)
		return false
	}
	at.busy++
	return true
}

// leave gives the place to who has stepped aside and waits for it, to the next key, which is returned, or back.
func (l *Loop) leave(name string) (next types.NamespacedName, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lanes[name].pass(l.lanes, name)
}

func (at *lane) pass(lanes map[string]*lane, name string) (next types.NamespacedName, ok bool) {
	switch {
	case len(at.returning) > 0:
		close(at.returning[0])
		at.returning = at.returning[1:]
	case len(at.waiting) > 0:
		next, at.waiting = at.waiting[0], at.waiting[1:]
		return next, true
	default:
		if at.busy--; at.busy == 0 && at.aside == 0 {
			delete(lanes, name)
		}
	}
	return next, false
}

// start works on a key, and then on those that wait for its place.
func (l *Loop) start(ctx context.Context, lane string, key types.NamespacedName) {
	l.running.Go(func() {
		for ok := true; ok; key, ok = l.leave(lane) {
			l.one(context.WithValue(ctx, placeIn{l}, place{lane, ctx}), key)
		}
	})
}

// Aside calls wait, which does nothing but wait for something that others can wait for at the same time, and gives the sync's place to
// another of its lane meanwhile: so a thousand objects can share one request, and the number of workers bounds what comes before and
// after it. The context is that of the sync. Beyond 1,024 in a lane they keep their places.
func (l *Loop) Aside(ctx context.Context, wait func()) {
	if has, ok := ctx.Value(placeIn{l}).(place); ok && l.stepAside(has) {
		defer l.comeBack(has.lane)
	}
	wait()
}

func (l *Loop) stepAside(has place) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.lanes[has.lane]
	if at.aside == maxAside {
		return false
	}
	at.aside++
	if next, ok := at.pass(l.lanes, has.lane); ok {
		l.start(has.ctx, has.lane, next)
	}
	return true
}

func (l *Loop) comeBack(name string) {
	l.mu.Lock()
	at := l.lanes[name]
	at.aside--
	if at.busy < l.opts.Workers {
		at.busy++
		l.mu.Unlock()
		return
	}
	free := make(chan struct{})
	at.returning = append(at.returning, free)
	l.mu.Unlock()
	<-free
}

func (l *Loop) one(ctx context.Context, key types.NamespacedName) {
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return
	}
	l.opts.Metrics.Waiting(l.opts.Name, l.Len())
	start := l.opts.Clock.Now()
	again, err := l.protected(ctx, key)
	l.opts.Metrics.Observe(l.opts.Name, err, l.opts.Clock.Since(start))
	switch {
	case err != nil && ctx.Err() == nil:
		klog.FromContext(ctx).Error(err, "Sync failed, will try again", "controller", l.opts.Name, "object", key,
			"failures", l.queue.NumRequeues(key)+1)
		l.queue.AddRateLimited(key)
	case err == nil:
		l.queue.Forget(key)
		if again > 0 {
			l.queue.AddAfter(key, again)
		}
	}
}

// protected keeps a panic over one object from stopping the others.
func (l *Loop) protected(ctx context.Context, key types.NamespacedName) (again time.Duration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return l.sync(ctx, key)
}
