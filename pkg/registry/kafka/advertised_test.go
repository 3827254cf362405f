package kafka_test

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// expectWrong checks that a Kafka is not ready, and degraded, for a reason with some words.
func expectWrong(t *testing.T, k *v1beta1.Kafka, reason string, words ...string) {
	t.Helper()
	for kind, status := range map[string]metav1.ConditionStatus{"Ready": metav1.ConditionFalse, "Degraded": metav1.ConditionTrue} {
		c := meta.FindStatusCondition(k.Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason {
			t.Errorf("%s is %+v, want %s %s", kind, c, status, reason)
			continue
		}
		for _, word := range words {
			if !strings.Contains(c.Message, word) {
				t.Errorf("%s does not say %q: %s", kind, word, c.Message)
			}
		}
	}
}

// A cluster of its own whose brokers advertise where none may be is not ready before a request finds that out.
func TestBrokersThatAdvertiseWhereNoneMayBe(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1, kfake.ClusterID("advertises"))
	move := advertise(t, fake, "advertises", "169.254.169.254:9092")
	got := report(t, fake.Object, "advertises")
	expectWrong(t, got, "AddressNotAllowed", "169.254.169.254:9092 is not dialled", "a metadata service")
	if again := report(t, got, "advertises"); again.ResourceVersion != got.ResourceVersion {
		t.Error("the same was written once more")
	}
	// Where is for who may get the Kafka.
	tenant, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetResource() != "kafkas" || a.GetVerb() == "use" })
	if err := makeTopic(t, tenant, fake.Object, "orders"); err != nil && strings.Contains(err.Error(), "169.254") {
		t.Errorf("who may only use it reads %v", err)
	}
	topic, err := tenant.KafkaV1beta1().KafkaTopics(fake.Object.Namespace).Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	for _, c := range topic.Status.Conditions {
		if strings.Contains(c.Message, "169.254") {
			t.Errorf("his topic says %q", c.Message)
		}
	}
	// It is as it should be once the brokers are.
	move(fake.ListenAddrs()[0])
	apiservertest.Eventually(t, "it is ready", func() bool { return readyReason(report(t, fake.Object, "advertises")) == "True BrokersReady" })
}

// What the status calls not allowed is asked nothing, although the broker at the bootstrap address would serve it.
func TestNothingIsAskedOfAKafkaWithBrokersWhereNoneMayBe(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1, kfake.ClusterID("asked-nothing"))
	if err := makeTopic(t, server.Client, fake.Object, "before"); err != nil {
		t.Fatal(err)
	}
	move := advertise(t, fake, "asked-nothing", "169.254.169.254:9092")
	if got := report(t, fake.Object, "asked-nothing"); readyReason(got) != "False AddressNotAllowed" {
		t.Fatalf("the status is %+v", got.Status)
	}
	fake.Forget()
	for what, r := range liveRequests(fake.Object, "before") {
		t.Run(what, func(t *testing.T) {
			expectStatus(t, r.Do(t.Context()).Error(), 503, "cannot be asked", "169.254.169.254:9092 is not dialled")
		})
	}
	// A topic waits, as one does whose brokers are away.
	topics := server.Client.KafkaV1beta1().KafkaTopics(fake.Object.Namespace)
	if err := makeTopic(t, server.Client, fake.Object, "after"); err != nil {
		t.Fatal(err)
	}
	topic, err := topics.Get(t.Context(), "after", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != "ClusterUnreachable" || !strings.Contains(ready.Message, "where external clusters must not be") {
		t.Errorf("the topic is %+v", ready)
	}
	if asked := fake.Requests(); len(asked) != 0 {
		t.Errorf("the brokers were asked for %+v", asked)
	}
	// Another spec has other addresses, of which the status says nothing yet.
	k, err := kafkas(fake.Object.Namespace).Patch(t.Context(), fake.Object.Name, types.MergePatchType, []byte(`{"spec":{"external":{"bootstrapServers":["`+fake.ListenAddrs()[0]+`","also.example.com:9092"]}}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := look(t, k); err != nil {
		t.Errorf("with another spec: %v", err)
	}
	if got := report(t, k, "asked-nothing"); readyReason(got) != "False AddressNotAllowed" {
		t.Fatalf("the status is %+v", got.Status)
	}
	expectStatus(t, look(t, k), 503)
	// And so has a cluster that is mended.
	move(fake.ListenAddrs()[0])
	apiservertest.Eventually(t, "it is ready", func() bool { return readyReason(report(t, k, "asked-nothing")) == "True BrokersReady" })
	if err := look(t, k); err != nil {
		t.Errorf("once it is mended: %v", err)
	}
}

// Brokers that begin to do so later are found out by the first request that ends there, and the status says so without anybody's doing.
func TestBrokersThatAdvertiseWhereNoneMayBeLater(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1, kfake.ClusterID("advertises-later"))
	if got := report(t, fake.Object, "advertises-later"); readyReason(got) != "True BrokersReady" {
		t.Fatalf("the status is %+v", got.Status)
	}
	advertise(t, fake, "advertises-later", "169.254.169.254:9092")
	apiservertest.Eventually(t, "the status says so", func() bool {
		// A look shows what it can.
		_, _ = server.Client.KafkaV1beta1().Kafkas(fake.Object.Namespace).GetBrokers(context.Background(), fake.Object.Name, metav1.GetOptions{})
		k, err := kafkas(fake.Object.Namespace).Get(t.Context(), fake.Object.Name, metav1.GetOptions{})
		return err == nil && readyReason(k) == "False AddressNotAllowed"
	})
	k, err := kafkas(fake.Object.Namespace).Get(t.Context(), fake.Object.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expectWrong(t, k, "AddressNotAllowed", "169.254.169.254")
}
