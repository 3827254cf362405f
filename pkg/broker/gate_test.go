package broker

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// doorman is a gate that admits one cluster.
type doorman struct {
	mu    sync.Mutex
	admit string
	asked []string
}

var errStranger = errors.New("that is somebody else's cluster")

func (d *doorman) Admit(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, id)
	if id != d.admit {
		return errStranger
	}
	return nil
}

func (d *doorman) set(admit string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.admit = admit
}

// recorded are the keys of the requests that a fake gets.
func recorded(kafka *kfake.Cluster) func() []int16 {
	var mu sync.Mutex
	var keys []int16
	kafka.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, request.Key())
		return nil, nil, false
	})
	return func() []int16 {
		mu.Lock()
		defer mu.Unlock()
		defer func() { keys = nil }()
		return keys
	}
}

// harmless are what a cluster may be asked before it is admitted.
func harmlessKeys(keys []int16) bool {
	return !slices.ContainsFunc(keys, func(key int16) bool {
		return key != int16(kmsg.ApiVersions) && key != int16(kmsg.DescribeCluster)
	})
}

// Nothing is asked of a cluster that is not admitted, and the error says why, whatever the call.
func TestAGateKeepsAClusterOut(t *testing.T) {
	b := newBench(t, Options{}, kfake.ClusterID("theirs"), kfake.SeedTopics(1, "orders"))
	keys := recorded(b.kafka)
	gate := &doorman{admit: "ours"}
	c := b.gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: b.kafka.ListenAddrs(), Gate: gate})
	ctx := testContext(t)
	for what, call := range map[string]func() error{
		"describe": func() error { _, err := c.Describe(ctx); return err },
		"topic":    func() error { _, _, err := c.Topic(ctx, "orders"); return err },
		"create": func() error {
			_, err := c.CreateTopic(ctx, NewTopic{Name: "new", Partitions: 1, Replicas: 1}, false)
			return err
		},
		"alter": func() error {
			return c.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": "1"}, nil, false)
		},
		"snapshot": func() error { _, err := c.Snapshot(ctx, 0); return err },
		"versions": func() error { _, err := c.BrokerVersions(ctx); return err },
	} {
		err := call()
		var refused *kafkaerr.NotAdmittedError
		if !errors.As(err, &refused) || !errors.Is(err, errStranger) || refused.ID != "theirs" || refused.Cluster != "ns/k" || kafkaerr.IsUnreachable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if got := keys(); !harmlessKeys(got) || len(got) == 0 {
		t.Errorf("the brokers were asked %v", got)
	}

	gate.set("theirs")
	if _, found, err := c.Topic(ctx, "orders"); err != nil || !found {
		t.Errorf("admitted: %v, %v", found, err)
	}
	// Connections that are open and were admitted once are asked about again.
	gate.set("ours")
	if _, _, err := c.Topic(ctx, "orders"); !errors.Is(err, errStranger) {
		t.Errorf("no longer admitted: %v", err)
	}
}

// A gate costs one request a connection, and none for what follows on it.
func TestAGateAsksOnceAConnection(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"))
	b.offers.Store(nil)
	keys := recorded(b.kafka)
	c := b.gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: b.kafka.ListenAddrs(), Gate: &doorman{admit: "ours"}})
	ctx := testContext(t)
	for range 10 {
		if _, _, err := c.Topic(ctx, "orders"); err != nil {
			t.Fatal(err)
		}
	}
	identified, connected := 0, 0
	for _, key := range keys() {
		switch key {
		case int16(kmsg.DescribeCluster):
			identified++
		case int16(kmsg.ApiVersions):
			connected++
		}
	}
	// sarama asks for the versions when it connects, and so does the gateway.
	if identified == 0 || identified*2 != connected {
		t.Errorf("%d questions for the id, %d for the versions", identified, connected)
	}
}

// Brokers can advertise whatever they like: what counts is who answers there.
func TestAGateIsBeforeAdvertisedAddresses(t *testing.T) {
	victim := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("victim"), kfake.SeedTopics(1, "orders"))
	d, err := victim.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	host, port := d.Brokers[0].Host, d.Brokers[0].Port
	attacker := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("attacker"))
	attacker.kafka.ControlKey(int16(kmsg.DescribeCluster), func(request kmsg.Request) (kmsg.Response, error, bool) {
		attacker.kafka.KeepControl()
		response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port = 7, host, port
		response.ClusterID, response.ControllerID, response.Brokers = "attacker", 7, append(response.Brokers, b)
		return response, nil, true
	})
	keys := recorded(victim.kafka)
	ctx := testContext(t)
	c := attacker.gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: attacker.kafka.ListenAddrs(), Gate: &doorman{admit: "attacker"}})
	if info, err := c.Describe(ctx); err != nil || len(info.Brokers) != 1 || info.Brokers[0].Port != port {
		t.Fatalf("%+v, %v", info, err)
	}
	versions, err := c.BrokerVersions(ctx)
	if err != nil || !errors.Is(versions[7].Err, errStranger) {
		t.Errorf("%+v, %v", versions, err)
	}
	offsets, err := c.OffsetsOf(ctx, Topic{Name: "orders", Partitions: []Partition{{ID: 0, Leader: 7}}}, ReadUncommitted)
	if err == nil {
		err = offsets[0].Err
	}
	if !errors.Is(err, errStranger) {
		t.Errorf("offsets: %+v, %v", offsets, err)
	}
	if got := keys(); !harmlessKeys(got) {
		t.Errorf("the victim was asked %v", got)
	}
}

// Releases without DescribeCluster tell their id with the metadata.
func TestAGateOfAnOldRelease(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"), kfake.MaxVersions(kversion.V2_7_0()))
	b.offers.Store(nil)
	gate := &doorman{admit: "ours"}
	c := b.gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: b.kafka.ListenAddrs(), Gate: gate})
	if _, found, err := c.Topic(testContext(t), "orders"); err != nil || !found {
		t.Errorf("%v, %v", found, err)
	}
	gate.set("other")
	if _, _, err := c.Topic(testContext(t), "orders"); !errors.Is(err, errStranger) {
		t.Error(err)
	}
}

// A stranger at one of the addresses keeps nobody from the cluster at the others, whether a connection to it is open or not.
func TestAStrangerAtOneAddress(t *testing.T) {
	stranger := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("theirs"))
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"))
	gate := &doorman{admit: "theirs"}
	at := Target{Key: "ns/k/uid", Bootstrap: stranger.kafka.ListenAddrs(), Gate: gate}
	if _, err := b.gateway.Cluster(at).Describe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	gate.set("ours")
	at.Bootstrap = append(slices.Clone(at.Bootstrap), b.kafka.ListenAddrs()...)
	c := b.gateway.Cluster(at)
	for range 3 {
		if _, found, err := c.Topic(testContext(t), "orders"); err != nil || !found {
			t.Errorf("%v, %v", found, err)
		}
	}
}

// A name that leads to a stranger may lead to the right cluster again: a connection that was turned away is not kept for long.
func TestAConnectionThatWasTurnedAwayIsOpenedAnew(t *testing.T) {
	stranger := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("theirs"))
	ours := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"))
	var lead atomic.Value
	lead.Store(stranger.kafka.ListenAddrs()[0])
	clock := clocktesting.NewFakeClock(time.Now())
	gateway := New(Options{Clock: clock, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "name:9092" {
			address = lead.Load().(string)
		}
		return Dial(ctx, network, address)
	}})
	c := gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: []string{"name:9092"}, Gate: &doorman{admit: "ours"}})
	t.Cleanup(c.close)
	if _, _, err := c.Topic(testContext(t), "orders"); !errors.Is(err, errStranger) {
		t.Fatal(err)
	}
	lead.Store(ours.kafka.ListenAddrs()[0])
	clock.Step(transport.RefusedTTL)
	if _, found, err := c.Topic(testContext(t), "orders"); err != nil || !found {
		t.Errorf("the name leads to the right cluster: %v, %v", found, err)
	}
}

// Who puts a gate before a cluster that others use without one keeps them out too, also on connections that are open.
func TestAGateThatComesLater(t *testing.T) {
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("theirs"), kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	if _, _, err := b.cluster.Topic(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	target := Target{Key: b.cluster.Key(), Bootstrap: b.kafka.ListenAddrs(), Gate: &doorman{admit: "ours"}}
	b.gateway.Cluster(target)
	target.Gate = nil
	if _, _, err := b.gateway.Cluster(target).Topic(ctx, "orders"); !errors.Is(err, errStranger) {
		t.Error(err)
	}
}

// A reading that lasts ends when its cluster is admitted no longer, and says why.
func TestAReadingEndsAtTheGate(t *testing.T) {
	b := newBench(t, Options{}, kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"))
	gate := &doorman{admit: "ours"}
	c := b.gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: b.kafka.ListenAddrs(), Gate: gate})
	mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 1)...)
	topic, what := wholeTopic(t, b, "orders")
	got := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- c.Read(testContext(t), topic, Reading{From: what.From}, got) }()
	eventually(t, "the record is read", func() bool { return got.count() == 1 })
	gate.set("theirs")
	if err := <-ended; !kafkaerr.IsNotAdmitted(err) || !errors.Is(err, errStranger) {
		t.Errorf("got %v", err)
	}
}

// A broker falls silent, and the name that it is reached by leads to another cluster meanwhile. That this one answers does not make a request wait for
// the other, and a write that was sent to the other is of unknown outcome.
func TestABrokerWhoseNameLeadsElsewhereIsGone(t *testing.T) {
	stranger := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("theirs"))
	ours := newBench(t, Options{}, kfake.NumBrokers(1), kfake.ClusterID("ours"), kfake.SeedTopics(1, "orders"))
	var lead atomic.Value
	ourAddress := ours.kafka.ListenAddrs()[0]
	lead.Store(ourAddress)
	gateway := New(Options{stallAfter: 50 * time.Millisecond, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == ourAddress {
			if address = lead.Load().(string); address == ourAddress {
				return ours.network.dial(ctx, network, address)
			}
		}
		return Dial(ctx, network, address)
	}})
	c := gateway.Cluster(Target{Key: "ns/k/uid", Bootstrap: []string{ourAddress}, Gate: &doorman{admit: "ours"}})
	t.Cleanup(c.close)
	_, found, err := c.Topic(testContext(t), "orders")
	if err != nil || !found {
		t.Fatal(err)
	}
	alter := func() error {
		return c.AlterTopicConfig(testContext(t), "orders", map[string]string{"retention.ms": "1000"}, nil, false)
	}
	if err := alter(); err != nil {
		t.Fatal(err)
	}
	ours.network.set(func() { ours.network.hung[ourAddress] = true })
	lead.Store(stranger.kafka.ListenAddrs()[0])
	var read, wrote error
	took := timed(func() {
		var asking sync.WaitGroup
		asking.Go(func() { _, _, read = c.Topic(testContext(t), "orders") })
		asking.Go(func() { wrote = alter() })
		asking.Wait()
	})
	if read == nil || took > 15*time.Second {
		t.Errorf("after %v: %v", took, read)
	}
	if !kafkaerr.IsUnknownOutcome(wrote) {
		t.Errorf("a write that was sent: %v", wrote)
	}
}
