// Package loop runs a reconcile function over a queue of keys: workers, back-off by key, metrics. It knows nothing of what is
// reconciled.
package loop

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/jitter"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
)

// SyncFunc makes one object what it should be. It returns after about how long to be called again although nothing changed, 0 for
// never: from a second on the loop adds or takes a fifth at most, so that objects do not all come at the same time. After an error it is
// called again with growing delays.
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
	// Budget bounds this loop and all others that share it; one of the default size for this loop alone when nil.
	Budget *Budget
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

	// The budget's lock is held for these. waiting counts the keys that wait in lanes; ctx is that of Run.
	lanes   map[string]*lane
	waiting int
	ctx     context.Context
	stopped bool
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
	if opts.Budget == nil {
		opts.Budget = NewBudget(DefaultSyncs, DefaultAsides)
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
	l.opts.Budget.mu.Lock()
	defer l.opts.Budget.mu.Unlock()
	return l.queue.Len() + l.waiting
}

// Run works until ctx ends, and returns when the last sync has. It runs once.
func (l *Loop) Run(ctx context.Context) {
	l.ctx = ctx
	l.running.Go(func() {
		for {
			key, quit := l.queue.Get()
			if quit {
				return
			}
			// Until its sync has ended, the key is in work to the queue.
			l.opts.Budget.add(l, l.opts.Lane(key), key)
		}
	})
	<-ctx.Done()
	l.queue.ShutDown()
	l.opts.Budget.stop(l)
	l.running.Wait()
}

// start works on a key that has a place in its lane.
func (l *Loop) start(at *lane, key types.NamespacedName) {
	l.running.Go(func() {
		defer l.opts.Budget.leave(at)
		l.one(context.WithValue(l.ctx, placeIn{l}, &place{lane: at}), key)
	})
}

// Aside calls wait, which does nothing but wait for somebody else, such as brokers, and gives the sync's place to another of its lane
// and its seat in the budget to whoever is next: so a thousand objects can share one request, clusters that do not answer keep nobody
// from work, and the number of workers bounds what comes before and after it. The context is that of the sync. What the budget does
// not let step aside keeps its place meanwhile, as does what is aside already.
func (l *Loop) Aside(ctx context.Context, wait func()) {
	if p, ok := l.placeOf(ctx); ok && l.opts.Budget.stepAside(p) {
		defer l.opts.Budget.comeBack(p)
	}
	wait()
}

// Await is Aside for a question with an answer.
func Await[T any](ctx context.Context, l *Loop, ask func() (T, error)) (answer T, err error) {
	l.Aside(ctx, func() { answer, err = ask() })
	return answer, err
}

func (l *Loop) one(ctx context.Context, key types.NamespacedName) {
	defer l.queue.Done(key)
	if ctx.Err() != nil {
		return
	}
	l.opts.Metrics.Waiting(l.opts.Name, l.Len())
	start := l.opts.Clock.Now()
	var again time.Duration
	err := crash.Call(func() (err error) {
		again, err = l.sync(ctx, key)
		return err
	})
	l.opts.Metrics.Observe(l.opts.Name, err, l.opts.Clock.Since(start))
	switch {
	case err != nil && ctx.Err() == nil:
		klog.FromContext(ctx).Error(err, "Sync failed, will try again", "controller", l.opts.Name, "object", key,
			"failures", l.queue.NumRequeues(key)+1)
		l.queue.AddRateLimited(key)
	case err == nil:
		l.queue.Forget(key)
		if again > 0 {
			// What is shorter is no period but the rest of a pause, of which a part would be left again.
			if again >= time.Second {
				again = jitter.Around(again)
			}
			l.queue.AddAfter(key, again)
		}
	}
}
