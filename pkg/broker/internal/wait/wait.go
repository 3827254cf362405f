// package wait is for tests that wait for something.
package wait

import (
	"sync"
	"testing"
	"time"
)

// Until polls until a condition holds.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in ten seconds: %s", what)
		}
	}
}

// Timed is how long an act takes, less the time for which the whole process stood still meanwhile, as it does on a machine that is busy
// with others. A ticker beside the act is late by then, which an act that waits for a sick broker does not make it.
func Timed(act func()) time.Duration {
	// Less than stall is how late a ticker is anyhow on such a machine, without an act that waits taking any longer for it.
	const tick, stall = 5 * time.Millisecond, 50 * time.Millisecond
	var mu sync.Mutex
	var stood time.Duration
	start := time.Now()
	last := start
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if late := now.Sub(last) - tick; late > stall {
			stood += late
		}
		last = now
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				look()
			case <-ended:
				return
			}
		}
	}()
	act()
	look()
	mu.Lock()
	defer mu.Unlock()
	return last.Sub(start) - stood
}
