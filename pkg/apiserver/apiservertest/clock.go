package apiservertest

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// hurry is how much faster than real time tickers run.
const hurry = 100

// Clock is a real clock that can be put forward and back, and whose tickers are fast: loops that look every ten seconds look every
// tenth of one.
type Clock struct {
	clock.RealClock

	mu    sync.Mutex
	ahead time.Duration
}

var _ clock.WithTicker = &Clock{}

// Now implements clock.PassiveClock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.RealClock.Now().Add(c.ahead)
}

// Since implements clock.PassiveClock.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// NewTicker implements clock.WithTicker.
func (c *Clock) NewTicker(d time.Duration) clock.Ticker { return c.RealClock.NewTicker(d / hurry) }

// Step puts the clock forward, or back by less than nothing.
func (c *Clock) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
