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
	controller, err := New(Config{Kafka: fake.NewClientset(), Clock: clock, Connect: func(at broker.Target) Cluster { return gateway.Cluster(at) }})
	if err != nil {
		t.Fatal(err)
	}
	look := func(names ...string) v1beta1.KafkaStatus {
		t.Helper()
		mu.Lock()
		unknown = names
		mu.Unlock()
		at, _ := controller.targets.Of(k)
		gateway.Forget(at.Key)
		answer, err := controller.ask(t.Context(), k, gateway.Cluster(at))
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
	clock.Step(againSettled)
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

// counting counts how often each broker is tried, and none answers.
type counting map[int32]int

func (counting) Describe(context.Context) (broker.ClusterInfo, error) {
	return broker.ClusterInfo{}, nil
}

func (c counting) Reach(_ context.Context, ids ...int32) []error {
	for _, id := range ids {
		c[id]++
	}
	return slices.Repeat([]error{errors.New("silent")}, len(ids))
}

// The brokers of a large cluster take turns, and its status names some of them.
func TestBrokersOfALargeClusterTakeTurns(t *testing.T) {
	var brokers []broker.BrokerInfo
	for id := range int32(250) {
		brokers = append(brokers, broker.BrokerInfo{ID: 3 * id, Host: "b", Port: 9092, Fenced: id == 7})
	}
	slices.Reverse(brokers)
	k, cluster := newKafka(), counting{}
	var all tries
	for i, want := range []int{100, 200, 249} {
		unreachable := all.of(k).look(t.Context(), cluster, brokers, begin.Add(time.Duration(i)*time.Hour))
		if len(unreachable) != want || len(cluster) != want || len(cluster) != len(slices.Collect(maps.Keys(all.of(k).why))) {
			t.Errorf("look %d: %d do not answer, %d were tried, want %d", i, len(unreachable), len(cluster), want)
		}
		is := status(k, said{ClusterInfo: broker.ClusterInfo{Brokers: brokers}, unreachable: unreachable}, nil, begin)
		if len(is.UnreachableBrokers) != validation.MaxUnreachable || is.UnreachableBrokers[0].ID != 0 || is.UnreachableBrokers[9].ID != 30 {
			t.Errorf("the status names %+v", is.UnreachableBrokers)
		}
		if degraded := meta.FindStatusCondition(is.Conditions, v1beta1.ConditionDegraded); !strings.HasSuffix(degraded.Message, fmt.Sprintf("and %d more", want-validation.MaxUnreachable)) {
			t.Errorf("%+v", degraded)
		}
	}
	if cluster[21] != 0 {
		t.Error("a fenced broker serves nobody")
	}
	// Brokers that are gone are forgotten.
	if left := all.of(k).look(t.Context(), cluster, brokers[:1], begin.Add(9*time.Hour)); len(left) != 1 || len(all.of(k).why) != 1 {
		t.Errorf("%+v, %+v", left, all.of(k).why)
	}
}

func TestWhyABrokerIsNotReached(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&kafkaerr.UnreachableError{Err: &net.DNSError{Name: "b", IsNotFound: true}}, "its name is not known here"},
		{&net.DNSError{Name: "b", IsTimeout: true}, "its name cannot be looked up here"},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "nobody listens there"},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, "there is no way to it from here"},
		{&kafkaerr.NoAnswerError{Addr: "b:1", Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: "words"}}, "words"},
		{context.DeadlineExceeded, "it does not answer"},
	} {
		if got := whyUnreached(tc.err); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.err, got, tc.want)
		}
	}
}
