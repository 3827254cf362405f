// Package jitter spreads what is done again and again. Many clusters that are looked at equally often would else be looked at in the same
// moment, from the moment on that a process starts or a network returns.
package jitter

import (
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
)

// Around is a duration of 80 to 120 percent of the one given.
func Around(d time.Duration) time.Duration {
	return wait.Jitter(d*4/5, 0.5)
}

// Ticker ticks about as often as it was told, with another pause each time. It is for one goroutine.
type Ticker struct {
	clock  clock.WithTicker
	every  time.Duration
	ticker clock.Ticker
}

// NewTicker returns a Ticker that ticks for the first time after about the duration given.
func NewTicker(clock clock.WithTicker, every time.Duration) *Ticker {
	return &Ticker{clock: clock, every: every, ticker: clock.NewTicker(Around(every))}
}

// C has the next tick.
func (t *Ticker) C() <-chan time.Time { return t.ticker.C() }

// Next begins the pause before the next tick. Call it after each one.
func (t *Ticker) Next() {
	t.ticker.Stop()
	t.ticker = t.clock.NewTicker(Around(t.every))
}

// Stop ends the ticks.
func (t *Ticker) Stop() { t.ticker.Stop() }
