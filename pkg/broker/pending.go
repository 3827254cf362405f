package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// errNotYet says that the brokers have not answered in the time that the caller had; the question goes on.
var errNotYet = errors.New("the brokers have not answered yet")

// pending lets callers wait for an answer for a short time only. The question goes on after the last of them has left, so that the
// next finds the answer in a cache: given up each time, an answer that takes long would never be had.
type pending[K comparable, T any] struct {
	mu      sync.Mutex
	running map[K]*pendingRun[T]
}

type pendingRun[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// within starts a question, or joins the one about the same thing, and waits. The question is bounded by life and limit.
func (p *pending[K, T]) within(ctx, life context.Context, clock clock.WithTicker, wait, limit time.Duration, about K, ask func(context.Context) (T, error)) (T, error) {
	p.mu.Lock()
	run := p.running[about]
	if run == nil {
		run = &pendingRun[T]{done: make(chan struct{})}
		if p.running == nil {
			p.running = map[K]*pendingRun[T]{}
		}
		p.running[about] = run
		crash.Go(func() (err error) {
			asking, cancel := context.WithTimeout(life, limit)
			defer cancel()
			run.value, err = ask(asking)
			return err
		}, func(err error) {
			run.err = err
			p.mu.Lock()
			delete(p.running, about)
			p.mu.Unlock()
			close(run.done)
		})
	}
	p.mu.Unlock()

	timer := clock.NewTimer(wait)
	defer timer.Stop()
	var zero T
	select {
	case <-run.done:
		return run.value, run.err
	case <-timer.C():
		return zero, errNotYet
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}

// Glance is Snapshot for those who cannot wait, such as lists: it returns the newest snapshot known after wait at the latest, nil
// when there is none. The error says why it is older than maxAge or older than this gateway's last write. Without wait nobody is asked.
func (c *Cluster) Glance(ctx context.Context, maxAge, wait time.Duration) (*Snapshot, error) {
	c.mu.Lock()
	s, epoch := c.snapshot, c.epoch
	c.mu.Unlock()
	if s != nil && s.epoch == epoch && s.Age(c.opts.Clock.Now()) <= maxAge {
		return s, nil
	}
	if wait <= 0 {
		return s, errNotYet
	}
	// A question from before a write does not know of it.
	got, err := c.glances.within(ctx, c.life, c.opts.Clock, wait, c.opts.RequestTimeout, epoch, func(ctx context.Context) (*Snapshot, error) {
		return c.Snapshot(ctx, maxAge)
	})
	if err != nil {
		return c.LastSnapshot(), err
	}
	return got, nil
}

// LogDirsWithin is LogDirs of one topic for those who cannot wait: after wait it gives up, and the answer is there for the next caller.
func (c *Cluster) LogDirsWithin(ctx context.Context, wait time.Duration, topic string) (LogDirs, error) {
	return c.sizes.within(ctx, c.life, c.opts.Clock, wait, c.opts.RequestTimeout, topic, func(ctx context.Context) (LogDirs, error) {
		return c.LogDirs(ctx, topic)
	})
}
