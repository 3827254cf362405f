package broker

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// soonEnough is when a cluster that is away has to be known to be: the API has six seconds to say so.
const soonEnough = 5500 * time.Millisecond

func TestADeadlineIsHonoured(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Cluster) error{
		"by sarama": func(ctx context.Context, c *Cluster) error { _, err := c.Topics(ctx, "orders"); return err },
		"by kmsg":   func(ctx context.Context, c *Cluster) error { _, err := c.TopicConfig(ctx, "orders"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			if err := call(testContext(t), b.cluster); err != nil {
				t.Fatal(err)
			}
			b.network.set(func() {
				b.network.rule = func(_ string, key int16) verdict {
					if key == int16(kmsg.ApiVersions) {
						return pass
					}
					return holdAnswer
				}
			})
			const patience = 700 * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			var err error
			if took := timed(func() { err = call(ctx, b.cluster) }); took > patience+noticeable {
				t.Errorf("ended after %v, deadline %v", took, patience)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the deadline", err)
			}
			// The connection that timed out is not used again: it would answer the old question.
			b.network.set(func() { b.network.rule = nil })
			if err := call(testContext(t), b.cluster); err != nil {
				t.Errorf("after a timeout: %v", err)
			}
		})
	}
}

func TestCancellationIsHonoured(t *testing.T) {
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { _, err := b.cluster.Topics(ctx, "orders"); ended <- err }()
	<-held
	var err error
	took := timed(func() {
		cancel()
		err = <-ended
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
	if took > noticeable {
		t.Errorf("ended %v after the cancellation", took)
	}
}

func TestADeadClusterIsSaidToBeSoonEnough(t *testing.T) {
	for name, bootstrap := range map[string][]string{
		"refused":          {"refused:9092"},
		"lost":             {"lost-1:9092"},
		"several lost":     {"lost-1:9092", "lost-2:9092", "lost-3:9092", "lost-4:9092", "lost-5:9092", "refused:9092"},
		"accepts and hung": {"hung-1:9092", "hung-2:9092"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				switch {
				case strings.HasPrefix(addr, "lost"):
					<-ctx.Done()
					return nil, ctx.Err()
				case strings.HasPrefix(addr, "hung"):
					ours, theirs := net.Pipe()
					context.AfterFunc(t.Context(), func() { theirs.Close() })
					go func() {
						buf := make([]byte, 1024)
						for {
							if _, err := theirs.Read(buf); err != nil {
								return
							}
						}
					}()
					return ours, nil
				}
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			c := New(Options{Dial: dial, NegativeTTL: time.Minute}).Cluster(Target{Key: "ns/dead/1", Bootstrap: bootstrap})
			var err error
			took := timed(func() { _, err = c.Describe(context.Background()) })
			if !kafkaerr.IsUnreachable(err) || !strings.Contains(err.Error(), "ns/dead") {
				t.Errorf("error %v, want unreachable, naming the cluster", err)
			}
			if took > soonEnough {
				t.Errorf("took %v", took)
			}
			// The next caller gets the same verdict at once: to dial anew would take three seconds.
			took = timed(func() { _, err = c.Snapshot(context.Background(), 0) })
			if !kafkaerr.IsUnreachable(err) || took > 2*time.Second {
				t.Errorf("the second verdict took %v: %v", took, err)
			}
		})
	}
}

func TestOneLiveBootstrapServerIsFoundAmongDeadOnes(t *testing.T) {
	b := newBench(t, Options{})
	live := b.kafka.ListenAddrs()[0]
	b.network.set(func() {
		for _, addr := range []string{"lost-1:1", "lost-2:1", "lost-3:1"} {
			b.network.lost[addr] = true
		}
	})
	c := b.gateway.Cluster(Target{Key: "ns/other/1", Bootstrap: []string{"lost-1:1", "lost-2:1", "lost-3:1", live}})
	var err error
	took := timed(func() { _, err = c.Describe(testContext(t)) })
	if err != nil || took > 2*time.Second {
		t.Errorf("took %v: %v", took, err)
	}
}

func TestAHungClusterIsSaidToBeSoonEnough(t *testing.T) {
	b := newBench(t, Options{})
	if _, err := b.cluster.Describe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	// The connections stay open, as when a process is stopped or a node loses power.
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.hung[addr] = true
		}
	})
	var err error
	took := timed(func() { _, err = b.cluster.Topics(context.Background(), "orders") })
	if !kafkaerr.IsUnreachable(err) || took > soonEnough {
		t.Errorf("after %v: %v", took, err)
	}
	b.network.set(func() { clear(b.network.hung) })
	eventually(t, "the cluster answers again", func() bool {
		_, err := b.cluster.Topics(testContext(t), "orders")
		return err == nil
	})
}

// Who finds the controller silent asks the others who it is now, and they are silent, too.
func TestTheControllerAndTheOthersHaveOneVerdict(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := b.mustTopic(t, "orders")
	b.each(func(addr string) { b.network.lost[addr] = true })
	var err error
	took := timed(func() { err = b.cluster.DeleteTopic(context.Background(), topic.ID) })
	if !kafkaerr.IsUnreachable(err) || took > soonEnough {
		t.Errorf("after %v: %v", took, err)
	}
	// What was given up is asked anew.
	b.network.set(func() { clear(b.network.lost) })
	eventually(t, "the topic is deleted", func() bool { return b.cluster.DeleteTopic(testContext(t), topic.ID) == nil })
}

func TestAHungBrokerIsLeftForAnother(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(6, "orders"))
	ctx := testContext(t)
	orders, _, err := b.cluster.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	hung := b.cluster.core.Preferred
	b.network.set(func() { b.network.hung[hung] = true })
	took := timed(func() { _, err = b.cluster.Topics(ctx, "orders") })
	if err != nil || took > 2*transport.StallAfter {
		t.Errorf("topics took %v: %v", took, err)
	}
	// A partial answer: the partitions led by the hung broker have an error, the others have offsets.
	offsets, err := b.cluster.OffsetsOf(ctx, orders, ReadUncommitted)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range orders.Partitions {
		o := offsets[p.ID]
		led := b.cluster.core.Dir.Brokers[p.Leader].Address() == hung
		if led != (o.Err != nil) {
			t.Errorf("partition %d, led by the hung broker: %v, its offsets: %+v", p.ID, led, o)
		}
	}
}

func TestAStalledBrokerDelaysNoOther(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(6, "orders"))
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	stalled := b.cluster.core.Dir.Brokers[0].Address()
	b.network.set(func() {
		b.network.rule = func(addr string, key int16) verdict {
			if addr == stalled && key == int16(kmsg.DescribeLogDirs) {
				return holdAnswer
			}
			return pass
		}
	})
	bulk, cancel := context.WithCancel(ctx)
	defer cancel()
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() { _ = sizeOnBroker(bulk, b.cluster, 0) })
	}
	eventually(t, "the slow request is under way", func() bool { return b.network.requests(int16(kmsg.DescribeLogDirs)) > 0 })
	quick := func(what string, call func() error) {
		var err error
		if took := timed(func() { err = call() }); err != nil || took > noticeable {
			t.Errorf("%s beside a stalled broker: %v, %v", what, took, err)
		}
	}
	quick("topics", func() error { _, err := b.cluster.Topics(ctx, "orders"); return err })
	quick("sizes of another broker", func() error { return sizeOnBroker(ctx, b.cluster, 1) })
	quick("offsets, the stalled broker's too", func() error { _, err := b.cluster.Offsets(ctx, "orders", ReadUncommitted); return err })
	other := b.gateway.Cluster(Target{Key: "ns/other/1", Bootstrap: b.kafka.ListenAddrs()})
	quick("another cluster", func() error { _, err := other.Describe(ctx); return err })
	cancel()
	waiting.Wait()
}

// sizeOnBroker asks one broker for sizes on disk.
func sizeOnBroker(ctx context.Context, c *Cluster, id int32) error {
	_, err := c.brokers.Sized.Submit(ctx, id, map[string][]int32{"orders": {0}}).Wait(ctx)
	return err
}

func TestABrokenConnectionIsReplaced(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	for range 3 {
		if _, err := b.cluster.Describe(ctx); err != nil {
			t.Fatal(err)
		}
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.cutAll(addr)
		}
	}
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Errorf("a write after the connections broke: %v", err)
	}
}

func TestAnIdleConnectionIsReopened(t *testing.T) {
	clk := newFakeClock()
	opts := unhurried
	opts.Clock = clk
	b := newBench(t, opts)
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	dials := b.network.dials.Load()
	if _, err := b.cluster.Describe(ctx); err != nil || b.network.dials.Load() != dials {
		t.Errorf("a second call dialled again: %v", err)
	}
	clk.Step(transport.MaxIdle)
	if _, err := b.cluster.Describe(ctx); err != nil || b.network.dials.Load() == dials {
		t.Errorf("a connection idle for %v was used again: %v", transport.MaxIdle, err)
	}
}

func TestNotController(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.NotController, Count: 2})
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Errorf("create past two NOT_CONTROLLERs: %v", err)
	}
	// The gateway's idea of the controller is wrong.
	d, err := b.cluster.core.Directory(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	wrong := *d
	wrong.Controller = (d.Controller + 1) % 3
	b.cluster.core.Learn(wrong)
	if err := b.cluster.CreatePartitions(ctx, "orders", 2, nil, false); err != nil {
		t.Errorf("grow through the wrong broker: %v", err)
	}
}

func TestThrottlingIsAnError(t *testing.T) {
	b := newBench(t, Options{})
	ctx := testContext(t)
	if _, err := b.cluster.Describe(ctx); err != nil {
		t.Fatal(err)
	}
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		resp.ThrottleMillis = 7000
		topic := kmsg.NewCreateTopicsResponseTopic()
		topic.Topic, topic.ErrorCode = "orders", kafkaerr.ThrottlingQuotaExceeded
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	for range 2 { // the broker's own refusal, then ours while it throttles the connection
		var err error
		took := timed(func() {
			_, err = b.cluster.CreateTopic(ctx, NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false)
		})
		var refusal *kafkaerr.Error
		if !errors.As(err, &refusal) || refusal.Code != kafkaerr.ThrottlingQuotaExceeded || refusal.RetryAfter < 6*time.Second {
			t.Errorf("error %v, want THROTTLING_QUOTA_EXCEEDED and its time", err)
		}
		if took > time.Second {
			t.Errorf("took %v", took)
		}
	}
	if _, err := b.cluster.Topics(ctx, "orders"); err != nil {
		t.Errorf("reads in another lane: %v", err)
	}
}

// What brokers ask to wait is bounded, too.
func TestAnAskedPauseIsBounded(t *testing.T) {
	for asked, want := range map[int32]int32{-5: 1, 0: 1, 7000: 7, 2147483647: 300} {
		refusal := kafkaerr.New("create topic", "orders", kafkaerr.ThrottlingQuotaExceeded, nil, wire.Millis(asked))
		if got := int32(kafkaerr.RetryAfter(refusal).Seconds()); got != want {
			t.Errorf("asked to wait %d ms: %d s, want %d", asked, got, want)
		}
	}
	if got := kafkaerr.RetryAfter(kafkaerr.New("create topic", "orders", kafkaerr.PolicyViolation, nil, wire.Millis(7000))); got != 0 {
		t.Errorf("a refusal for good is tried again after %v", got)
	}
}
