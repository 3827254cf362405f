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
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// host is a broker with some replicas, of which a snapshot shows those that were there when it was asked for.
type host struct {
	mu       sync.Mutex
	replicas int32
	err      error
	// late is how long an answer takes, and looks counts them.
	late  time.Duration
	looks int
}

func (h *host) Snapshot(ctx context.Context, _ time.Duration) (*broker.Snapshot, error) {
	h.mu.Lock()
	replicas, err, late := h.replicas, h.err, max(h.late, 50*time.Millisecond)
	h.looks++
	h.mu.Unlock()
	select {
	case <-time.After(late):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	snapshot := brokertest.Snapshot(map[string]broker.Topic{"there": topicOn(1, replicas)})
	snapshot.Brokers = map[int32]broker.BrokerInfo{1: {}}
	return &snapshot, nil
}

func (h *host) looked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.looks
}

// inTime runs a test in time of its own, and waits for what it leaves under way.
func inTime(t *testing.T, test func(*testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(lookTimeout)
	})
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
	inTime(t, func(t *testing.T) {
		on := &host{replicas: 500}
		capacity := NewCapacity(DefaultReplicasPerBroker, clock.RealClock{}, nil)
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
		// A look for each that has ended, and the first: those who are refused share them.
		if n := on.looked(); n > 1+made {
			t.Errorf("the cluster was looked at %d times", n)
		}
		// What is known of a cluster that nobody adds to is forgotten.
		time.Sleep(2 * idleAge)
		if _, err := capacity.Takes(t.Context(), on, "streams/d", 1, 1); err != nil || len(capacity.rooms) != 1 {
			t.Errorf("%d clusters are remembered, %v", len(capacity.rooms), err)
		}
	})
}

func TestWhoIsEarlyWaitsForThoseUnderWay(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := &host{}
		capacity := NewCapacity(4000, clock.RealClock{}, nil)
		first, problem, err := capacity.Reserve(t.Context(), on, "c", 3000, 1)
		if problem != "" || err != nil {
			t.Fatal(problem, err)
		}
		// Other clusters are others, and what fits beside the first goes at once.
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
	inTime(t, func(t *testing.T) {
		away := &kafkaerr.UnreachableError{Cluster: "c", Err: errors.New("connection refused")}
		for _, tc := range []struct {
			err  error
			want error
		}{{away, away}, {&kafkaerr.Error{Code: 31}, nil}, {&kafkaerr.TooLongError{Op: "list topics"}, nil}} {
			capacity := NewCapacity(4000, clock.RealClock{}, nil)
			release, problem, err := capacity.Reserve(t.Context(), &host{err: tc.err}, "c", 5000, 1)
			release()
			if problem != "" || !errors.Is(err, tc.want) {
				t.Errorf("%v: %q, %v", tc.err, problem, err)
			}
		}
		if _, problem, err := NewCapacity(0, clock.RealClock{}, nil).Reserve(t.Context(), &host{err: away}, "c", 5000, 1); problem != "" || err != nil {
			t.Errorf("without a bound: %q, %v", problem, err)
		}
		_, problem, err := NewCapacity(4000, clock.RealClock{}, nil).Reserve(t.Context(), &host{replicas: 3990}, "c", 101, 1)
		if !strings.Contains(problem, "takes at most 4000") || err != nil {
			t.Errorf("%q, %v", problem, err)
		}
	})
}

// A full cluster costs those who keep asking a look now and then.
func TestRefusalsShareALook(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := &host{replicas: 4000}
		capacity := NewCapacity(4000, clock.RealClock{}, nil)
		refused := func() {
			t.Helper()
			var running sync.WaitGroup
			for i := range 200 {
				running.Go(func() {
					// Large and small alike.
					release, problem, err := capacity.Reserve(t.Context(), on, "c", int32(1+i), 1)
					release()
					if !strings.Contains(problem, "takes at most 4000") || err != nil {
						t.Errorf("%d: %q, %v", i, problem, err)
					}
				})
			}
			running.Wait()
		}
		// While nothing is known what is small would be let in.
		if problem, err := capacity.Takes(t.Context(), on, "c", 101, 1); problem == "" || err != nil {
			t.Fatal(problem, err)
		}
		refused()
		refused()
		if n := on.looked(); n != 1 {
			t.Errorf("400 refusals cost %d looks", n)
		}
		time.Sleep(refusalAge + time.Second)
		refused()
		if n := on.looked(); n != 2 {
			t.Errorf("200 more cost %d looks in all", n)
		}
		// That it was full is remembered: also what is small and comes once in a while waits for a look.
		for range 5 {
			time.Sleep(idleAge / 2)
			if _, problem, err := capacity.Reserve(t.Context(), on, "c", 1, 1); problem == "" || err != nil {
				t.Errorf("a small request fits into a full cluster: %v", err)
			}
		}
		// Room that this process has made is seen at once.
		on.add(-300)
		capacity.Freed("c")
		if _, problem, err := capacity.Reserve(t.Context(), on, "c", 300, 1); problem != "" || err != nil {
			t.Errorf("%q, %v", problem, err)
		}
	})
}

// Whoever comes while somebody waits for a slow answer waits for the same, and is not kept from leaving.
func TestNobodyQueuesForALook(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := &host{late: 10 * time.Second}
		capacity := NewCapacity(4000, clock.RealClock{}, nil)
		var running sync.WaitGroup
		start := time.Now()
		for range 32 {
			running.Go(func() {
				release, problem, err := capacity.Reserve(t.Context(), on, "c", 101, 1)
				release()
				if problem != "" || err != nil || time.Since(start) != on.late {
					t.Errorf("after %s: %q, %v", time.Since(start), problem, err)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := capacity.Reserve(ctx, on, "c", 101, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		running.Wait()
		if n := on.looked(); n != 1 {
			t.Errorf("the cluster was looked at %d times", n)
		}
	})
}

// Many small requests together are as many as a large one.
func TestSmallRequestsAreCounted(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := &host{replicas: 3400}
		capacity := NewCapacity(4000, clock.RealClock{}, nil)
		made := 0
		for range 400 {
			release, problem, err := capacity.Reserve(t.Context(), on, "c", 3, 1)
			if err != nil {
				t.Fatal(err)
			}
			if problem == "" {
				on.add(3)
				made++
			}
			release()
		}
		if made != 200 || on.replicas != 4000 {
			t.Errorf("%d were made, the broker has %d replicas", made, on.replicas)
		}
		if n := on.looked(); n > 3 {
			t.Errorf("the cluster was looked at %d times", n)
		}
	})
}

func TestSmallRequestsWaitForNobodyFarFromTheBound(t *testing.T) {
	inTime(t, func(t *testing.T) {
		on := &host{late: time.Second}
		capacity := NewCapacity(4000, clock.RealClock{}, nil)
		for round := range 3 {
			for range 20 {
				start := time.Now()
				release, problem, err := capacity.Reserve(t.Context(), on, "c", 3, 1)
				if problem != "" || err != nil || time.Since(start) != 0 {
					t.Errorf("after %s: %q, %v", time.Since(start), problem, err)
				}
				release()
			}
			time.Sleep(2 * loadAge)
			if n := on.looked(); n != 1+round {
				t.Errorf("the cluster was looked at %d times", n)
			}
		}
	})
}

// A look that fails shows none of what was let in before it: many small requests together are no fewer for it.
func TestSmallRequestsAreCountedWhileLooksFail(t *testing.T) {
	away := &kafkaerr.UnreachableError{Cluster: "c", Err: errors.New("connection refused")}
	for name, seenBefore := range map[string]bool{"never seen": false, "seen long ago": true} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				on := &host{}
				capacity := NewCapacity(4000, clock.RealClock{}, nil)
				if seenBefore {
					if _, err := capacity.Takes(t.Context(), on, "c", 101, 1); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * loadAge)
				}
				fail := func(err error) {
					on.mu.Lock()
					defer on.mu.Unlock()
					on.err = err
				}
				fail(away)
				let := 0
				for range 100 {
					release, problem, err := capacity.Reserve(t.Context(), on, "c", 3, 1)
					release()
					switch {
					case problem != "" || err != nil && !errors.Is(err, away):
						t.Fatalf("%q, %v", problem, err)
					case err == nil:
						let++
					}
				}
				if let != largeRequest/3 {
					t.Errorf("%d requests of 3 replicas were let in unseen, want %d", let, largeRequest/3)
				}
				// One look that succeeds is enough.
				fail(nil)
				for range 100 {
					release, problem, err := capacity.Reserve(t.Context(), on, "c", 3, 1)
					release()
					if problem != "" || err != nil {
						t.Fatalf("when the brokers are back: %q, %v", problem, err)
					}
				}
			})
		})
	}
}

// What is left to the brokers is more than one replica.
func TestWhatIsLeftToTheBrokersIsCounted(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for _, tc := range []struct{ brokers, partitions, want int32 }{{1, 10, 10}, {2, 10, 20}, {5, 10, 30}, {5, 0, 3}, {0, 10, 30}} {
			load := Load{Brokers: int(tc.brokers)}
			if got := load.adds(tc.partitions, 0); got != int64(tc.want) {
				t.Errorf("%d partitions on %d brokers are %d replicas, want %d", tc.partitions, tc.brokers, got, tc.want)
			}
		}
		capacity, brokers := NewCapacity(4000, clock.RealClock{}, nil), &host{replicas: 4000}
		if _, problem, err := capacity.Reserve(t.Context(), brokers, "c", 0, 0); problem != "" || err != nil {
			t.Errorf("before anything is known: %q, %v", problem, err)
		}
		time.Sleep(time.Second)
		if _, problem, err := capacity.Reserve(t.Context(), brokers, "c", 0, 0); problem == "" || err != nil {
			t.Errorf("a topic of which all is left to the brokers fits into a full cluster: %v", err)
		}
	})
}

// What a Kafka held while it was another cluster is not what it holds now, and whoever asks the brokers of now looks at them.
func TestAnotherClusterIsLookedAt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		capacity, former, now := NewCapacity(4000, clock.RealClock{}, nil), &host{replicas: 4000}, &host{}
		for range 2 {
			if _, _, err := capacity.Reserve(t.Context(), former, "c", 1, 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if _, problem, err := capacity.Reserve(t.Context(), now, "c", 1, 1); problem != "" || err != nil {
			t.Errorf("%q, %v", problem, err)
		}
	})
}
