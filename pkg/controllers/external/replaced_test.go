package external

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// names lead to brokers, and to others tomorrow.
type names struct {
	mu   sync.Mutex
	lead map[string]string
}

func (n *names) move(name, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lead[name] = to
}

func (n *names) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	to, is := n.lead[address]
	n.mu.Unlock()
	switch {
	case is && to == "":
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	case is:
		address = to
	}
	return broker.Dial(ctx, network, address)
}

// watched is an external Kafka that a controller looks at.
type watched struct {
	*names
	t          *testing.T
	controller *Controller
	clock      *clocktesting.FakeClock
	kafka      *v1beta1.Kafka
}

func watch(t *testing.T, servers ...string) *watched {
	t.Helper()
	w := &watched{names: &names{lead: map[string]string{}}, t: t, clock: clocktesting.NewFakeClock(begin), kafka: newKafka()}
	w.kafka.Spec.External.BootstrapServers = servers
	gateway := broker.New(broker.Options{Clock: w.clock, Dial: w.dial})
	var err error
	w.controller, err = New(Config{Kafka: fake.NewClientset(), Clock: w.clock, Connect: func(at broker.Target) Cluster { return gateway.Cluster(at) }, Disconnect: gateway.Forget})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// newBrokers starts a cluster of one broker, and returns its address.
func newBrokers(t *testing.T, id string) string {
	t.Helper()
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID(id))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	return brokers.ListenAddrs()[0]
}

// look has the controller look at the Kafka, and expects what the status says then.
func (w *watched) look(ready, degraded, message string, answering int32) {
	w.t.Helper()
	at, _ := w.controller.targets.Of(w.kafka)
	at.Key += "/observer"
	if at.Gate == nil {
		at.Gate = anyCluster{}
	}
	answer, err := w.controller.ask(w.t.Context(), w.kafka, at)
	w.kafka.Status = status(w.kafka, answer, err, w.clock.Now())
	said := map[string]string{}
	for _, kind := range []string{v1beta1.ConditionReady, v1beta1.ConditionDegraded} {
		condition := meta.FindStatusCondition(w.kafka.Status.Conditions, kind)
		said[kind] = string(condition.Status) + " " + condition.Reason
		if condition.Status == metav1.ConditionTrue == (kind == v1beta1.ConditionDegraded) && condition.Message != message {
			w.t.Errorf("%s says %q, want %q", kind, condition.Message, message)
		}
	}
	if said[v1beta1.ConditionReady] != ready || said[v1beta1.ConditionDegraded] != degraded || w.kafka.Status.Brokers.Ready != answering {
		w.t.Errorf("%d brokers answer, %v, want %d, %s and %s", w.kafka.Status.Brokers.Ready, said, answering, ready, degraded)
	}
}

const (
	isReady      = "True " + reasonReady
	isWell       = "False " + reasonAsExpected
	isReplaced   = "False " + kafkaerr.ReasonClusterReplaced
	partReplaced = "True " + kafkaerr.ReasonClusterReplaced
)

// A connection that is kept leads where its name led. That the next one leads to another cluster is known within a minute, and what the API server
// has found out by then is no other.
func TestAKeptConnectionDoesNotHideAnotherCluster(t *testing.T) {
	former, other := newBrokers(t, "former"), newBrokers(t, "other")
	w := watch(t, "front:9092")
	w.move("front:9092", former)
	w.look(isReady, isWell, "", 1)
	// It is known which cluster it is by now, whose connections are kept.
	w.look(isReady, isWell, "", 1)

	w.move("front:9092", other)
	w.move(former, other)
	w.clock.Step(againSettled)
	w.look(isReady, isWell, "", 1)
	w.clock.Step(againSettled)
	const isOther = `cluster "other" answers and not "former", which this Kafka has been so far: nothing is read or written there, unless spec.external.clusterID is "other"`
	w.look(isReplaced, partReplaced, "at "+former+", front:9092 "+isOther, 0)
	if w.kafka.Status.Brokers != (v1beta1.BrokerCounts{}) {
		t.Errorf("brokers are counted of another cluster: %+v", w.kafka.Status.Brokers)
	}
	// It is over as soon as the name leads back.
	w.move("front:9092", former)
	w.move(former, former)
	w.clock.Step(againAway)
	w.look(isReady, isWell, "", 1)

	// The bootstrap server alone is where others begin, whatever this process knows of the brokers.
	w.move("front:9092", other)
	w.clock.Step(2 * againSettled)
	w.look(isReplaced, partReplaced, "at front:9092 "+isOther+"; at "+former+` cluster "former" answers`, 0)

	// Who confirms it is believed at once, in both directions.
	for i, id := range []string{"other", "former"} {
		w.move("front:9092", []string{other, former}[i])
		w.kafka.Spec.External.ClusterID, w.kafka.Status.ClusterID = id, id
		w.kafka.Generation++
		w.look(isReady, isWell, "", 1)
	}
}

// Of several addresses some may lead elsewhere. The others serve, and the status says what answers where.
func TestAddressesThatLeadToSeveralClusters(t *testing.T) {
	former, other := newBrokers(t, "former"), newBrokers(t, "other")
	w := watch(t, "a:9092", "b:9092")
	w.move("a:9092", former)
	w.move("b:9092", other)
	w.look(isReplaced, partReplaced, "at "+former+`, a:9092 cluster "former" answers; at b:9092 cluster "other" answers; nothing is read or written there before `+
		"spec.external.clusterID says which of them this Kafka is", 0)
	if w.kafka.Status.ClusterID != "" {
		t.Errorf("it is cluster %q, which nobody has said", w.kafka.Status.ClusterID)
	}
	w.kafka.Spec.External.ClusterID = "former"
	w.kafka.Generation++
	w.look(isReady, partReplaced, `at b:9092 cluster "other" answers and not "former", which spec.external.clusterID says: nothing is read or written there; at `+former+
		`, a:9092 cluster "former" answers`, 1)
	// So it does when all brokers are elsewhere that the cluster names.
	w.move("b:9092", former)
	w.move(former, other)
	w.clock.Step(2 * againSettled)
	w.look(isReplaced, partReplaced, "at "+former+` cluster "other" answers and not "former", which spec.external.clusterID says: nothing is read or written there; `+
		`at a:9092, b:9092 cluster "former" answers`, 0)
}

// That no bootstrap server is reached any more is told, while the brokers serve.
func TestBootstrapServersThatAreGone(t *testing.T) {
	w := watch(t, "a:9092", "b:9092")
	w.move("a:9092", newBrokers(t, "former"))
	w.move("b:9092", "")
	w.look(isReady, isWell, "", 1)
	w.look(isReady, isWell, "", 1)
	w.move("a:9092", "")
	w.clock.Step(2 * againSettled)
	w.look(isReady, "True BrokersUnreachable", "no bootstrap server is reached: a:9092: its name is not known here; b:9092: its name is not known here", 1)
}
