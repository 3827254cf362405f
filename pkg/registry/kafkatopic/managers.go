package kafkatopic

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// ManagersOf are the KafkaTopics of a Kafka that have its topics, by the topic's name on the brokers, where the topics have some ids. Claims see to it that
// there is one for each. One that waits for a person because the topic of its name is somebody else's manages nothing, nor does one that has a topic of
// another id: its own was in the cluster that the Kafka was before, or is not there any more. Another Kafka may be the same cluster: a topic that an
// object there has is managed by that one.
func (r *REST) ManagersOf(ctx context.Context, k *kafka.Kafka, ids map[string]broker.TopicID) (map[string]kafka.TopicReference, error) {
	here := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
	twins, err := r.plane.Clusters.Twins(ctx, here)
	if err != nil {
		return nil, err
	}
	managers, known := map[string]kafka.TopicReference{}, map[string]bool{}
	for _, of := range append([]types.NamespacedName{here}, twins...) {
		obj, err := r.of(ctx, of.Namespace, of.Name)
		if err != nil {
			return nil, err
		}
		if err := meta.EachListItem(obj, func(obj runtime.Object) error {
			topic, err := asTopic(obj)
			if err != nil || says(topic, topics.ReasonTopicExists) || says(topic, topics.ReasonTopicReplaced) {
				return err
			}
			name, has := topic.TopicName(), topic.Status.TopicID != "" || topic.Status.Partitions > 0
			if id, there := ids[name]; !there || !topics.Mine(topic.Status.TopicID, topic.Spec.AdoptTopicID, id) {
				return nil
			}
			// One that is not known to have the topic is about to, unless another has it.
			if has && !known[name] || of == here {
				managers[name], known[name] = kafka.TopicReference{Namespace: topic.Namespace, Name: topic.Name}, has
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return managers, nil
}

// CountOf is how many KafkaTopics refer to a Kafka.
func (r *REST) CountOf(ctx context.Context, namespace, name string) (int, error) {
	obj, err := r.of(ctx, namespace, name)
	if err != nil {
		return 0, err
	}
	return meta.LenList(obj), nil
}

// of lists the KafkaTopics of a Kafka, of all namespaces.
func (r *REST) of(ctx context.Context, namespace, name string) (runtime.Object, error) {
	return r.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{
		FieldSelector: fields.SelectorFromSet(fields.Set{"spec.clusterRef.name": name, "spec.clusterRef.namespace": namespace})})
}
