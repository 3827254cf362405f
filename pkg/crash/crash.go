// Package crash keeps a panic over one request or one object from ending the process, and with it what everybody else is at work on. net/http
// does so for the goroutine of a request only. Loops that work for everybody are left to crash: a process that has lost one looks well.
package crash

import (
	"fmt"
	"runtime/debug"
	"sync"

	"k8s.io/klog/v2"
)

// Recover is deferred by a goroutine that hands an error to whoever waits for it: a panic becomes that error.
func Recover(err *error) {
	if p := recover(); p != nil {
		*err = toError(p, debug.Stack())
	}
}

// Call is what work returns; a panic is its error.
func Call(work func() error) (err error) {
	defer Recover(&err)
	return work()
}

// Go runs work on a goroutine of its own and hands over how it ended, also when it panicked: whoever waits for it is never left waiting.
// What ended does is to take note of that and to tell, nothing that could go wrong.
func Go(work func() error, ended func(error)) {
	go func() { ended(Call(work)) }()
}

// Group runs parts of one piece of work at the same time. The zero value is usable.
type Group struct {
	running sync.WaitGroup
	mu      sync.Mutex
	failed  error
}

// Go runs a part on a goroutine of its own.
func (g *Group) Go(part func()) {
	g.running.Go(func() {
		err := Call(func() error {
			part()
			return nil
		})
		if err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.failed = err
		}
	})
}

// Wait waits for all parts. When one of them panicked it panics, on the goroutine of who waits: there the panic is about what it was for.
func (g *Group) Wait() {
	g.running.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed != nil {
		panic(g.failed)
	}
}

// toError logs a panic with its stack, which callers have no use for.
func toError(p any, stack []byte) error {
	klog.Background().Error(nil, "Panic", "panic", p, "stack", string(stack))
	return fmt.Errorf("internal error: %v", p)
}
