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
)

// An object was stored while brokers were away, and deleted; a finalizer keeps it. It does not say that they are away when they are back.
func TestADepartingObjectDoesNotSayThatBrokersAreAway(t *testing.T) {
	server, k, tenant := start(t)
	k.Refuse()
	held := newTopic(k.Object, "orders")
	held.Finalizers = []string{"example.com/hold"}
	all := store(t, tenant, held)
	if err := all.Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Return()
	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	apiservertest.Eventually(t, "the object says that it goes", func() bool {
		got, err := all.Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady)
		return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == "Terminating"
	})
}
