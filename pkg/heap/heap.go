// Package heap makes the garbage collector keep to the memory of the process. It never refuses memory to anybody.
package heap

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

const (
	liveMetric = "/gc/heap/live:bytes"
	// lookEvery is how often the live heap is looked at. Bursts last longer.
	lookEvery = 5 * time.Second
	// leastPercent bounds the collector's work on large heaps, mostPercent the memory of small ones. Both are values of GOGC: the
	// garbage that may pile up, in percent of the live heap.
	leastPercent = 30
	mostPercent  = 200
)

// Tuner keeps the garbage about as large as a headroom. By default it may be as large as the live heap: little with few
// objects, when the collector runs all the time, and with ten thousand of them more than anybody needs.
type Tuner struct {
	Headroom uint64 // bytes
	Clock    clock.WithTicker
}

// Run tunes until ctx ends. Whoever sets GOGC has decided already.
func (t Tuner) Run(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	ticker := t.Clock.NewTicker(lookEvery)
	defer ticker.Stop()
	current := 100
	for {
		sample := []metrics.Sample{{Name: liveMetric}}
		metrics.Read(sample)
		// Setting it stops the world for a moment, so small differences are left alone.
		if next := percent(sample[0].Value.Uint64(), t.Headroom); next > current+current/8 || next < current-current/8 {
			debug.SetGCPercent(next)
			klog.FromContext(ctx).V(2).Info("Garbage collector tuned", "percent", next)
			current = next
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// percent is the value of GOGC that lets so much garbage pile up beside a live heap.
func percent(live, headroom uint64) int {
	if live == 0 {
		return mostPercent
	}
	return int(min(max(100*headroom/live, leastPercent), mostPercent))
}
