// Package controllertest has the parts that the tests of several controllers need.
package controllertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// Run runs controllers, and what they need beside them, until the function that it returns is called, or the test ends. All of them have ended
// then. It can be called again. One that panics fails the test, and no other.
func Run(t testing.TB, runs ...func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Add(len(runs))
	for _, run := range runs {
		crash.Go(func() error {
			run(ctx)
			return nil
		}, func(err error) {
			if err != nil {
				t.Errorf("what the test runs: %v", err)
			}
			running.Done()
		})
	}
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// faster is how much faster than the clock on the wall a FastClock is.
const faster = 50

// FastClock makes those who wait by it wait shortly, for tests with an API server, which takes no part in a synctest bubble.
type FastClock struct {
	clock.RealClock
	start time.Time
}

// NewFastClock is a clock that is right now, and fast from now on.
func NewFastClock() *FastClock { return &FastClock{start: time.Now()} }

var _ clock.WithTicker = &FastClock{}

// Now implements clock.PassiveClock.
func (c *FastClock) Now() time.Time { return c.start.Add(faster * time.Since(c.start)) }

// Since implements clock.PassiveClock.
func (c *FastClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// NewTimer implements clock.Clock.
func (c *FastClock) NewTimer(d time.Duration) clock.Timer { return c.RealClock.NewTimer(d / faster) }

// NewTicker implements clock.WithTicker.
func (c *FastClock) NewTicker(d time.Duration) clock.Ticker {
	return c.RealClock.NewTicker(max(d/faster, time.Millisecond))
}

// After implements clock.Clock.
func (c *FastClock) After(d time.Duration) <-chan time.Time { return c.RealClock.After(d / faster) }
