package kafkaconsumergroup

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// Fifty consoles that list everything again and again ask the brokers as often as one.
func TestListsOfEverythingShareQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recent{clock: clock.RealClock{}}
		var questions atomic.Int32
		ask := func(context.Context) (broker.GroupList, error) {
			time.Sleep(time.Second)
			questions.Add(1)
			return broker.GroupList{Groups: []broker.Group{{ID: "billing"}}}, nil
		}
		all := func() {
			t.Helper()
			var consoles sync.WaitGroup
			for range 50 {
				consoles.Go(func() {
					if list, err := r.get(t.Context(), "k", recentAge, ask); err != nil || len(list.Groups) != 1 {
						t.Errorf("listed %v, %v", list, err)
					}
				})
			}
			consoles.Wait()
		}
		all()
		time.Sleep(recentAge - 2*time.Second)
		all()
		if n := questions.Load(); n != 1 {
			t.Errorf("a hundred lists within %v asked %d times, want once", recentAge, n)
		}
		time.Sleep(recentAge)
		all()
		if n := questions.Load(); n != 2 {
			t.Errorf("after %v they have asked %d times, want again", recentAge, n)
		}
	})
}

// A cluster that did not answer is not waited for a second time; when it is back, the next list knows.
func TestAClusterThatIsAwayIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recent{clock: clock.RealClock{}}
		silence := errors.New("nobody answers")
		var back atomic.Bool
		ask := func(ctx context.Context) (broker.GroupList, error) {
			if back.Load() {
				time.Sleep(time.Second)
				return broker.GroupList{Groups: []broker.Group{{ID: "billing"}}}, nil
			}
			<-ctx.Done()
			return broker.GroupList{}, silence
		}
		list := func(want error, within time.Duration) {
			t.Helper()
			start := time.Now()
			got, err := r.get(t.Context(), "k", recentAge, ask)
			if !errors.Is(err, want) || want == nil && len(got.Groups) != 1 {
				t.Errorf("listed %v, %v, want %v", got, err, want)
			}
			if took := time.Since(start); took > within {
				t.Errorf("waited for %v, want %v at most", took, within)
			}
		}
		list(silence, clusterPatience)
		for range 3 {
			list(silence, awayPatience)
		}
		back.Store(true)
		time.Sleep(clusterPatience)
		list(silence, awayPatience)
		time.Sleep(time.Second)
		list(nil, 0)
		time.Sleep(forgetAfter + time.Second)
		if _, err := r.get(t.Context(), "other", recentAge, ask); err != nil || len(r.of) != 1 {
			t.Errorf("%d clusters are remembered, %v, want the one that was asked for", len(r.of), err)
		}
	})
}
