package kafkatopic_test

import (
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// foundLater is an object of somebody with the right to all topics, stored while its brokers were away, which have a topic of its name with
// records of somebody's.
func foundLater(t *testing.T, change func(*v1beta1.KafkaTopic)) (*apiservertest.Kafka, *v1beta1.KafkaTopic, string) {
	t.Helper()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	k.Refuse()
	topic := newTopic(k, "orders")
	topic.Spec.DeletionPolicy = ""
	if change != nil {
		change(topic)
	}
	topic = mustCreate(t, topic)
	k.Return()
	brokersServe(t, k, "orders")
	return k, topic, k.Topics(t)["orders"].ID
}

// expectKept deletes the object of a topic that was somebody's before, and expects it to stay.
func expectKept(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
	t.Helper()
	mustDelete(t, topic)
	apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if have := k.Topics(t)["orders"].ID; have != id {
		t.Errorf("after the delete the brokers have topic %q, want %s", have, id)
	}
}

// A topic that a change takes over was somebody's before, as one that a create takes over.
func TestATopicThatAChangeTakesOverStays(t *testing.T) {
	t.Parallel()
	k, topic, id := foundLater(t, nil)
	topic.Spec.Config = v1beta1.TopicConfig{"retention.ms": "1000"}
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if updated.Status.TopicID != id || updated.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("taken over as %+v with %+v", updated.Spec, updated.Status)
	}
	expectKept(t, k, topic, id)
}

// The id is recorded first, and the policy of an object that leaves it open later, if at all.
func TestATopicThatAControllerTakesOverStays(t *testing.T) {
	t.Parallel()
	k, topic, id := foundLater(t, nil)
	topic, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if topic.Spec.DeletionPolicy != "" {
		t.Errorf("the policy is %q", topic.Spec.DeletionPolicy)
	}
	expectKept(t, k, topic, id)
}

// What leaves its policy open goes on doing so until it is filled in, by whichever write.
func TestAnOpenPolicyOfWhatWasTakenOverIsRetain(t *testing.T) {
	t.Parallel()
	k, topic, id := foundLater(t, nil)
	topic, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scaled, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{})
	if err != nil || scaled.Spec.Replicas != 4 {
		t.Fatal(scaled, err)
	}
	if now := mustGet(t, topic); now.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("the policy is %q", now.Spec.DeletionPolicy)
	}
	expectKept(t, k, topic, id)
}

// Scaling does not take over: nobody has compared the topic with the object yet.
func TestScalingTakesNothingOver(t *testing.T) {
	t.Parallel()
	k, topic, id := foundLater(t, nil)
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{DryRun: dryRun})
		expectStatus(t, err, 409, "has not taken it over yet")
	}
	if have := k.Topics(t)["orders"]; have.ID != id || len(have.Partitions) != 3 {
		t.Errorf("the brokers have %+v", have)
	}
}

// Who sees the object of a topic may not read what somebody else's holds that is in its place.
func TestTheLogOfAReplacedTopicNeedsOwn(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	_, err := topicsOf(user, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context())
	expectStatus(t, err, 403)
	if log, err := topicsOf(server.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context()); err != nil || !strings.Contains(string(log), "offset") {
		t.Errorf("who owns all topics reads %q, %v", log, err)
	}
}

// kubectl wait goes by the condition's own generation.
func TestConditionsOfAScaledTopicAreOfItsGeneration(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	if _, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 6}}, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	now := mustGet(t, topic)
	ready := meta.FindStatusCondition(now.Status.Conditions, v1beta1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != now.Generation || now.Status.ObservedGeneration != now.Generation {
		t.Errorf("generation %d, observed %d, %+v", now.Generation, now.Status.ObservedGeneration, ready)
	}
}

// A status that is not stored tells nobody what the object has. That it would have been somebody's before is no harm.
func TestAReportedTopicIsLearntWhenTheStatusIsStored(t *testing.T) {
	t.Parallel()
	s, next := startFailing(t)
	k := s.NewKafka(t, 3)
	k.CreateTopic(t, "orders", 3, 2)
	k.Refuse()
	topic, err := create(s.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = "" }))
	if err != nil {
		t.Fatal(err)
	}
	k.Return()
	id := k.Topics(t)["orders"].ID
	brokersServeTo(t, s.Client, k, "orders")
	name := storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"}
	for _, stored := range []bool{false, true} {
		if !stored {
			next.Store(1)
		}
		_, err := topicsOf(s.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
		if (err == nil) != stored {
			t.Fatalf("stored: %v, %v", stored, err)
		}
		standing, err := s.Claims.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: id}[stored]; standing.ID != want || !standing.Retain {
			t.Errorf("stored: %v, the claim has id %q and stays: %v", stored, standing.ID, standing.Retain)
		}
	}
}
