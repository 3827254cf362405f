package loop

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
)

// gauge counts those who are somewhere, and the most at a time.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.most = max(g.most, g.now)
}

func (g *gauge) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

func perNamespace(key types.NamespacedName) string { return key.Namespace }

// A hundred clusters whose brokers return together, each with more topics than may be in work: neither number is exceeded, whatever
// the number of lanes and loops, and all of them end.
func TestABudgetBoundsAllLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const syncs, asides, lanes, keys = 5, 7, 10, 20
		var working, inMemory gauge
		var ended atomic.Int32
		budget := NewBudget(syncs, asides)
		build := func() *Loop {
			var l *Loop
			l = New(Options{Name: "test", Workers: 4, Lane: perNamespace, Budget: budget},
				func(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
					inMemory.enter()
					defer inMemory.leave()
					work := func() {
						working.enter()
						time.Sleep(time.Second)
						working.leave()
					}
					work()
					l.Aside(ctx, func() {
						time.Sleep(10 * time.Second)
						if key.Name == "7" && ended.Load()%2 == 0 {
							panic("oops")
						}
					})
					work()
					ended.Add(1)
					return 0, nil
				})
			for lane := range lanes {
				for i := range keys {
					l.Add(types.NamespacedName{Namespace: fmt.Sprint(lane), Name: fmt.Sprint(i)})
				}
			}
			return l
		}
		stop := controllertest.Run(t, build().Run, build().Run)
		time.Sleep(time.Hour)
		synctest.Wait()
		stop()
		if got := working.peak(); got != syncs {
			t.Errorf("%d were at work at a time, want %d", got, syncs)
		}
		if got := inMemory.peak(); got > syncs+asides {
			t.Errorf("%d had begun and not ended, want %d at most", got, syncs+asides)
		}
		if got := ended.Load(); got < 2*lanes*(keys-1) {
			t.Errorf("%d ended of %d", got, 2*lanes*keys)
		}
		if budget.syncing != 0 || budget.aside != 0 || budget.lanes != 0 || len(budget.turns) != 0 {
			t.Errorf("the budget is not given back: %d syncing, %d aside, %d lanes, %d turns", budget.syncing, budget.aside, budget.lanes, len(budget.turns))
		}
	})
}

// The cluster that came first with a thousand topics is not served to its end before another has a turn.
func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		budget := NewBudget(1, 0)
		build := func(name string) *Loop {
			return New(Options{Name: name, Workers: 64, Lane: perNamespace, Budget: budget},
				func(_ context.Context, key types.NamespacedName) (time.Duration, error) {
					time.Sleep(time.Second)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, key.Namespace)
					return 0, nil
				})
		}
		topics, kafkas := build("topics"), build("kafkas")
		for i := range 100 {
			topics.Add(types.NamespacedName{Namespace: "large", Name: fmt.Sprint(i)})
		}
		stop := controllertest.Run(t, topics.Run, kafkas.Run)
		synctest.Wait()
		for i := range 2 {
			topics.Add(types.NamespacedName{Namespace: "small", Name: fmt.Sprint(i)})
			kafkas.Add(types.NamespacedName{Namespace: "other", Name: fmt.Sprint(i)})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		stop()
		last := 0
		for i, lane := range order {
			if lane != "large" {
				last = i
			}
		}
		if last == 0 || last > 7 {
			t.Errorf("the order is %v, want turns of all three lanes", order)
		}
	})
}

// One slow cluster leaves others what they need to step aside.
func TestNoLaneHasMoreThanItsShareAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var aside sync.Map
		release := make(chan struct{})
		var l *Loop
		l = New(Options{Name: "test", Workers: 1, Lane: perNamespace, Budget: NewBudget(100, 8)},
			func(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
				l.Aside(ctx, func() {
					n, _ := aside.LoadOrStore(key.Namespace, &gauge{})
					n.(*gauge).enter()
					<-release
				})
				return 0, nil
			})
		stop := controllertest.Run(t, l.Run)
		for lane := range 6 {
			for i := range 10 {
				l.Add(types.NamespacedName{Namespace: fmt.Sprint(lane), Name: fmt.Sprint(i)})
			}
			synctest.Wait()
		}
		// Two are aside, of those that came when there were few lanes, and one waits in its place.
		for lane, want := range []int{3, 3, 3, 3, 1, 1} {
			n, ok := aside.Load(fmt.Sprint(lane))
			if !ok || n.(*gauge).peak() != want {
				t.Errorf("of lane %d %v wait, want %d", lane, n, want)
			}
		}
		close(release)
		synctest.Wait()
		if n := l.Len(); n != 0 {
			t.Errorf("%d keys still wait", n)
		}
		stop()
	})
}

// What is aside already has no place to give.
func TestAsideWithinAsideOnlyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working gauge
		ended := 0
		var l *Loop
		l = New(Options{Name: "test"}, func(ctx context.Context, _ types.NamespacedName) (time.Duration, error) {
			l.Aside(ctx, func() { l.Aside(ctx, func() { time.Sleep(time.Second) }) })
			working.enter()
			time.Sleep(time.Second)
			working.leave()
			ended++
			return 0, nil
		})
		stop := controllertest.Run(t, l.Run)
		for i := range 10 {
			l.Add(types.NamespacedName{Name: fmt.Sprint(i)})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := working.peak(); got != 1 || ended != 10 {
			t.Errorf("%d worked at a time in the only place, and %d ended", got, ended)
		}
		stop()
	})
}

// A loop ends although others have all the seats, and none of its keys is begun afterwards.
func TestALoopEndsWhileOthersHaveTheSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget, release := NewBudget(1, 0), make(chan struct{})
		first := New(Options{Name: "first", Budget: budget}, func(context.Context, types.NamespacedName) (time.Duration, error) {
			<-release
			return 0, nil
		})
		second := New(Options{Name: "second", Budget: budget}, func(context.Context, types.NamespacedName) (time.Duration, error) {
			t.Error("a key was begun of a loop that has ended")
			return 0, nil
		})
		stopFirst := controllertest.Run(t, first.Run)
		first.Add(types.NamespacedName{Name: "a"})
		synctest.Wait()
		stopSecond := controllertest.Run(t, second.Run)
		second.Add(types.NamespacedName{Name: "b"})
		synctest.Wait()
		if n := second.Len(); n != 1 {
			t.Errorf("%d keys wait for the only seat, want 1", n)
		}
		stopSecond()
		close(release)
		synctest.Wait()
		stopFirst()
	})
}
