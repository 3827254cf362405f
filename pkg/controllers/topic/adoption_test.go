package topic_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// Objects that were stored while their brokers were away find topics there. Whether they may have them is what their makers were allowed
// to, who are gone by now: the API server knows it from their claims.
func TestTopicsAreAdoptedForWhoMay(t *testing.T) {
	server, k, tenant := start(t)
	for _, name := range []string{"users", "owners"} {
		k.CreateTopic(t, name, 3, 2)
		k.Produce(t, name)
	}
	k.Refuse()
	store(t, tenant, newTopic(k.Object, "users"))
	topics := store(t, server.Client, newTopic(k.Object, "owners"))
	before := k.Topics(t)

	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	k.Return()

	ready := func(name, reason string) func() bool {
		return func() bool {
			got, err := topics.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				return false
			}
			condition := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady)
			return condition != nil && condition.Reason == reason
		}
	}
	apiservertest.Eventually(t, "the owner's object has the topic", ready("owners", "Ready"))
	apiservertest.Eventually(t, "the user's object is told whose it is", ready("users", "TopicExists"))
	adopted, err := topics.Get(t.Context(), "owners", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if adopted.Status.TopicID != before["owners"].ID || adopted.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("adopted as %+v with %+v", adopted.Spec, adopted.Status)
	}
	refused, err := topics.Get(t.Context(), "users", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if refused.Status.TopicID != "" || !meta.IsStatusConditionTrue(refused.Status.Conditions, v1beta1.ConditionStalled) {
		t.Errorf("the user's object has %+v", refused.Status)
	}
	if err := topics.Delete(t.Context(), "users", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	claimed := func() (n int) {
		if err := server.Claims.List(t.Context(), func(*storage.Claim) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		return n
	}
	// Whether something makes the topic of the deleted object yet is looked at for a minute.
	apiservertest.Eventually(t, "the claim of the deleted object goes", func() bool {
		server.Clock.Step(time.Minute)
		return claimed() == 1
	})
	if have := k.Topics(t)["users"]; have.ID != before["users"].ID {
		t.Errorf("the topic went with an object that never had it: %+v", have)
	}
}
