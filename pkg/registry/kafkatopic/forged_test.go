package kafkatopic_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Whoever may write a status, and nothing else, may write any id there, with any conditions: no delete of the object deletes a topic that
// is somebody's.
func TestAForgedIDDeletesNothing(t *testing.T) {
	t.Parallel()
	// The time of this server is put forward, so that the sweeper ends its waiting.
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	writer, _ := s.As(t, without("own"))
	reasons := []string{"", topics.ReasonReady, topics.ReasonAdopting, topics.ReasonClusterUnreachable, topics.ReasonTopicReplaced, topics.ReasonNotApplied}
	for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
		for _, reason := range reasons {
			if reason == "" && status != metav1.ConditionTrue {
				// Without a condition there is one case.
				continue
			}
			for _, named := range []string{"orders", "other"} {
				for _, away := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s %s/the id of %s/brokers away %t", status, reason, named, away), func(t *testing.T) {
						k := s.NewKafka(t, 1)
						for _, name := range []string{"orders", "other"} {
							k.CreateTopic(t, name, 3, 1)
							k.Produce(t, name)
						}
						before := k.Topics(t)
						k.Refuse()
						topic, err := create(writer, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
							*topic.Spec.Replicas, topic.Spec.DeletionPolicy = 1, v1beta1.TopicDelete
						}))
						if err != nil {
							t.Fatal(err)
						}
						back := func() bool {
							_, err := topicsOf(s.Client, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
							return served(err)
						}
						if !away {
							k.Return()
							apiservertest.Eventually(t, "brokers are back", back)
						}
						topic.Status.TopicID, topic.Status.Conditions = before[named].ID, nil
						if reason != "" {
							topic.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: status, Reason: reason, LastTransitionTime: metav1.Now()}}
						}
						_, err = topicsOf(writer, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
						if err == nil {
							t.Error("the status was stored")
						}
						k.Return()
						apiservertest.Eventually(t, "brokers are back", back)
						if err := topicsOf(s.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
							t.Fatal(err)
						}
						apiservertest.Eventually(t, "the sweeper is done", func() bool {
							s.Clock.Step(inFlight)
							left := 0
							if err := s.Claims.List(t.Context(), func(*claim) error { left++; return nil }); err != nil {
								t.Fatal(err)
							}
							return left == 0
						})
						for name, had := range before {
							if have := k.Topics(t)[name]; have.ID != had.ID {
								t.Errorf("topic %s was %s and is %q", name, had.ID, have.ID)
							}
						}
					})
				}
			}
		}
	}
}

// The controllers, which have the right to all topics, are believed what they made: it goes with its object, used or not. What they only
// found is the object's when who made that could take it over.
func TestAControllerIsBelievedWhatItMade(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	k.Refuse()
	topic, err := create(user, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicDelete }))
	if err != nil {
		t.Fatal(err)
	}
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	id := k.Topics(t)["orders"].ID
	k.Return()
	brokersServe(t, k, "orders")
	_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
	expectStatus(t, err, 403, `"own"`)
	topic.Status.TopicID, topic.Status.Conditions = id, nil
	if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	mustDelete(t, topic)
	apiservertest.Eventually(t, "topic and claim go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
}
