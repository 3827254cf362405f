package v1beta1

import (
	"k8s.io/client-go/rest"

	kafkav1beta1 "kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/scheme"
)

// KafkaTopicExpansion has what the generator cannot make of the types.
type KafkaTopicExpansion interface {
	// GetLog is the request for a topic's log: call its Stream, or its DoRaw for one that ends.
	GetLog(name string, opts *kafkav1beta1.KafkaTopicLogOptions) *rest.Request
}

// GetLog implements KafkaTopicExpansion.
func (c *kafkaTopics) GetLog(name string, opts *kafkav1beta1.KafkaTopicLogOptions) *rest.Request {
	return c.GetClient().Get().Namespace(c.GetNamespace()).Resource("kafkatopics").Name(name).SubResource("log").
		VersionedParams(opts, scheme.ParameterCodec)
}
