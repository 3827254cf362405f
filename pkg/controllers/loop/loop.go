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
	Metrics *Metrics
}

// Loop is a queue of keys and what works on them.
type Loop struct {
	opts  Options
	sync  SyncFunc
	queue workqueue.TypedRateLimitingInterface[types.NamespacedName]

	mu    sync.Mutex
	lanes map[string]*lane
}

// lane is the work of one lane: how many are at it, and the keys that came when all were.
type lane struct {
	busy    int
	waiting []types.NamespacedName
}

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
	var running sync.WaitGroup
	running.Go(func() {
		for {
			key, quit := l.queue.Get()
			if quit {
				return
			}
			if name := l.opts.Lane(key); l.enter(name, key) {
				running.Go(func() { l.work(ctx, name, key) })
			}
		}
	})
	<-ctx.Done()
	l.queue.ShutDown()
	running.Wait()
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

// leave gives the place to the next key that waits for it, or back.
func (l *Loop) leave(name string) (next types.NamespacedName, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.lanes[name]
	if len(at.waiting) > 0 {
		next, at.waiting = at.waiting[0], at.waiting[1:]
		return next, true
	}
	if at.busy--; at.busy == 0 {
		delete(l.lanes, name)
	}
	return next, false
}

// work works on a key, and then on those that wait for its place.
func (l *Loop) work(ctx context.Context, lane string, key types.NamespacedName) {
	for ok := true; ok; key, ok = l.leave(lane) {
		l.one(ctx, key)
	}
}

func (l *Loop) one(ctx context.Context, key types.NamespacedName) {
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return
	}
	l.opts.Metrics.wait(l.opts.Name, l.Len())
	start := l.opts.Clock.Now()
	again, err := l.protected(ctx, key)
	l.opts.Metrics.observe(l.opts.Name, err, l.opts.Clock.Since(start))
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
