package broker

import (
	"context"
	"sync"
	"time"
)

// flight lets concurrent callers share one question. The question outlives the caller that started it, as long as one waits.
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

// do joins the question in flight when it was asked in the same epoch, else it starts one, bounded by life and timeout.
func (f *flight[T]) do(ctx, life context.Context, timeout time.Duration, epoch int, ask func(context.Context) (T, error)) (T, error) {
	f.mu.Lock()
	run := f.current
	if run == nil || run.epoch != epoch {
		run = &flightRun[T]{done: make(chan struct{}), epoch: epoch}
		var asking context.Context
		asking, run.cancel = context.WithTimeout(life, timeout)
		f.current = run
		go func() {
			defer run.cancel()
			run.value, run.err = ask(asking)
			f.mu.Lock()
			if f.current == run {
				f.current = nil
			}
			f.mu.Unlock()
			close(run.done)
		}()
	}
	run.waiters++
	f.mu.Unlock()

	select {
	case <-run.done:
		return run.value, run.err
	case <-ctx.Done():
		f.mu.Lock()
		run.waiters--
		if run.waiters == 0 {
			run.cancel()
			if f.current == run {
				f.current = nil
			}
		}
		f.mu.Unlock()
		var zero T
		return zero, context.Cause(ctx)
	}
}
