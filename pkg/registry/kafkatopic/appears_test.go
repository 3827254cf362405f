package kafkatopic_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// loseCreate has brokers read the next request to create a topic and close the connection without doing anything yet.
func loseCreate(k *apiservertest.Kafka) {
	var lost atomic.Bool
	k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if request.(*kmsg.CreateTopicsRequest).ValidateOnly || lost.Swap(true) {
			return nil, nil, false
		}
		return nil, errors.New("closed"), true
	})
}

// A create whose answer is lost may be carried out when nobody looks any more. What it made is the object's, and goes with it.
func TestWhatALostCreateMadeLateIsMade(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for name, store := range map[string]func(*testing.T, *apiservertest.Kafka) *v1beta1.KafkaTopic{
		"by a create": func(t *testing.T, k *apiservertest.Kafka) *v1beta1.KafkaTopic {
			loseCreate(k)
			topic, err := create(user, newTopic(k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			return topic
		},
		"by a change": func(t *testing.T, k *apiservertest.Kafka) *v1beta1.KafkaTopic {
			mustCreate(t, newTopic(k, "other"))
			k.Refuse()
			if _, err := create(user, newTopic(k, "orders")); err != nil {
				t.Fatal(err)
			}
			k.Return()
			brokersServe(t, k, "other")
			loseCreate(k)
			topic, err := topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return topic
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			topic := store(t, k)
			if topic.Status.TopicID != "" || !claimOn(t, k, "orders").Unanswered {
				t.Fatalf("the object has %+v, its claim %+v", topic.Status, claimOn(t, k, "orders"))
			}
			k.CreateTopic(t, "orders", 3, 2)
			id := k.Topics(t)["orders"].ID
			_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
			expectStatus(t, err, 409, "was made for the object")
			if !apierrors.HasStatusCause(err, topics.CauseMade) {
				t.Errorf("the conflict has no cause: %v", err)
			}
			topic.Status.TopicID = id
			if topic, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if standing := claimOn(t, k, "orders"); standing.ID != id || standing.Retain || standing.Unanswered {
				t.Errorf("the claim is %+v", standing)
			}
			mustDelete(t, topic)
			apiservertest.Eventually(t, "the topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there && claimOn(t, k, "orders") == nil })
		})
	}
}

// What may be somebody else's is not: what has held a record, is not as asked for, or whose create was never sent.
func TestWhatALostCreateMayNotHaveMadeIsAdopted(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	lost := func(t *testing.T, k *apiservertest.Kafka) {
		loseCreate(k)
		if _, err := create(user, newTopic(k, "orders")); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		store func(*testing.T, *apiservertest.Kafka)
		// refused says that who made the object would have needed a right.
		refused bool
	}{
		"used": {func(t *testing.T, k *apiservertest.Kafka) {
			lost(t, k)
			k.CreateTopic(t, "orders", 3, 2)
			k.Produce(t, "orders")
		}, true},
		"with other partitions": {func(t *testing.T, k *apiservertest.Kafka) {
			lost(t, k)
			k.CreateTopic(t, "orders", 4, 2)
		}, true},
		"never asked for": {func(t *testing.T, k *apiservertest.Kafka) {
			k.Refuse()
			if _, err := create(user, newTopic(k, "orders")); err != nil {
				t.Fatal(err)
			}
			k.CreateTopic(t, "orders", 3, 2)
			k.Return()
			brokersServe(t, k, "orders")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			tc.store(t, k)
			topic := mustGet(t, newTopic(k, "orders"))
			reported, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, k.Topics(t)["orders"].ID), metav1.UpdateOptions{})
			if tc.refused {
				expectStatus(t, err, 403, `"own"`)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if ready := meta.FindStatusCondition(reported.Status.Conditions, v1beta1.ConditionReady); ready.Reason != topics.ReasonAdopting {
				t.Errorf("it counts as %s", ready.Reason)
			}
		})
	}
}
