package topic_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
)

// Two Kafkas of somebody with the right to both are one cluster. An object of the second was stored while the brokers were away, and finds that
// the topic is another object's: it waits for a person, who is not told whose it is by what everybody reads.
func TestATopicOfAnotherKafkaIsNotAdopted(t *testing.T) {
	server, k, _ := start(t)
	ours := store(t, server.Client, newTopic(k.Object, "orders"))
	id := k.Topics(t)["orders"].ID
	k.Refuse()
	twin := server.NewKafkaObject(t, server.Namespace(), k.ListenAddrs()...)
	theirs := store(t, server.Client, newTopic(twin, "orders"))
	var second *v1beta1.KafkaTopic
	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	k.Return()
	apiservertest.Eventually(t, "the second object waits for a person", func() bool {
		var err error
		if second, err = theirs.Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(second.Status.Conditions, v1beta1.ConditionReady)
		return ready != nil && ready.Reason == "TopicExists"
	})
	stalled := meta.FindStatusCondition(second.Status.Conditions, v1beta1.ConditionStalled)
	if second.Status.TopicID != "" || stalled == nil || !strings.Contains(stalled.Message, "on another Kafka") || strings.Contains(stalled.Message, k.Object.Namespace) {
		t.Errorf("it has %+v", second.Status)
	}
	// It follows when the first one leaves the topic.
	if _, err := ours.Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"deletionPolicy":"Retain"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := ours.Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the second object has the topic", func() bool {
		var err error
		if second, err = theirs.Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		return second.Status.TopicID == id && second.Spec.DeletionPolicy == v1beta1.TopicRetain
	})
}
