package topics

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// host is a broker with some replicas, of which a snapshot shows those that were there when it was asked for.
type host struct {
	mu       sync.Mutex
	replicas int32
	err      error
}

func (h *host) Snapshot(context.Context, time.Duration) (*broker.Snapshot, error) {
	h.mu.Lock()
	replicas, err := h.replicas, h.err
	h.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	return &broker.Snapshot{Brokers: map[int32]broker.BrokerInfo{1: {}}, Topics: map[string]broker.Topic{"there": topicOn(1, replicas)}}, nil
}

func topicOn(id, partitions int32) broker.Topic {
	have := broker.Topic{Name: "there"}
	for i := range partitions {
		have.Partitions = append(have.Partitions, broker.Partition{ID: i, Replicas: []int32{id}})
	}
	return have
}

func (h *host) add(n int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replicas += n
}

// All that waited for a cluster follow at once when it is back.
func TestManyThatEachFitAreNotTogetherTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &host{replicas: 500}
		capacity := NewCapacity(DefaultReplicasPerBroker, clock.RealClock{})
		var running sync.WaitGroup
		var mu sync.Mutex
		made, refused := 0, 0
		for i := range 64 {
			running.Go(func() {
				release, problem, err := capacity.Reserve(t.Context(), on, "streams/c", 300, 1)
				if err != nil {
					t.Error(err)
					return
				}
				defer release()
				if problem == "" {
					time.Sleep(time.Duration(i) * time.Second)
					on.add(300)
				}
				mu.Lock()
				defer mu.Unlock()
				if problem == "" {
					made++
				} else {
					refused++
				}
			})
		}
		running.Wait()
		if made != 11 || refused != 53 || on.replicas != 3800 {
			t.Errorf("%d were made and %d refused, the broker has %d replicas", made, refused, on.replicas)
		}
		if len(capacity.rooms) != 0 {
			t.Errorf("%d clusters are remembered", len(capacity.rooms))
		}
	})
}

func TestWhoIsEarlyWaitsForThoseUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &host{}
		capacity := NewCapacity(4000, clock.RealClock{})
		first, problem, err := capacity.Reserve(t.Context(), on, "c", 3000, 1)
		if problem != "" || err != nil {
			t.Fatal(problem, err)
		}
		// Other clusters are others, and what is small goes at once.
		if release, problem, err := capacity.Reserve(t.Context(), on, "d", 3000, 1); problem != "" || err != nil {
			t.Error(problem, err)
		} else {
			release()
		}
		if _, problem, err := capacity.Reserve(t.Context(), on, "c", 100, 1); problem != "" || err != nil {
			t.Error(problem, err)
		}
		var second string
		done := make(chan struct{})
		go func() {
			defer close(done)
			var release func()
			release, second, err = capacity.Reserve(t.Context(), on, "c", 3000, 1)
			release()
		}()
		time.Sleep(time.Minute)
		select {
		case <-done:
			t.Fatalf("it did not wait: %q", second)
		default:
		}
		// The first is refused by the brokers.
		first()
		<-done
		if second != "" || err != nil {
			t.Errorf("%q, %v", second, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release, _, _ := capacity.Reserve(t.Context(), on, "c", 3000, 1)
		defer release()
		if _, problem, err := capacity.Reserve(ctx, on, "c", 3000, 1); problem != "" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v", problem, err)
		}
	})
}

func TestWhatNobodyTellsIsLeftToTheBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := &broker.UnreachableError{Cluster: "c", Err: errors.New("connection refused")}
		for _, tc := range []struct {
			err  error
			want error
		}{{away, away}, {&broker.Error{Code: 31}, nil}} {
			capacity := NewCapacity(4000, clock.RealClock{})
			release, problem, err := capacity.Reserve(t.Context(), &host{err: tc.err}, "c", 5000, 1)
			release()
			if problem != "" || !errors.Is(err, tc.want) || len(capacity.rooms) != 0 {
				t.Errorf("%v: %q, %v", tc.err, problem, err)
			}
		}
		if _, problem, err := NewCapacity(0, clock.RealClock{}).Reserve(t.Context(), &host{err: away}, "c", 5000, 1); problem != "" || err != nil {
			t.Errorf("without a bound: %q, %v", problem, err)
		}
		_, problem, err := NewCapacity(4000, clock.RealClock{}).Reserve(t.Context(), &host{replicas: 3990}, "c", 101, 1)
		if !strings.Contains(problem, "takes at most 4000") || err != nil {
			t.Errorf("%q, %v", problem, err)
		}
	})
}
