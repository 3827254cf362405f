package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// A cluster whose bootstrap address answers is Ready when its brokers answer where clients are sent, and says which do not.
func TestEachAdvertisedAddressIsTried(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ClusterID("abc"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	addresses := kafka.ListenAddrs()
	var mu sync.Mutex
	var unknown []string
	clock := clocktesting.NewFakeClock(begin)
	gateway := broker.New(broker.Options{Clock: clock, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if slices.Contains(unknown, address) {
			return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		}
		if address == "bootstrap:9092" {
			address = addresses[0]
		}
		return broker.Dial(ctx, network, address)
	}})
	k := newKafka()
	k.Spec.External.BootstrapServers = []string{"bootstrap:9092"}
	controller, err := New(Config{Kafka: fake.NewClientset(), Clock: clock, Connect: func(at broker.Target) Cluster { return gateway.Cluster(at) }, Disconnect: gateway.Forget})
	if err != nil {
		t.Fatal(err)
	}
	look := func(names ...string) v1beta1.KafkaStatus {
		t.Helper()
		mu.Lock()
		unknown = names
		mu.Unlock()
		at, _ := controller.targets.Of(k)
		answer, err := controller.ask(t.Context(), k, at)
		if err != nil {
			t.Fatal(err)
		}
		k.Status = status(k, answer, nil, clock.Now())
		return k.Status
	}
	expect := func(ready, degraded metav1.ConditionStatus, reason, message string, answering int32) {
		t.Helper()
		got := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
		if got.Status != ready || got.Reason != reason || got.Message != message || k.Status.Brokers.Ready != answering {
			t.Errorf("%d brokers are ready, %+v", k.Status.Brokers.Ready, got)
		}
		if !meta.IsStatusConditionPresentAndEqual(k.Status.Conditions, v1beta1.ConditionDegraded, degraded) {
			t.Errorf("conditions are %+v", k.Status.Conditions)
		}
	}

	look()
	expect(metav1.ConditionTrue, metav1.ConditionFalse, reasonReady, "3 brokers are registered", 3)
	// It is not tried at each look.
	clock.Step(againSettled)
	look(addresses...)
	expect(metav1.ConditionTrue, metav1.ConditionFalse, reasonReady, "3 brokers are registered", 3)

	clock.Step(againSettled)
	got := look(addresses[1])
	expect(metav1.ConditionTrue, metav1.ConditionTrue, reasonReady, "2 of 3 brokers answer at the addresses that they advertise", 2)
	if want := []v1beta1.UnreachableBroker{{ID: 1, Address: addresses[1], Message: "its name is not known here"}}; !slices.Equal(got.UnreachableBrokers, want) {
		t.Errorf("%+v", got.UnreachableBrokers)
	}
	if degraded := meta.FindStatusCondition(got.Conditions, v1beta1.ConditionDegraded); degraded.Reason != target.ReasonBrokersUnreachable || !strings.Contains(degraded.Message, addresses[1]) {
		t.Errorf("%+v", degraded)
	}
	clock.Step(2 * againSettled)
	look(addresses...)
	expect(metav1.ConditionFalse, metav1.ConditionTrue, target.ReasonBrokersUnreachable, "0 of 3 brokers answer at the addresses that they advertise", 0)
	// What was mended is told by the next look.
	clock.Step(againSettled)
	if look(); len(k.Status.UnreachableBrokers) > 0 {
		t.Errorf("%+v", k.Status.UnreachableBrokers)
	}
	expect(metav1.ConditionTrue, metav1.ConditionFalse, reasonReady, "3 brokers are registered", 3)
	// So is a new spec.
	k.Generation++
	look(addresses[2])
	expect(metav1.ConditionTrue, metav1.ConditionTrue, reasonReady, "2 of 3 brokers answer at the addresses that they advertise", 2)
}

// counting counts how often each address is tried, and none answers.
type counting struct {
	mu    sync.Mutex
	tries map[string]int
}

func (c *counting) try(_ context.Context, address string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries[address]++
	return "", errors.New("silent")
}

// The brokers of a large cluster take turns, and its status names some of them.
func TestBrokersOfALargeClusterTakeTurns(t *testing.T) {
	var brokers []broker.BrokerInfo
	for id := range int32(250) {
		brokers = append(brokers, broker.BrokerInfo{ID: 3 * id, Host: fmt.Sprint("b", 3*id), Port: 9092, Fenced: id == 7})
	}
	slices.Reverse(brokers)
	k, all := newKafka(), tries{}
	asked := &counting{tries: map[string]int{}}
	known, _ := all.of(k)
	for i, want := range []int{100, 200, 249} {
		is := known.look(t.Context(), asked.try, nil, brokers, begin.Add(time.Duration(i)*time.Hour))
		if len(is.unreachable) != want || len(asked.tries) != want || len(known.outcomes) != want {
			t.Errorf("look %d: %d do not answer, %d were tried, want %d", i, len(is.unreachable), len(asked.tries), want)
		}
		is.Brokers = brokers
		said := status(k, is, nil, begin)
		if len(said.UnreachableBrokers) != validation.MaxUnreachable || said.UnreachableBrokers[0].ID != 0 || said.UnreachableBrokers[9].ID != 30 {
			t.Errorf("the status names %+v", said.UnreachableBrokers)
		}
		if degraded := meta.FindStatusCondition(said.Conditions, v1beta1.ConditionDegraded); !strings.HasSuffix(degraded.Message, fmt.Sprintf("and %d more", want-validation.MaxUnreachable)) {
			t.Errorf("%+v", degraded)
		}
	}
	if asked.tries["b21:9092"] != 0 {
		t.Error("a fenced broker serves nobody")
	}
	// Brokers that are gone are forgotten.
	if left := known.look(t.Context(), asked.try, nil, brokers[:1], begin.Add(9*time.Hour)); len(left.unreachable) != 1 || len(known.outcomes) != 1 {
		t.Errorf("%+v, %+v", left, known.outcomes)
	}
}

// Whoever answers as a broker chooses what it advertises, and is told what became of that: addresses that were not there before are dialled once a
// minute, whatever failed, and how they fail says nothing of who is there.
func TestNobodyLooksForPortsByWhatABrokerAdvertises(t *testing.T) {
	asked, known := &counting{tries: map[string]int{}}, &tried{outcomes: map[string]outcome{}}
	advertised := func(ports ...int32) (brokers []broker.BrokerInfo) {
		for i, port := range ports {
			brokers = append(brokers, broker.BrokerInfo{ID: int32(i), Host: "victim", Port: port})
		}
		return brokers
	}
	for i, look := range []struct {
		ports, tried []int32
	}{
		{[]int32{1, 2}, []int32{1, 2}},
		{[]int32{1, 3, 4}, []int32{1}}, // Half a minute later only what failed is tried again.
		{[]int32{3, 4, 5}, []int32{3, 4, 5}},
	} {
		asked.tries = map[string]int{}
		known.look(t.Context(), asked.try, nil, advertised(look.ports...), begin.Add(time.Duration(i)*againSettled))
		want := map[string]int{}
		for _, port := range look.tried {
			want[fmt.Sprint("victim:", port)] = 1
		}
		if !maps.Equal(asked.tries, want) {
			t.Errorf("look %d: tried %v, want %v", i, asked.tries, want)
		}
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&kafkaerr.UnreachableError{Err: &net.DNSError{Name: "b", IsNotFound: true}}, "its name is not known here"},
		{&net.DNSError{Name: "b", IsTimeout: true}, "its name is not known here"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "it does not answer"},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, "it does not answer"},
		{&kafkaerr.NoAnswerError{Addr: "b:1", Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: "words"}}, "words"},
		{context.DeadlineExceeded, "it does not answer"},
	} {
		if got := whyUnreached(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
