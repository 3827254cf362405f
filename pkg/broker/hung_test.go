package broker

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// outageBound is when whoever asks is told that brokers do not answer (docs of the package say five seconds), and what a busy machine takes.
const outageBound = 6500 * time.Millisecond

// standing opens connections to all brokers for what is asked of any.
func standing(t *testing.T, b *bench, each int) {
	t.Helper()
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	for id := range d.Brokers {
		for range each {
			if _, err := transport.AskBroker(testContext(t), b.cluster.core, id, b.cluster.metadata.MetadataOf([]string{"orders"})); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// asks are what may be asked of a cluster that does not answer.
var asks = map[string]func(context.Context, *Cluster) error{
	"get":      func(ctx context.Context, c *Cluster) error { _, _, err := c.Topic(ctx, "orders"); return err },
	"missing":  func(ctx context.Context, c *Cluster) error { _, _, err := c.Topic(ctx, "nosuch"); return err },
	"by id":    func(ctx context.Context, c *Cluster) error { _, _, err := c.TopicByID(ctx, TopicID{9}); return err },
	"list":     func(ctx context.Context, c *Cluster) error { _, err := c.Snapshot(ctx, 0); return err },
	"opinions": func(ctx context.Context, c *Cluster) error { _, err := c.Opinions(ctx); return err },
	"offsets": func(ctx context.Context, c *Cluster) error {
		_, err := c.Offsets(ctx, "orders", ReadCommitted)
		return err
	},
}

// Brokers that hang take what is sent over connections that stand.
func TestAClusterThatHangsOnStandingConnectionsIsToldInTime(t *testing.T) {
	for mode, like := range map[string]func(*bench){"KRaft": likeKRaft, "ZooKeeper": func(*bench) {}} {
		for what, ask := range asks {
			t.Run(mode+" "+what, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
				like(b)
				standing(t, b, 2)
				b.network.set(func() {
					for _, addr := range b.kafka.ListenAddrs() {
						b.network.hung[addr] = true
					}
				})
				start := time.Now()
				err := ask(testContext(t), b.cluster)
				if took := time.Since(start); !kafkaerr.IsUnreachable(err) || took > outageBound {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
	}
}

// In ZooKeeper mode the controller alone answers some of it.
func TestAControllerThatHangsIsToldInTime(t *testing.T) {
	create := func(ctx context.Context, c *Cluster) error {
		_, err := c.CreateTopic(ctx, NewTopic{Name: "new", Partitions: 1, Replicas: 1}, false)
		return err
	}
	remove := func(ctx context.Context, c *Cluster) error { return c.DeleteTopic(ctx, TopicID{9}) }
	for what, ask := range map[string]func(context.Context, *Cluster) error{
		"create": create, "delete": remove, "get": asks["get"], "missing": asks["missing"], "by id": asks["by id"],
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			standing(t, b, 3)
			addr := b.controllerAddr(t)
			b.network.set(func() { b.network.hung[addr] = true })
			start := time.Now()
			err := ask(testContext(t), b.cluster)
			// That a write was sent and not answered is looked up, which takes its time.
			if took := time.Since(start); took > outageBound && !kafkaerr.IsUnknownOutcome(err) {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
}
