package jitter

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestAroundIsWithinAFifth(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 1000 {
		got := Around(10 * time.Second)
		if got < 8*time.Second || got > 12*time.Second {
			t.Fatalf("around 10s is %v", got)
		}
		seen[got.Round(time.Second)] = true
	}
	if len(seen) != 5 {
		t.Errorf("a thousand durations, rounded to seconds, are %v, want all from 8 to 12", seen)
	}
	if got := Around(0); got != 0 {
		t.Errorf("around 0 is %v", got)
	}
}

func TestTickerHasAnotherPauseEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticker := NewTicker(clock.RealClock{}, time.Minute)
		defer ticker.Stop()
		pauses := map[time.Duration]bool{}
		for range 10 {
			start := time.Now()
			<-ticker.C()
			took := time.Since(start)
			if took < 48*time.Second || took > 72*time.Second {
				t.Errorf("a tick came after %v", took)
			}
			pauses[took] = true
			ticker.Next()
		}
		if len(pauses) < 2 {
			t.Errorf("ten ticks came after the same pause")
		}
	})
}
