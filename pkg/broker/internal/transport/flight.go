package transport

import (
	"context"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// Flight lets concurrent callers share one question: there is never more than one in flight. It outlives the caller that started it,
// as long as one waits.
type Flight[T any] struct {
	Mu      sync.Mutex
	Current *flightRun[T]
}

type flightRun[T any] struct {
	done    chan struct{}
	value   T
	err     error
	epoch   int
	Waiters int
	cancel  context.CancelFunc
}

// Do joins the question in flight, or starts one, bounded by life and timeout.
func (f *Flight[T]) Do(ctx, life context.Context, timeout time.Duration, epoch int, ask func(context.Context) (T, error)) (T, error) {
	return f.DoSince(ctx, life, timeout, epoch, func() int { return epoch }, ask)
}

// DoSince joins the question in flight when it was asked in the epoch given or later. Else it waits for that one to end, and starts
// another or joins the one that somebody else has started; epoch tells the time then.
func (f *Flight[T]) DoSince(ctx, life context.Context, timeout time.Duration, since int, epoch func() int, ask func(context.Context) (T, error)) (T, error) {
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
func (f *Flight[T]) join(life context.Context, timeout time.Duration, since int, epoch func() int, ask func(context.Context) (T, error)) (*flightRun[T], bool) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	run := f.Current
	if run == nil {
		run = &flightRun[T]{done: make(chan struct{}), epoch: epoch()}
		var asking context.Context
		asking, run.cancel = context.WithTimeout(life, timeout)
		f.Current = run
		crash.Go(func() (err error) {
			run.value, err = ask(asking)
			return err
		}, func(err error) {
			defer run.cancel()
			run.err = err
			f.Mu.Lock()
			if f.Current == run {
				f.Current = nil
			}
			f.Mu.Unlock()
			close(run.done)
		})
	}
	if run.epoch < since {
		return run, false
	}
	run.Waiters++
	return run, true
}

// leave gives up a question, which ends when nobody waits for it any more.
func (f *Flight[T]) leave(run *flightRun[T]) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	run.Waiters--
	if run.Waiters == 0 {
		run.cancel()
		if f.Current == run {
			f.Current = nil
		}
	}
}
