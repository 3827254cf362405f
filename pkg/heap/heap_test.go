package heap

import (
	"context"
	"runtime/debug"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestTheHeadroomIsTheSameForSmallAndLargeHeaps(t *testing.T) {
	const mebibyte = 1 << 20
	for _, tc := range []struct {
		name           string
		live, headroom uint64
		want           int
	}{
		{"before the first collection", 0, 48 * mebibyte, 200},
		{"a small heap collects less often", 32 * mebibyte, 48 * mebibyte, 150},
		{"but its garbage is bounded", 4 * mebibyte, 48 * mebibyte, 200},
		{"a heap of the headroom's size is as usual", 48 * mebibyte, 48 * mebibyte, 100},
		{"a large heap has less garbage", 80 * mebibyte, 48 * mebibyte, 60},
		{"but is not collected all the time", 4096 * mebibyte, 48 * mebibyte, 30},
	} {
		if got := percent(tc.live, tc.headroom); got != tc.want {
			t.Errorf("%s: %d percent, want %d", tc.name, got, tc.want)
		}
	}
}

func TestTheCollectorIsTuned(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for _, tc := range []struct {
		name, gogc string
		want       int
	}{
		{"for a headroom far above the heap", "", mostPercent},
		{"but not against the operator", "100", 100},
	} {
		t.Setenv("GOGC", tc.gogc)
		debug.SetGCPercent(100)
		ctx, cancel := context.WithCancel(t.Context())
		// Its first look comes before it waits.
		cancel()
		Tuner{Headroom: 1 << 40, Clock: clocktesting.NewFakeClock(time.Now())}.Run(ctx)
		if got := debug.SetGCPercent(100); got != tc.want {
			t.Errorf("%s: %d percent, want %d", tc.name, got, tc.want)
		}
	}
}
