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
			if topic.Status.TopicID != "" || len(claimOn(t, k, "orders").Wanted) != 1 {
				t.Fatalf("the object has %+v, its claim %+v", topic.Status, claimOn(t, k, "orders"))
			}
			k.CreateTopic(t, "orders", 3, 2)
			id := k.Topics(t)["orders"].ID
			expectMade(t, k, id)
			mustDelete(t, topic)
			apiservertest.Eventually(t, "the topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there && len(claimsOn(t, k)) <= 1 })
		})
	}
}

// expectMade expects that a topic counts as made for its object, whether a controller reports it as taken over or the server itself has seen it
// before.
func expectMade(t *testing.T, k *apiservertest.Kafka, id string) {
	t.Helper()
	apiservertest.Eventually(t, "the topic is the object's", func() bool {
		topic := mustGet(t, newTopic(k, "orders"))
		if topic.Status.TopicID == id {
			return true
		}
		_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
		expectStatus(t, err, 409)
		if apierrors.HasStatusCause(err, topics.CauseMade) {
			topic.Status.TopicID = id
			_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
		}
		return err == nil
	})
	apiservertest.Eventually(t, "its claim says so", func() bool {
		standing := claimOn(t, k, "orders")
		return standing.ID == id && !standing.Retain && standing.Wanted == nil
	})
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
			// Before the server has seen it unused.
			k.Refuse()
			k.CreateTopic(t, "orders", 3, 2)
			k.Produce(t, "orders")
			k.Return()
			brokersServe(t, k, "orders")
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
		}, true},
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
