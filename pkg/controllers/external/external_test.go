package external

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

var begin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newKafka() *v1beta1.Kafka {
	return &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: "streams", UID: "u", Generation: 7},
		Spec:       v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"k1:9092", "k2:9092"}}},
	}
}

func TestStatusSaysWhatTheBrokersSay(t *testing.T) {
	info := said{ClusterInfo: broker.ClusterInfo{ID: "abc", Brokers: []broker.BrokerInfo{{ID: 0}, {ID: 1}, {ID: 2, Fenced: true}}}}

	answered := status(newKafka(), info, nil, begin)
	if !meta.IsStatusConditionTrue(answered.Conditions, v1beta1.ConditionReady) {
		t.Errorf("a cluster that answers is not ready: %v", answered.Conditions)
	}
	if want := (v1beta1.BrokerCounts{Desired: 3, Registered: 2, Ready: 2}); answered.Brokers != want {
		t.Errorf("brokers are %+v, want %+v: a fenced broker does not serve", answered.Brokers, want)
	}
	if answered.ClusterID != "abc" || answered.Mode != v1beta1.ModeExternal || answered.ObservedGeneration != 7 {
		t.Errorf("got %+v", answered)
	}
	if got := answered.Listeners[0]; got.BootstrapServers != "k1:9092,k2:9092" || len(got.Addresses) != 2 {
		t.Errorf("the listener is %+v", got)
	}

	info.Brokers = info.Brokers[:1]
	if ready := meta.FindStatusCondition(status(newKafka(), info, nil, begin).Conditions, v1beta1.ConditionReady); ready.Message != "1 broker is registered" {
		t.Errorf("of one broker it says %q", ready.Message)
	}

	known := newKafka()
	known.Status = answered
	away := status(known, said{}, errors.New("nobody is there"), begin.Add(time.Hour))
	ready := meta.FindStatusCondition(away.Conditions, v1beta1.ConditionReady)
	if ready.Status != metav1.ConditionFalse || ready.Reason != reasonUnreachable || ready.ObservedGeneration != 7 {
		t.Errorf("a cluster that does not answer is %+v", ready)
	}
	if want := (v1beta1.BrokerCounts{Desired: 3, Registered: 2}); away.ClusterID != "abc" || away.Brokers != want {
		t.Errorf("what was known is forgotten, or brokers answer: %+v", away)
	}
	known.Status.UnreachableBrokers = []v1beta1.UnreachableBroker{{ID: 1, Address: "b:1", Message: "it does not answer"}}
	for _, reason := range []string{kafkaerr.ReasonClusterReplaced, kafkaerr.ReasonAddressNotAllowed} {
		other := status(known, said{}, &kafkaerr.SecurityError{Reason: reason, Text: "words"}, begin.Add(time.Hour))
		if other.Brokers != (v1beta1.BrokerCounts{}) || len(other.UnreachableBrokers) > 0 || other.ClusterID != "abc" {
			t.Errorf("%s: brokers are counted that are not the Kafka's: %+v", reason, other)
		}
	}
}

// Brokers each have an objection of their own, and the first to be heard varies.
func TestAnObjectionIsRepeatedInTheSameWords(t *testing.T) {
	objection := func(text string) error {
		return fmt.Errorf("broker k1:9092: %w", &kafkaerr.SecurityError{Reason: kafkaerr.ReasonTLSFailed, Text: text})
	}
	k := newKafka()
	for _, tc := range []struct {
		err             error
		reason, message string
	}{
		{errors.Join(objection("b"), objection("c")), "TLSFailed", "b"},
		{errors.Join(objection("c"), objection("b"), objection("a")), "TLSFailed", "b"},
		{objection("c"), "TLSFailed", "c"},
		{&kafkaerr.NotAdmittedError{ID: "other", Err: &kafkaerr.UnreachableError{Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonClusterReplaced, Text: "cluster \"other\" answers"}}},
			"ClusterReplaced", "cluster \"other\" answers"},
		{errors.New("refused"), reasonUnreachable, "no broker answers at k1:9092,k2:9092"},
		{&kafkaerr.UnreachableError{Err: &kafkaerr.SecurityError{Reason: kafkaerr.ReasonCredentialsUnavailable, Text: "Secret streams/a does not exist"}}, "CredentialsUnavailable", "Secret streams/a does not exist"},
	} {
		k.Status = status(k, said{}, tc.err, begin)
		for _, kind := range []string{v1beta1.ConditionReady, v1beta1.ConditionDegraded} {
			if c := meta.FindStatusCondition(k.Status.Conditions, kind); c.Reason != tc.reason || c.Message != tc.message {
				t.Errorf("%v: %s is %s %q, want %s %q", tc.err, kind, c.Reason, c.Message, tc.reason, tc.message)
			}
		}
	}
}

type answers chan error

func (a answers) DescribeWithRights(ctx context.Context) (broker.ClusterInfo, error) {
	return a.Describe(ctx)
}

func (a answers) Describe(ctx context.Context) (broker.ClusterInfo, error) {
	select {
	case err := <-a:
		return broker.ClusterInfo{ID: "abc", Brokers: []broker.BrokerInfo{{ID: 0}}}, err
	case <-ctx.Done():
		return broker.ClusterInfo{}, ctx.Err()
	}
}

// A settled system writes nothing: a cluster that says the same again leaves its object alone.
func TestTheSameAnswerIsNoWrite(t *testing.T) {
	client := fake.NewClientset(newKafka())
	clock := clocktesting.NewFakeClock(begin)
	cluster := make(answers)
	controller, err := New(Config{Kafka: client, Clock: clock, Connect: func(at broker.Target) Cluster {
		if !strings.HasSuffix(at.Key, "/observer") {
			return healthy{}
		}
		return cluster
	}})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, controller.Run)

	answer := func(err error) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case cluster <- err:
				return
			case <-deadline:
				t.Fatal("the cluster is not asked")
			case <-time.After(time.Millisecond):
				clock.Step(time.Second)
			}
		}
	}
	ready := func(want metav1.ConditionStatus) {
		t.Helper()
		err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
			// The controller's own view: until it knows of its write, it would rightly write again.
			k, err := controller.kafkas.Kafkas("streams").Get("theirs")
			if err != nil {
				return false, err
			}
			c := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
			return c != nil && c.Status == want, nil
		})
		if err != nil {
			t.Fatalf("Ready does not become %s: %v", want, err)
		}
	}

	answer(nil)
	ready(metav1.ConditionTrue)
	for range 5 {
		answer(nil)
	}
	answer(errors.New("nobody is there"))
	ready(metav1.ConditionFalse)

	writes := 0
	for _, action := range client.Actions() {
		if action.GetVerb() == "update" {
			writes++
		}
	}
	if writes != 2 {
		t.Errorf("%d writes, want one for each change", writes)
	}
}

// A Kafka that waits for its finalizers is another generation, and its topics are served by what the status says of that one.
func TestATerminatingKafkaIsObserved(t *testing.T) {
	k := newKafka()
	gone := metav1.NewTime(begin)
	k.DeletionTimestamp, k.Finalizers = &gone, []string{"example.com/hold"}
	client := fake.NewClientset(k)
	controller, err := New(Config{Kafka: client, Connect: func(broker.Target) Cluster { return healthy{} }})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, controller.Run)
	err = wait.PollUntilContextTimeout(t.Context(), time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		got, err := client.KafkaV1beta1().Kafkas(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
		return err == nil && got.Status.ObservedGeneration == k.Generation && got.Status.ClusterID == "abc", err
	})
	if err != nil {
		t.Errorf("its status is not written: %v", err)
	}
}

// Where the brokers are is found out by asking them all: one that does not answer says nothing of it.
func TestOneThatDoesNotAnswerLiftsNoObjection(t *testing.T) {
	k := newKafka()
	objection := &kafkaerr.SecurityError{Reason: kafkaerr.ReasonAddressNotAllowed, Text: "b:1 is not dialled"}
	k.Status = status(k, said{}, objection, begin)
	k.Generation++
	k.Status = status(k, said{}, errors.New("connection refused"), begin)
	if why := target.NotAllowed(k); why == nil || *why != *objection {
		t.Errorf("requests are let through: %+v", k.Status.Conditions)
	}
	k.Spec.External.BootstrapServers = []string{"k3:9092"}
	if k.Status = status(k, said{}, errors.New("connection refused"), begin); target.NotAllowed(k) != nil {
		t.Errorf("that was said of other brokers: %+v", k.Status.Conditions)
	}
}
