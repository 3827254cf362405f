package loop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"

	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
)

func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := metrics.NewKubeRegistry()
		m, err := loopmetrics.New(registry)
		if err != nil {
			t.Fatal(err)
		}
		calls := make(chan string, 10)
		var failures atomic.Int32
		failures.Store(2)
		l := New(Options{Name: "test", Metrics: m}, func(_ context.Context, key types.NamespacedName) (time.Duration, error) {
			calls <- key.Name
			switch {
			case key.Name == "fails" && failures.Add(-1) >= 0:
				return 0, errors.New("not yet")
			case key.Name == "panics" && failures.Add(-1) >= 0:
				panic("oops")
			case key.Name == "later":
				return time.Minute, nil
			}
			return 0, nil
		})
		stop := controllertest.Run(t, l.Run)
		expect := func(name string, n int) {
			t.Helper()
			for range n {
				if got := <-calls; got != name {
					t.Errorf("synced %q, want %q", got, name)
				}
			}
		}
		l.Add(types.NamespacedName{Name: "fails"})
		expect("fails", 3)
		// The last of them tells that it was called before it counts.
		synctest.Wait()
		failures.Store(1)
		l.Add(types.NamespacedName{Name: "panics"})
		expect("panics", 2)
		l.Add(types.NamespacedName{Name: "later"})
		expect("later", 1)
		start := time.Now()
		expect("later", 1)
		if took := time.Since(start); took < 48*time.Second || took > 72*time.Second {
			t.Errorf("called again after %v, want about a minute", took)
		}
		stop()
		err = testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP kafka_apiserver_controller_syncs_total [ALPHA] Syncs of single objects, by controller and result (ok, error).
# TYPE kafka_apiserver_controller_syncs_total counter
kafka_apiserver_controller_syncs_total{controller="test",result="error"} 3
kafka_apiserver_controller_syncs_total{controller="test",result="ok"} 4
# HELP kafka_apiserver_controller_queue_length [ALPHA] Objects that wait for their sync, by controller.
# TYPE kafka_apiserver_controller_queue_length gauge
kafka_apiserver_controller_queue_length{controller="test"} 0
`), "kafka_apiserver_controller_syncs_total", "kafka_apiserver_controller_queue_length")
		if err != nil {
			t.Error(err)
		}
	})
}

// A lane in which all hang delays no other, and does not work on more than it may.
func TestLanesDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hanging atomic.Int32
		var served sync.Map
		release := make(chan struct{})
		l := New(Options{Name: "test", Workers: 2, Lane: func(key types.NamespacedName) string { return key.Namespace }},
			func(_ context.Context, key types.NamespacedName) (time.Duration, error) {
				if key.Namespace == "sick" {
					hanging.Add(1)
					<-release
				}
				served.Store(key.String(), true)
				return 0, nil
			})
		stop := controllertest.Run(t, l.Run)
		for i := range 10 {
			l.Add(types.NamespacedName{Namespace: "sick", Name: fmt.Sprint(i)})
		}
		synctest.Wait()
		for i := range 10 {
			l.Add(types.NamespacedName{Namespace: "well", Name: fmt.Sprint(i)})
		}
		synctest.Wait()
		if n := hanging.Load(); n != 2 {
			t.Errorf("%d of the sick lane are in work, want 2", n)
		}
		expect := func(lane string) {
			t.Helper()
			for i := range 10 {
				if _, ok := served.Load(fmt.Sprintf("%s/%d", lane, i)); !ok {
					t.Errorf("%s/%d was not served", lane, i)
				}
			}
		}
		expect("well")
		close(release)
		synctest.Wait()
		expect("sick")
		stop()
	})
}

func TestKeysThatWaitAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := metrics.NewKubeRegistry()
		m, err := loopmetrics.New(registry)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		l := New(Options{Name: "test", Metrics: m}, func(context.Context, types.NamespacedName) (time.Duration, error) {
			<-release
			return 0, nil
		})
		for i := range 4 {
			l.Add(types.NamespacedName{Name: fmt.Sprint(i)})
		}
		stop := controllertest.Run(t, l.Run)
		synctest.Wait()
		if n := l.Len(); n != 3 {
			t.Errorf("%d keys wait for the only worker, want 3", n)
		}
		release <- struct{}{}
		synctest.Wait()
		err = testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP kafka_apiserver_controller_queue_length [ALPHA] Objects that wait for their sync, by controller.
# TYPE kafka_apiserver_controller_queue_length gauge
kafka_apiserver_controller_queue_length{controller="test"} 2
`), "kafka_apiserver_controller_queue_length")
		if err != nil {
			t.Error(err)
		}
		close(release)
		stop()
	})
}

// A hundred objects wait for one thing together, and two at a time do what comes before and after it.
func TestWhoStepsAsideGivesItsPlaceToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys, workers = 100, 2
		answer := make(chan struct{})
		var working, most, waiting, ended atomic.Int32
		step := func() {
			if n := working.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			working.Add(-1)
		}
		var l *Loop
		l = New(Options{Name: "test", Workers: workers}, func(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
			step()
			// Who gets the place has a context of its own.
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			l.Aside(ctx, func() {
				waiting.Add(1)
				<-answer
				if key.Name == "7" {
					panic("oops")
				}
			})
			step()
			ended.Add(1)
			return 0, nil
		})
		stop := controllertest.Run(t, l.Run)
		for i := range keys {
			l.Add(types.NamespacedName{Name: fmt.Sprint(i)})
		}
		time.Sleep(keys / workers * time.Second)
		synctest.Wait()
		if got := waiting.Load(); got != keys {
			t.Errorf("%d wait together, want %d", got, keys)
		}
		close(answer)
		time.Sleep(keys * time.Second)
		synctest.Wait()
		if got := most.Load(); got > workers {
			t.Errorf("%d had a place at once, want %d", got, workers)
		}
		// The one that panicked is tried again, and panics again.
		if got := ended.Load(); got != keys-1 {
			t.Errorf("%d ended, want %d", got, keys-1)
		}
		stop()
		if len(l.lanes) != 0 {
			t.Errorf("lanes that nobody is in are kept: %v", l.lanes)
		}
	})
}

func TestAsideOfNoLoopOnlyWaits(t *testing.T) {
	l := New(Options{Name: "test"}, nil)
	called := false
	l.Aside(t.Context(), func() { called = true })
	if !called {
		t.Error("not called")
	}
}
