package kafkatopic_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// replaceKafka deletes a Kafka, and makes another of its name for the same brokers.
func replaceKafka(t *testing.T, k *apiservertest.Kafka) {
	t.Helper()
	if err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Delete(t.Context(), k.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	former := k.Object.UID
	k.Object = server.NewKafkaObject(t, k.Object.Namespace, k.ListenAddrs()...)
	if k.Object.UID == former {
		t.Fatal("the Kafka is the former one")
	}
}

func brokersServe(t *testing.T, k *apiservertest.Kafka, topic string) {
	t.Helper()
	brokersServeTo(t, server.Client, k, topic)
}

// brokersServeTo is brokersServe for a server of a test's own.
func brokersServeTo(t *testing.T, client versioned.Interface, k *apiservertest.Kafka, topic string) {
	t.Helper()
	apiservertest.Eventually(t, "brokers serve", func() bool {
		_, err := topicsOf(client, k).GetScale(t.Context(), topic, metav1.GetOptions{})
		return served(err)
	})
}

// served tells whether brokers were asked for a topic, which they have, when an answer about it had an error: it may be somebody's, or about to go.
func served(err error) bool {
	return err == nil || apierrors.IsForbidden(err) || apierrors.IsConflict(err)
}

// What a claim says of a Kafka that is gone is no word about the next one of its name: what looks like what was asked of the former is
// somebody else's.
func TestAClaimOfAFormerKafkaRecognizesNothing(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	left := func(t *testing.T, k *apiservertest.Kafka) {
		t.Helper()
		k.CreateTopic(t, "orders", 3, 2)
		namespace := k.Object.Namespace
		if _, err := server.Claims.Take(t.Context(), claim{
			Name: storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: namespace, Name: "k"}, Name: "orders"}, ClusterUID: "former",
			Owner: storage.Owner{Namespace: namespace, Name: "gone", UID: "never-stored"}, Wanted: wanted(3),
		}, ""); err != nil {
			t.Fatal(err)
		}
	}
	stays := func(t *testing.T, k *apiservertest.Kafka, id string) {
		t.Helper()
		if have := k.Topics(t)["orders"]; have.ID != id {
			t.Errorf("the brokers have %+v, want %s", have, id)
		}
	}
	t.Run("sweeper", func(t *testing.T) {
		t.Parallel()
		k := server.NewKafka(t, 3)
		left(t, k)
		id := k.Topics(t)["orders"].ID
		apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
		stays(t, k, id)
	})
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		k := server.NewKafka(t, 3)
		left(t, k)
		id := k.Topics(t)["orders"].ID
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
			_, err := create(user, newTopic(k, "orders"), dryRun...)
			expectStatus(t, err, 403, `"own"`)
		}
		stays(t, k, id)
	})
	t.Run("a right to take over", func(t *testing.T) {
		t.Parallel()
		k := server.NewKafka(t, 3)
		k.CreateTopic(t, "orders", 3, 2)
		k.Produce(t, "orders")
		id := k.Topics(t)["orders"].ID
		k.Refuse()
		// Who makes it has the right to the topics of this Kafka.
		topic := mustCreate(t, newTopic(k, "orders"))
		replaceKafka(t, k)
		k.Return()
		brokersServe(t, k, "orders")
		_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{})
		expectStatus(t, err, 403, `"own"`)
		mustDelete(t, topic)
		stays(t, k, id)
	})
}

// An id is that of one topic, whatever its Kafka is called: a Kafka that is made again for the same brokers has the same topics, and these go
// with their objects.
func TestATopicGoesWithItsObjectUnderALaterKafka(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Produce(t, "orders")
	replaceKafka(t, k)
	brokersServe(t, k, "orders")
	mustDelete(t, topic)
	apiservertest.Eventually(t, "topic and claim go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
}
