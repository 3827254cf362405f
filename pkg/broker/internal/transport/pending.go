package transport

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// ErrNotYet says that the brokers have not answered in the time that the caller had; the question goes on.
var ErrNotYet = errors.New("the brokers have not answered yet")

// Pending lets callers wait for an answer for a short time only. The question goes on after the last of them has left, so that the
// next finds the answer in a cache: given up each time, an answer that takes long would never be had.
type Pending[K comparable, T any] struct {
	mu      sync.Mutex
	running map[K]*pendingRun[T]
}

type pendingRun[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// Within starts a question, or joins the one about the same thing, and waits. The question is bounded by life and limit.
func (p *Pending[K, T]) Within(ctx, life context.Context, clock clock.WithTicker, wait, limit time.Duration, about K, ask func(context.Context) (T, error)) (T, error) {
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
		return zero, ErrNotYet
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	}
}
