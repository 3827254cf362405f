package topic

import (
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// A namespace that is deleted takes its Kafka along before its KafkaTopics, and nobody reads what the server warns of.
func TestTopicsThatStayWithoutTheirKafkaAreToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const retained = "retained"
		b := newBench(t, &brokers{}, kafkaObject(), topicObject(), topicObject(func(kt *v1beta1.KafkaTopic) {
			kt.Name, kt.UID, kt.Spec.DeletionPolicy = retained, "u", v1beta1.TopicRetain
		}))
		defer b.stop()
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.told()
		if err := b.client.KafkaV1beta1().Kafkas("streams").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.expectEvent("Warning TopicsStay", "Kafka streams/c", ": 1;")
		// Also when the deletion itself was missed.
		b.controller.kafkaDeleted(cache.DeletedFinalStateUnknown{Key: "streams/c", Obj: kafkaObject()})
		b.expectEvent("Warning TopicsStay", "Kafka streams/c", ": 1;")
		for _, name := range []string{"orders", retained} {
			if err := b.client.KafkaV1beta1().KafkaTopics("streams").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		b.controller.kafkaDeleted(kafkaObject())
		if events := b.told(); len(events) > 0 {
			t.Errorf("of a Kafka without topics: %q", events)
		}
	})
}
