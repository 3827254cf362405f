package kafkatopic

import (
	"context"
	"fmt"
	"strings"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"

	kafkaaccess "kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// access asks whether the caller may do something.
type access struct {
	kafkaaccess.Reviewer
}

// may tells whether the caller has a verb on an object, and why not.
func (a access) may(ctx context.Context, verb, resource, namespace, name string) (bool, string, error) {
	return a.May(ctx, kafkaaccess.Question{Verb: verb, Resource: v1beta1.SchemeGroupVersion.WithResource(resource), Namespace: namespace, Name: name})
}

// place asks for the verbs that a topic needs on its Kafka: "use", and "own" for a name on the brokers that is not
// the topic's own, or that begins like those of another namespace.
func (a access) place(ctx context.Context, topic *kafka.KafkaTopic) error {
	if err := a.need(ctx, topic, "use", ""); err != nil {
		return err
	}
	switch {
	case topic.TopicName() != topic.DefaultTopicName():
		return a.own(ctx, topic, fmt.Sprintf("to choose the topic name %q", topic.TopicName()))
	case topic.Spec.AdoptTopicID != "":
		return a.own(ctx, topic, fmt.Sprintf("to take over the topic with id %s", topic.Spec.AdoptTopicID))
	}
	prefix, _, dotted := strings.Cut(topic.TopicName(), ".")
	if dotted && topic.Namespace == topic.ClusterNamespace() && prefix != topic.Namespace && len(utilvalidation.IsDNS1123Label(prefix)) == 0 {
		return a.own(ctx, topic, fmt.Sprintf("to choose the topic name %q, which is one of namespace %q", topic.TopicName(), prefix))
	}
	return nil
}

// own asks for the right to do with a Kafka's topics what is not a tenant's own; what says for what it is needed.
func (a access) own(ctx context.Context, topic *kafka.KafkaTopic, what string) error {
	return a.need(ctx, topic, "own", what)
}

func (a access) need(ctx context.Context, topic *kafka.KafkaTopic, verb, what string) error {
	on := kafkaaccess.Question{Verb: verb, Resource: kafkaaccess.Kafkas, Namespace: topic.ClusterNamespace(), Name: topic.Spec.ClusterRef.Name}
	if what != "" {
		what = " " + what
	}
	return a.Require(ctx, on, "kafkatopics", topic.Name, what)
}
