package broker

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	testingclock "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func newFakeClock() *testingclock.FakeClock { return testingclock.NewFakeClock(time.Now()) }

func splitAddr(addr string) (BrokerInfo, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return BrokerInfo{}, err
	}
	n, err := strconv.ParseInt(port, 10, 32)
	return BrokerInfo{Host: host, Port: int32(n)}, err
}

func TestASnapshotIsOneRequestForAllWhoWait(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(2, "orders", "payments"))
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	before := b.network.requests(int16(kmsg.Metadata))
	release := make(chan struct{})
	b.kafka.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.SleepControl(func() { <-release })
		return nil, nil, false
	})
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			s, err := b.cluster.Snapshot(ctx, 0)
			if err != nil || len(s.Topics) != 2 || len(s.Brokers) != 3 {
				t.Errorf("%+v %v", s, err)
			}
		})
	}
	// One who loses patience does not take the answer from the others.
	impatient, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = b.cluster.Snapshot(impatient, 0) }()
	eventually(t, "all callers wait", func() bool {
		f := &b.cluster.metadata.SnapshotFlight
		f.Mu.Lock()
		defer f.Mu.Unlock()
		return f.Current != nil && f.Current.Waiters == 51
	})
	cancel()
	<-ended
	close(release)
	callers.Wait()
	if n := b.network.requests(int16(kmsg.Metadata)) - before; n != 1 {
		t.Errorf("%d requests for 51 callers", n)
	}
}

func TestASnapshotsAge(t *testing.T) {
	clk := newFakeClock()
	b := newBench(t, Options{Clock: clk}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	first, err := b.cluster.Snapshot(ctx, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	clk.Step(30 * time.Second)
	second, err := b.cluster.Snapshot(ctx, time.Minute)
	if err != nil || second != first || second.Age(clk.Now()) != 30*time.Second {
		t.Errorf("the cached snapshot was not used (%v)", err)
	}
	if third, err := b.cluster.Snapshot(ctx, 10*time.Second); err != nil || third == first {
		t.Errorf("a snapshot older than allowed was used (%v)", err)
	}
	// A write of ours makes it outdated at once.
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "payments", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	after, err := b.cluster.Snapshot(ctx, time.Minute)
	if _, ok := after.Topics["payments"]; err != nil || !ok {
		t.Errorf("the snapshot does not know of the write before it (%v)", err)
	}
	if b.cluster.LastSnapshot() != after {
		t.Error("the last snapshot is not the newest")
	}
}

func TestAChangedBootstrapListTakesEffect(t *testing.T) {
	b := newBench(t, unhurried, kfake.ClusterID("one"))
	other, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("two"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ctx := testContext(t)
	if info, err := b.cluster.Describe(ctx); err != nil || info.ID != "one" {
		t.Fatal(info, err)
	}
	dials := b.network.dials.Load()
	b.gateway.Cluster(Target{Key: b.cluster.Key(), Bootstrap: append([]string{"new:9092"}, b.kafka.ListenAddrs()...)})
	if _, err := b.cluster.Describe(ctx); err != nil || b.network.dials.Load() != dials {
		t.Errorf("one address more has cost the connections (%v)", err)
	}
	same := b.gateway.Cluster(Target{Key: b.cluster.Key(), Bootstrap: other.ListenAddrs()})
	if same != b.cluster {
		t.Error("another handle for the same key")
	}
	if info, err := b.cluster.Describe(ctx); err != nil || info.ID != "two" {
		t.Errorf("%+v %v, want the cluster of the new list", info, err)
	}
}

func TestForgetEndsWhatIsInFlight(t *testing.T) {
	b := newBench(t, Options{})
	if _, err := b.cluster.Describe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	held := make(chan struct{}, 1)
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.Metadata) {
				held <- struct{}{}
				return holdAnswer
			}
			return pass
		}
	})
	ended := make(chan error)
	go func() { _, err := b.cluster.Topics(context.Background(), "orders"); ended <- err }()
	<-held
	b.gateway.Forget(b.cluster.Key())
	if err := <-ended; !kafkaerr.IsUnreachable(err) {
		t.Errorf("in flight: %v, want unreachable", err)
	}
	if _, err := b.cluster.Describe(context.Background()); !kafkaerr.IsUnreachable(err) {
		t.Errorf("afterwards: %v, want unreachable", err)
	}
	eventually(t, "all goroutines have ended", func() bool { n, _ := ourGoroutines(); return n == 0 })
}

func TestNothingIsLeftBehind(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	n := newNetwork(t)
	gateway := New(Options{Dial: n.dial})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); gateway.Run(ctx) }()
	c := gateway.Cluster(Target{Key: "a/b/c", Bootstrap: kafka.ListenAddrs()})
	n.set(func() {
		n.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.ListOffsets) {
				return holdAnswer
			}
			return pass
		}
	})
	var callers sync.WaitGroup
	for i := range 40 {
		callers.Go(func() {
			short, cancel := context.WithTimeout(ctx, time.Duration(20+i)*time.Millisecond)
			defer cancel()
			_, _ = c.Snapshot(short, 0)
			_, _ = c.Offsets(short, "orders", ReadUncommitted)
			_, _ = c.LogDirs(short, "orders")
			_, _ = c.CreateTopic(short, NewTopic{Name: "t" + strconv.Itoa(i), Partitions: 1, Replicas: 1}, false)
		})
	}
	callers.Wait()
	cancel()
	<-ended
	eventually(t, "all goroutines have ended", func() bool { n, _ := ourGoroutines(); return n == 0 })
	c.core.Pool.Mu.Lock()
	defer c.core.Pool.Mu.Unlock()
	if len(c.core.Pool.Links) != 0 {
		t.Errorf("%d connections are still open", len(c.core.Pool.Links))
	}
	if used := len(c.core.Pool.Requests); used != 0 {
		t.Errorf("%d request slots are still taken", used)
	}
	for key, s := range c.core.Pool.Lanes {
		if len(s.Slots) != 0 {
			t.Errorf("%d slots of %v are still taken", len(s.Slots), key)
		}
	}
}

// listing asks for snapshots, without end, from several callers at once.
func listing(ctx context.Context, t *testing.T, c *Cluster, callers int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var listers sync.WaitGroup
	for range callers {
		listers.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Snapshot(ctx, 5*time.Second); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() {
		cancel()
		listers.Wait()
	}
}

func TestThereIsOneSnapshotInFlightWhateverIsWritten(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	var inFlight, most atomic.Int32
	b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		if req.(*kmsg.MetadataRequest).Topics == nil {
			n := inFlight.Add(1)
			most.Store(max(most.Load(), n))
			b.kafka.SleepControl(func() { <-time.After(2 * time.Millisecond) })
			inFlight.Add(-1)
		}
		return nil, nil, false
	})
	stop := listing(ctx, t, b.cluster, 50)
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			for j := range 10 {
				name := "topic-" + strconv.Itoa(10*i+j)
				if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: name, Partitions: 1, Replicas: 1}, false); err != nil {
					t.Error(err)
				}
				// Each list knows of the caller's own write before it.
				if s, err := b.cluster.Snapshot(ctx, 5*time.Second); err != nil || s.Topics[name].Partitions != 1 {
					t.Errorf("a list does not know of %s, created before: %v", name, err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	if n := most.Load(); n != 1 {
		t.Errorf("%d requests for all topics at once", n)
	}
}

// A request that has nothing new to tell costs the lists nothing.
func TestARefusedWriteLeavesTheSnapshotAlone(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	first, err := b.cluster.Snapshot(ctx, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists {
		t.Fatal(err)
	}
	if err := b.cluster.CreatePartitions(ctx, "orders", 1, nil, false); err != nil {
		t.Fatal(err)
	}
	if again, err := b.cluster.Snapshot(ctx, 5*time.Second); err != nil || again != first {
		t.Errorf("another snapshot after a write that changed nothing (%v)", err)
	}
}

// A caller who asked before a write must not have its older answer taken for news of the write.
func TestAnAnswerFromBeforeAWriteIsNotKept(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	release := b.held(kmsg.Metadata)
	asked := b.network.requests(int16(kmsg.Metadata))
	old := make(chan *Snapshot)
	go func() {
		s, err := b.cluster.Snapshot(ctx, 0)
		if err != nil {
			t.Error(err)
		}
		old <- s
	}()
	eventually(t, "the question is in flight", func() bool { return b.network.requests(int16(kmsg.Metadata)) > asked })
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "payments", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	news := make(chan *Snapshot)
	go func() {
		s, err := b.cluster.Snapshot(ctx, time.Minute)
		if err != nil {
			t.Error(err)
		}
		news <- s
	}()
	release()
	before, after := <-old, <-news
	if before == after || after.Topics["payments"].Partitions != 1 {
		t.Errorf("the list after the write knows %d topics", len(after.Topics))
	}
	if kept := b.cluster.LastSnapshot(); kept != after {
		t.Error("the older answer is kept")
	}
}
