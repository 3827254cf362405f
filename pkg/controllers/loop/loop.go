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
	// Workers is the number of objects in work at once; 1 when 0.
	Workers int
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
	return &Loop{
		opts: opts,
		sync: sync,
		queue: workqueue.NewTypedRateLimitingQueueWithConfig(
			workqueue.NewTypedItemExponentialFailureRateLimiter[types.NamespacedName](opts.MinBackoff, opts.MaxBackoff),
			workqueue.TypedRateLimitingQueueConfig[types.NamespacedName]{Clock: opts.Clock},
		),
	}
}

// Add asks for a key to be synced soon.
func (l *Loop) Add(key types.NamespacedName) { l.queue.Add(key) }

// Len is the number of keys that wait.
func (l *Loop) Len() int { return l.queue.Len() }

// Run works until ctx ends, and returns when the last sync has.
func (l *Loop) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range l.opts.Workers {
		workers.Go(func() {
			for l.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	l.queue.ShutDown()
	workers.Wait()
}

func (l *Loop) next(ctx context.Context) bool {
	key, quit := l.queue.Get()
	if quit {
		return false
	}
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return false
	}
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
	return true
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
