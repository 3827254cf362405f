package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// noticeable is what a busy machine may add to a call, and far less than what a sick broker does.
const noticeable = 500 * time.Millisecond

// neighbour is another cluster of the same gateway, with brokers of its own.
func (b *bench) neighbour(t *testing.T) *Cluster {
	t.Helper()
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	c := b.gateway.Cluster(Target{Key: "streams/neighbour/uid-2", Bootstrap: kafka.ListenAddrs()})
	if _, err := c.Describe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// worst is the longest of some reads and writes, one after the other.
func worst(t *testing.T, c *Cluster, name string) time.Duration {
	t.Helper()
	ctx := testContext(t)
	var longest time.Duration
	for i := range 20 {
		topic := NewTopic{Name: fmt.Sprintf("%s-%d", name, i), Partitions: 1, Replicas: 1}
		for _, act := range []func() error{
			func() error { _, err := c.CreateTopic(ctx, topic, true); return err },
			func() error { _, err := c.CreateTopic(ctx, topic, false); return err },
			func() error { _, _, err := c.Topic(ctx, topic.Name); return err },
			func() error { _, err := c.Offsets(ctx, "orders", ReadUncommitted); return err },
			func() error { _, err := c.Snapshot(ctx, 0); return err },
		} {
			longest = max(longest, timed(func() {
				if err := act(); err != nil {
					t.Error(err)
				}
			}))
		}
	}
	return longest
}

func TestASickClusterDelaysNoOther(t *testing.T) {
	for name, sicken := range map[string]func(*bench){
		"dead":        func(b *bench) { b.each(func(addr string) { b.network.dead[addr] = true }) },
		"partitioned": func(b *bench) { b.each(func(addr string) { b.network.lost[addr] = true }) },
		"hung": func(b *bench) {
			b.network.set(func() { b.eachLocked(func(addr string) { b.network.hung[addr] = true }) })
		},
		"never answers": func(b *bench) { b.holding(kmsg.CreateTopics, kmsg.Metadata, kmsg.ListOffsets) },
		"throttling": func(b *bench) {
			b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
				resp.ThrottleMillis = 60_000
				for _, asked := range req.(*kmsg.CreateTopicsRequest).Topics {
					topic := kmsg.NewCreateTopicsResponseTopic()
					topic.Topic, topic.ErrorCode = asked.Topic, kafkaerr.ThrottlingQuotaExceeded
					resp.Topics = append(resp.Topics, topic)
				}
				return resp, nil, true
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
			b.warm(t)
			other := b.neighbour(t)
			alone := worst(t, other, "alone")
			sicken(b)
			ctx, cancel := context.WithCancel(testContext(t))
			var waiting sync.WaitGroup
			for i := range 200 {
				waiting.Go(func() {
					_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: fmt.Sprintf("topic-%d", i), Partitions: 1, Replicas: 1}, false)
					if err == nil {
						t.Error("a create on the sick cluster succeeded")
					}
				})
				waiting.Go(func() { _, _ = b.cluster.Offsets(ctx, "orders", ReadUncommitted) })
			}
			beside := worst(t, other, "beside")
			cancel()
			waiting.Wait()
			t.Logf("the longest call took %v alone, %v beside the sick cluster", alone, beside)
			if beside > alone+noticeable {
				t.Errorf("the longest call took %v beside the sick cluster, %v alone", beside, alone)
			}
		})
	}
}

// each changes the network for all brokers, and cuts what is open.
func (b *bench) each(change func(addr string)) {
	b.network.set(func() { b.eachLocked(change) })
	for _, addr := range b.kafka.ListenAddrs() {
		b.network.cutAll(addr)
	}
}

func (b *bench) eachLocked(change func(addr string)) {
	for _, addr := range b.kafka.ListenAddrs() {
		change(addr)
	}
}

// holding keeps the brokers' answers to requests of some types.
func (b *bench) holding(keys ...kmsg.Key) {
	b.network.set(func() {
		b.network.rule = func(addr string, key int16) verdict {
			if slices.Contains(keys, kmsg.Key(key)) && slices.Contains(b.kafka.ListenAddrs(), addr) {
				return holdAnswer
			}
			return pass
		}
	})
}

// One of three brokers hangs with its connections open, in KRaft mode where each takes writes: what is in flight with it is lost, and
// nothing that comes later waits for it.
func TestAHungBrokerHoldsUpNoLaterWrites(t *testing.T) {
	b := newBench(t, Options{})
	likeKRaft(b)
	ctx := b.warm(t)
	// Only one fake broker takes writes; the answers of the others are made up here, as KRaft brokers forward to the controller.
	b.kafka.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, asked := range req.(*kmsg.CreateTopicsRequest).Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.TopicID, topic.NumPartitions, topic.ReplicationFactor = asked.Topic, [16]byte{1}, 1, 1
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	if _, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "first", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	hung := b.cluster.core.Preferred
	b.network.set(func() { b.network.hung[hung] = true })
	before := b.network.requests(int16(kmsg.CreateTopics))
	var caught sync.WaitGroup
	caught.Go(func() {
		_, _ = b.cluster.CreateTopic(ctx, NewTopic{Name: "caught", Partitions: 1, Replicas: 1}, false)
	})
	eventually(t, "a write hangs", func() bool { return b.network.requests(int16(kmsg.CreateTopics)) > before })
	for i := range 5 {
		var err error
		took := timed(func() {
			_, err = b.cluster.CreateTopic(ctx, NewTopic{Name: fmt.Sprintf("topic-%d", i), Partitions: 1, Replicas: 1}, false)
		})
		// The first of them finds out, in a second, that the one in flight is late; four are what that one takes.
		if err != nil || took > 2750*time.Millisecond || i > 0 && took > transport.HedgeDelay+noticeable {
			t.Errorf("write %d took %v: %v", i, took, err)
		}
	}
	caught.Wait()
}

func TestAThrottledLaneIsAloneInThat(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	b.createsWith(func(string) (int16, string) { return kafkaerr.ThrottlingQuotaExceeded, "" }, 30*time.Second)
	for topic, err := range b.createTogether(t, 20) {
		var refusal *kafkaerr.Error
		if !errors.As(err, &refusal) || refusal.Code != kafkaerr.ThrottlingQuotaExceeded || refusal.Object != topic || refusal.RetryAfter != 30*time.Second {
			t.Errorf("%s: %v", topic, err)
		}
	}
	// While the broker throttles the connection, writes are told so without asking, each by its own name.
	took := timed(func() {
		for topic, err := range b.createTogether(t, 20) {
			var refusal *kafkaerr.Error
			if !errors.As(err, &refusal) || refusal.Code != kafkaerr.ThrottlingQuotaExceeded || refusal.Object != topic || refusal.RetryAfter < 20*time.Second {
				t.Errorf("%s: %v", topic, err)
			}
		}
		for name, read := range map[string]func() error{
			"topic":         func() error { _, _, err := b.cluster.Topic(ctx, "orders"); return err },
			"configuration": func() error { _, err := b.cluster.TopicConfig(ctx, "orders"); return err },
			"offsets":       func() error { _, err := b.cluster.Offsets(ctx, "orders", ReadUncommitted); return err },
			"sizes":         func() error { _, err := b.cluster.LogDirs(ctx, "orders"); return err },
			"snapshot":      func() error { _, err := b.cluster.Snapshot(ctx, 0); return err },
		} {
			if err := read(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	if took > time.Second {
		t.Errorf("took %v", took)
	}
}

// A topic that only the controller could tell of is waited for by those who ask for it, not by others.
func TestWhoAsksTheControllerWaitsAlone(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := b.warm(t)
	controller := b.controllerAddr(t)
	b.network.set(func() { b.network.hung[controller] = true })
	for _, broker := range b.cluster.core.Dir.Brokers {
		if broker.Address() != controller {
			b.cluster.core.Prefer(broker.Address())
		}
	}
	impatient, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() { _, _ = b.cluster.Topics(impatient, fmt.Sprintf("nobody-%d", i), "orders") })
	}
	eventually(t, "the controller is asked", func() bool {
		c := b.cluster.metadata.ControllerTopics
		c.Mu.Lock()
		defer c.Mu.Unlock()
		return c.Running > 0
	})
	var found bool
	var err error
	took := timed(func() { _, found, err = b.cluster.Topic(ctx, "orders") })
	if !found || err != nil || took > noticeable {
		t.Errorf("a topic that is known took %v: %v %v", took, found, err)
	}
	cancel()
	waiting.Wait()
}

// In ZooKeeper mode a controller that has just taken over has read of all topics, and as a broker hears of them a moment later.
func TestANewControllerIsNotBelievedAtOnce(t *testing.T) {
	for name, look := range map[string]func(context.Context, *Cluster, Topic) (bool, error){
		"by name": func(ctx context.Context, c *Cluster, topic Topic) (bool, error) {
			_, found, err := c.Topic(ctx, topic.Name)
			return found, err
		},
		"by id": func(ctx context.Context, c *Cluster, topic Topic) (bool, error) {
			_, found, err := c.TopicByID(ctx, topic.ID)
			return found, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			ctx := b.warm(t)
			orders := mustTopic(t, b, "orders")
			d := *b.cluster.core.Dir
			wrong := d
			wrong.Controller = (d.Controller + 1) % 3
			b.cluster.core.Learn(wrong)
			// Its first answers, and those of the broker that was asked before it.
			answers := 0
			b.kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				if answers++; answers > 4 {
					return nil, nil, false
				}
				resp := req.ResponseKind().(*kmsg.MetadataResponse)
				resp.ControllerID = d.Controller
				for id, broker := range d.Brokers {
					r := kmsg.NewMetadataResponseBroker()
					r.NodeID, r.Host, r.Port = id, broker.Host, broker.Port
					resp.Brokers = append(resp.Brokers, r)
				}
				for _, asked := range req.(*kmsg.MetadataRequest).Topics {
					topic := kmsg.NewMetadataResponseTopic()
					topic.Topic, topic.TopicID, topic.ErrorCode = asked.Topic, asked.TopicID, kafkaerr.UnknownTopicOrPartition
					resp.Topics = append(resp.Topics, topic)
				}
				return resp, nil, true
			})
			if found, err := look(ctx, b.cluster, orders); !found || err != nil {
				t.Errorf("found %v, %v", found, err)
			}
			if answers < 5 {
				t.Errorf("the topic was looked for %d times", answers)
			}
		})
	}
}
