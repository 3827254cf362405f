package broker

import (
	"context"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// flight lets concurrent callers share one question: there is never more than one in flight. It outlives the caller that started it,
// as long as one waits.
type flight[T any] struct {
	mu      sync.Mutex
	current *flightRun[T]
}

type flightRun[T any] struct {
	done    chan struct{}
	value   T
	err     error
	epoch   int
	waiters int
	cancel  context.CancelFunc
}

// do joins the question in flight, or starts one, bounded by life and timeout.
func (f *flight[T]) do(ctx, life context.Context, timeout time.Duration, epoch int, ask func(context.Context) (T, error)) (T, error) {
	return f.doSince(ctx, life, timeout, epoch, func() int { return epoch }, ask)
}

// doSince joins the question in flight when it was asked in the epoch given or later. Else it waits for that one to end, and starts
// another or joins the one that somebody else has started; epoch tells the time then.
func (f *flight[T]) doSince(ctx, life context.Context, timeout time.Duration, since int, epoch func() int, ask func(context.Context) (T, error)) (T, error) {
	var zero T
	for {
		run, joined := f.join(life, timeout, since, epoch, ask)
		select {
		case <-run.done:
			if joined {
				return run.value, run.err
			}
		case <-ctx.Done():
			if joined {
				f.leave(run)
			}
			return zero, context.Cause(ctx)
		}
	}
}

// join returns the question in flight, started when there is none, and whether its answer will be new enough.
func (f *flight[T]) join(life context.Context, timeout time.Duration, since int, epoch func() int, ask func(context.Context) (T, error)) (*flightRun[T], bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.current
	if run == nil {
		run = &flightRun[T]{done: make(chan struct{}), epoch: epoch()}
		var asking context.Context
		asking, run.cancel = context.WithTimeout(life, timeout)
		f.current = run
		crash.Go(func() (err error) {
			run.value, err = ask(asking)
			return err
		}, func(err error) {
			defer run.cancel()
			run.err = err
			f.mu.Lock()
			if f.current == run {
				f.current = nil
			}
			f.mu.Unlock()
			close(run.done)
		})
	}
	if run.epoch < since {
		return run, false
	}
	run.waiters++
	return run, true
}

// leave gives up a question, which ends when nobody waits for it any more.
func (f *flight[T]) leave(run *flightRun[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run.waiters--
	if run.waiters == 0 {
		run.cancel()
		if f.current == run {
			f.current = nil
		}
	}
}
