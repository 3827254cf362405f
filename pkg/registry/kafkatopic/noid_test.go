package kafkatopic_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// release27 has brokers be of 2.7, which give topics no ids, until they are upgraded.
func release27(t *testing.T, k *apiservertest.Kafka) (upgrade func()) {
	t.Helper()
	k.Upgrade(kversion.V2_7_0())
	return func() {
		k.Upgrade(nil)
		apiservertest.Eventually(t, "brokers serve with ids", func() bool {
			view, err := topicsOf(server.Client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
			return err == nil && view.Status.TopicID != ""
		})
	}
}

func idOf(k *apiservertest.Kafka, topic string) string {
	id := k.TopicInfo(topic).TopicID
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// A topic that was made on brokers without ids, and was used, is its object's by its name. When brokers of 2.8 give it an id, that becomes the
// object's, if the topic is as the object says: nobody can tell more.
func TestATopicGetsItsIDByAnUpgradeOfTheBrokers(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for name, then := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic){
		"reported": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			id := idOf(k, "orders")
			_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
			if expectStatus(t, err, 409); !apierrors.HasStatusCause(err, topics.CauseMade) {
				t.Errorf("the conflict has no cause: %v", err)
			}
			topic.Status.TopicID = id
			if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"changed": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			changed, err := topicsOf(user, k).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"7000"}}}`), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			expectReady(t, changed, metav1.ConditionTrue, topics.ReasonReady)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			upgrade := release27(t, k)
			topic, err := create(user, newTopic(k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			expectReady(t, topic, metav1.ConditionTrue, topics.ReasonReady)
			if standing := claimOn(t, k, "orders"); topic.Status.TopicID != "" || standing.ID != "" || standing.WithoutID == nil {
				t.Fatalf("the status is %+v, the claim %+v", topic.Status, standing)
			}
			k.Produce(t, "orders")
			topic, err = topicsOf(user, k).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"5000"}}}`), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			expectReady(t, topic, metav1.ConditionTrue, topics.ReasonReady)
			if got := k.Config(t, "orders")["retention.ms"]; got != "5000" || topic.Status.TopicID != "" || strings.Contains(string(asJSON(t, topic)), "AAAA") {
				t.Errorf("retention.ms is %s, the object %s", got, asJSON(t, topic))
			}
			upgrade()
			then(t, k, topic)
			now, standing := mustGet(t, topic), claimOn(t, k, "orders")
			if id := idOf(k, "orders"); now.Status.TopicID != id || now.Status.ReplacementID != "" || standing.ID != id || standing.WithoutID != nil || standing.Retain {
				t.Errorf("the topic is %s, the status %+v, the claim %+v", id, now.Status, standing)
			}
			mustDelete(t, topic)
			expectNothing(t, k, "orders")
		})
	}
}

// What is not as the object says may be somebody else's, which took the name while there were no ids.
func TestATopicThatGotAnIDAndDiffersNeedsOwn(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	upgrade := release27(t, k)
	topic, err := create(user, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	k.Produce(t, "orders")
	k.Configure(t, "orders", "retention.ms", "1")
	upgrade()
	_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, idOf(k, "orders")), metav1.UpdateOptions{})
	expectStatus(t, err, 403, `"own"`)
	if standing := claimOn(t, k, "orders"); standing.ID != "" {
		t.Errorf("the claim is %+v", standing)
	}
}

// That brokers give no ids gives nobody what is there under a name: a status says by its numbers that the object has a topic, and who made
// the object has to have had the right to it.
func TestATopicWithoutAnIDIsNotTakenByItsNumbers(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	release27(t, k)
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	k.Refuse()
	topic, err := create(user, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	k.Return()
	brokersServe(t, k, "orders")
	for name, client := range map[string]*v1beta1.KafkaTopic{"adopting": adopting(topic.DeepCopy(), ""), "found": topic.DeepCopy()} {
		client.Status.Partitions = 3
		_, err := topicsOf(user, k).UpdateStatus(t.Context(), client, metav1.UpdateOptions{})
		if expectStatus(t, err, 403, `"own"`); t.Failed() {
			t.Log(name)
		}
	}
	_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), func() *v1beta1.KafkaTopic {
		next := adopting(topic.DeepCopy(), "")
		next.Status.Partitions = 3
		return next
	}(), metav1.UpdateOptions{})
	expectStatus(t, err, 403, `"own"`)
	_, err = topicsOf(user, k).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
	expectStatus(t, err, 403, `"own"`)
	if standing := claimOn(t, k, "orders"); standing.ID != "" || standing.WithoutID != nil {
		t.Errorf("the claim is %+v", standing)
	}
}

// What changes a topic without an id is what tells it when brokers give it one, whoever has made the change: who grew it, or the controllers,
// which carry out what was stored while brokers were away.
func TestATopicWithoutAnIDIsToldByWhatWasCarriedOut(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for name, change := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic){
		"by the controllers": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			k.Refuse()
			topic, err := topicsOf(user, k).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"partitions":6}}`), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			k.Return()
			brokersServe(t, k, "orders")
			ready := func() *v1beta1.KafkaTopic {
				next := mustGet(t, topic)
				next.Status.Partitions, next.Status.ObservedGeneration = 6, next.Generation
				topics.SetConditions(&next.Status.Conditions, topics.Verdict{Status: metav1.ConditionTrue, Reason: topics.ReasonReady}, "", next.Generation, time.Now())
				return next
			}
			// Who says so is not believed before it is so.
			if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), ready(), metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			if noted := string(claimOn(t, k, "orders").WithoutID); !strings.Contains(noted, `"partitions":3`) {
				t.Errorf("the claim notes %s of a topic that has 3 partitions", noted)
			}
			k.Grow(t, "orders", 6)
			next := ready()
			next.Status.Conditions[0].Message = "as specified"
			if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), next, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"by scale": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			scale := mustScale(t, k, topic.Name)
			scale.Spec.Replicas = 6
			if _, err := topicsOf(user, k).UpdateScale(t.Context(), topic.Name, scale, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			upgrade := release27(t, k)
			topic, err := create(user, newTopic(k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			k.Produce(t, "orders")
			change(t, k, topic)
			if noted := string(claimOn(t, k, "orders").WithoutID); !strings.Contains(noted, `"partitions":6`) {
				t.Errorf("the claim notes %s", noted)
			}
			upgrade()
			_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(mustGet(t, topic), idOf(k, "orders")), metav1.UpdateOptions{})
			if !apierrors.HasStatusCause(err, topics.CauseMade) {
				t.Errorf("the controllers are told %v, want 409 with the cause %s", err, topics.CauseMade)
			}
			if _, err := topicsOf(user, k).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"7000"}}}`), metav1.PatchOptions{}); err != nil {
				t.Errorf("a write of the user: %v", err)
			}
		})
	}
}
