//go:build integration

package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// own is a gateway of its own to a real cluster, over a network that counts requests.
func (r realCluster) own(t *testing.T, opts Options) (*network, *Cluster) {
	t.Helper()
	n := newNetwork(t)
	opts.Dial = n.dial
	gateway := New(opts)
	c := gateway.Cluster(Target{Key: "it/own/" + t.Name(), Bootstrap: r.process.Bootstrap()})
	t.Cleanup(func() { gateway.Forget(c.Key()) })
	return n, c
}

// named asks Kafka's own tool for the topics that begin with a prefix.
func (r realCluster) named(t *testing.T, prefix string) int {
	t.Helper()
	// Brokers that have just been told to delete many topics are slow.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := r.process.Tool(ctx, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", r.process.Bootstrap()[0], "--list")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, line := range strings.Fields(string(out)) {
		if strings.HasPrefix(line, prefix) {
			found++
		}
	}
	return found
}

// seen waits until each broker by itself knows of so many topics that begin with a prefix: they hear of new ones one after the other.
func (r realCluster) seen(t *testing.T, prefix string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, addr := range r.process.Bootstrap() {
		client, err := kgo.NewClient(kgo.SeedBrokers(addr))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		eventually(t, fmt.Sprintf("the broker at %s has %d topics", addr, want), func() bool {
			answer, err := client.SeedBrokers()[0].RetriableRequest(ctx, kmsg.NewPtrMetadataRequest())
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, topic := range answer.(*kmsg.MetadataResponse).Topics {
				if strings.HasPrefix(*topic.Topic, prefix) {
					found++
				}
			}
			return found == want
		})
	}
}

func TestRealManyCreatesAndDeletes(t *testing.T) {
	const topics, wrong = 500, 250
	forEachCluster(t, func(t *testing.T, r realCluster) {
		n, c := r.own(t, Options{})
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		if _, err := c.Describe(ctx); err != nil {
			t.Fatal(err)
		}
		base := topicName(t)
		ids := make([]TopicID, topics)
		together := func(what string, key kmsg.Key, act func(i int) error) {
			before := n.requests(int16(key))
			start := time.Now()
			var callers sync.WaitGroup
			for i := range topics {
				callers.Go(func() {
					if err := act(i); err != nil {
						t.Errorf("%s %d: %v", what, i, err)
					}
				})
			}
			callers.Wait()
			sent := n.requests(int16(key)) - before
			t.Logf("%s: %d calls in %v with %d requests", what, topics, time.Since(start).Round(time.Millisecond), sent)
			if sent > topics/10 {
				t.Errorf("%s: %d requests for %d calls", what, sent, topics)
			}
		}
		together("create", kmsg.CreateTopics, func(i int) error {
			topic := NewTopic{Name: fmt.Sprintf("%s-%d", base, i), Partitions: 1, Replicas: 1, Config: map[string]string{"retention.ms": fmt.Sprint(60_000 + i)}}
			if i == wrong {
				topic.Replicas = 9
			}
			created, err := c.CreateTopic(ctx, topic, false)
			if i == wrong {
				if kafkaerr.CodeOf(err) != 38 || !strings.Contains(err.Error(), topic.Name) {
					return fmt.Errorf("%w, want INVALID_REPLICATION_FACTOR of %s", err, topic.Name)
				}
				return nil
			}
			ids[i] = created.ID
			return err
		})
		// A broker that has not heard of a topic is asked again, which would count as more requests below.
		r.seen(t, base, topics-1)
		if found := r.named(t, base); found != topics-1 {
			t.Errorf("%d topics on the brokers, want %d", found, topics-1)
		}
		together("describe", kmsg.Metadata, func(i int) error {
			topic, found, err := c.Topic(ctx, fmt.Sprintf("%s-%d", base, i))
			if err == nil && (found == (i == wrong) || topic.ID != ids[i]) {
				return fmt.Errorf("found %v, %+v", found, topic)
			}
			return err
		})
		together("configuration", kmsg.DescribeConfigs, func(i int) error {
			if i == wrong {
				return nil
			}
			config, err := c.TopicConfig(ctx, fmt.Sprintf("%s-%d", base, i))
			if got := metadata.TopicValues(config)["retention.ms"]; err == nil && got != fmt.Sprint(60_000+i) {
				return fmt.Errorf("retention.ms is %q", got)
			}
			return err
		})
		together("grow", kmsg.CreatePartitions, func(i int) error {
			if i == wrong {
				return nil
			}
			return c.CreatePartitions(ctx, fmt.Sprintf("%s-%d", base, i), 2, nil, false)
		})
		together("delete", kmsg.DeleteTopics, func(i int) error {
			if i == wrong {
				return nil
			}
			return c.DeleteTopic(ctx, ids[i])
		})
		for left := topics; left > 0; {
			if left = r.named(t, base); left > 0 && c.core.Pause(ctx, time.Second) != nil {
				t.Fatalf("%d topics are still there", left)
			}
		}
	})
}

// A controller quota refuses some of a batch; those are 429 with the time to wait, and the others are created.
func TestRealControllerQuota(t *testing.T) {
	const client = "it-throttled"
	forEachCluster(t, func(t *testing.T, r realCluster) {
		quota := func(change ...string) {
			t.Helper()
			args := append([]string{"--bootstrap-server", r.process.Bootstrap()[0], "--alter", "--entity-type", "clients", "--entity-name", client}, change...)
			if out, err := r.process.Tool(testContext(t), "kafka.admin.ConfigCommand", args...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		quota("--add-config", "controller_mutation_rate=1")
		t.Cleanup(func() { quota("--delete-config", "controller_mutation_rate") })
		_, c := r.own(t, Options{ClientID: client})
		base := topicName(t)
		created, throttled := map[string]TopicID{}, map[string]error{}
		var mu sync.Mutex
		round := 0
		eventually(t, "the quota refuses some and not all of a batch", func() bool {
			round++
			clear(throttled)
			done := 0
			var callers sync.WaitGroup
			for i := range 20 {
				name := fmt.Sprintf("%s-%d-%d", base, round, i)
				callers.Go(func() {
					made, err := c.CreateTopic(testContext(t), NewTopic{Name: name, Partitions: 5, Replicas: 1}, false)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						created[name] = made.ID
						done++
					case kafkaerr.CodeOf(err) == kafkaerr.ThrottlingQuotaExceeded:
						throttled[name] = err
					default:
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			callers.Wait()
			return len(throttled) > 0 && len(created) > 0
		})
		t.Logf("round %d: %d created in all, %d of 20 refused", round, len(created), len(throttled))
		for name, err := range throttled {
			var refusal *kafkaerr.Error
			if !errors.As(err, &refusal) || refusal.Object != name || kafkaerr.ClassOf(refusal.Code) != kafkaerr.Throttled || kafkaerr.RetryAfter(err) < time.Second {
				t.Errorf("%s: %v, want that it is throttled, and for how long", name, err)
			}
		}
		r.seen(t, base, len(created))
		if found := r.named(t, base); found != len(created) {
			t.Errorf("%d topics on the brokers, %d were reported created", found, len(created))
		}
		// Other clients are not throttled.
		for name, id := range created {
			if err := r.cluster.DeleteTopic(testContext(t), id); err != nil {
				t.Errorf("delete %s: %v", name, err)
			}
		}
	})
}

// One of three brokers is frozen with the connections that writes went over. What it had taken is lost or unknown; what comes later
// goes over another broker, and neither waits for the frozen one to be given up.
func TestRealFrozenBrokerHoldsUpNoCreates(t *testing.T) {
	r := realCluster{name: "KRaft", kraft: true, process: startReal(t, true)}
	n, c := r.own(t, Options{})
	r.cluster = c
	base := topicName(t)
	create := func(ctx context.Context, name string) error {
		_, err := c.CreateTopic(ctx, NewTopic{Name: name, Partitions: 1, Replicas: 1}, true)
		return err
	}
	frozen := (controllerID(t, r) + 1) % 3
	c.core.Prefer(r.process.Broker(frozen).Addr)
	if err := create(testContext(t), base+"-warm"); err != nil {
		t.Fatal(err)
	}
	if err := r.process.Broker(frozen).Suspend(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.process.Broker(frozen).Resume(); err != nil {
			t.Error(err)
		}
		whole(t, r)
	})
	before := n.requests(int16(kmsg.CreateTopics))
	var caught sync.WaitGroup
	caught.Go(func() { _ = create(testContext(t), base+"-caught") })
	eventually(t, "a request is with the frozen broker", func() bool { return n.requests(int16(kmsg.CreateTopics)) > before })
	for wave := range 4 {
		start := time.Now()
		var callers sync.WaitGroup
		for i := range 25 {
			callers.Go(func() {
				if err := create(testContext(t), fmt.Sprintf("%s-%d-%d", base, wave, i)); err != nil {
					t.Errorf("wave %d: %v", wave, err)
				}
			})
		}
		callers.Wait()
		took := time.Since(start)
		t.Logf("wave %d: %v", wave, took.Round(time.Millisecond))
		// The frozen broker is given up after four seconds.
		if took > 3500*time.Millisecond {
			t.Errorf("wave %d took %v", wave, took)
		}
	}
	caught.Wait()
}
