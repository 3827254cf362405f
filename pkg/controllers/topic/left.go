package topic

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// kafkaDeleted wakes the topics of a Kafka that is gone, and tells of those that stay on its brokers: nobody can reach them any more. Who
// deletes a Kafka is warned; a namespace that goes takes it along before its KafkaTopics, and nobody reads the warning. No event can be made in
// such a namespace, so it is about the namespace, which is an event in the namespace default.
func (c *Controller) kafkaDeleted(obj any) {
	if last, missed := obj.(cache.DeletedFinalStateUnknown); missed {
		obj = last.Obj
	}
	kafka, ok := obj.(*v1beta1.Kafka)
	if !ok {
		return
	}
	stay := 0
	for _, topic := range c.topicsOf(types.NamespacedName{Namespace: kafka.Namespace, Name: kafka.Name}) {
		if (topic.Status.TopicID != "" || withoutID(topic)) && topic.Spec.DeletionPolicy != v1beta1.TopicRetain {
			stay++
		}
	}
	if stay > 0 {
		klog.Background().Info("A Kafka was deleted before its KafkaTopics, whose topics stay on its brokers", "kafka", klog.KObj(kafka), "topics", stay)
		if c.recorder != nil {
			c.recorder.Eventf(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kafka.Namespace}}, nil, corev1.EventTypeWarning, "TopicsStay", "Delete",
				"Kafka %s/%s was deleted before KafkaTopics that refer to it: %d; their topics stay on its brokers when they are deleted without it",
				kafka.Namespace, kafka.Name, stay)
		}
	}
	c.wake(kafka)
}
