package kafka

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind in this package.
const GroupName = "kafka.openshift.io"

// SchemeGroupVersion is the internal version of the group.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: runtime.APIVersionInternal}

var (
	// SchemeBuilder collects the functions that register the internal version.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)
	// AddToScheme registers the internal version with a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Kind qualifies a kind with this group.
func Kind(kind string) schema.GroupKind {
	return SchemeGroupVersion.WithKind(kind).GroupKind()
}

// Resource qualifies a resource name with this group.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion,
		&Kafka{}, &KafkaList{}, &KafkaBrokers{},
		&KafkaTopic{}, &KafkaTopicList{}, &KafkaTopicPartitions{},
		&KafkaConsumerGroup{}, &KafkaConsumerGroupList{}, &KafkaConsumerGroupOffsets{},
		&KafkaTopicConfigs{}, &KafkaTopicElection{}, &KafkaTopicTruncation{}, &KafkaHostedTopics{},
		&KafkaTopicRecords{}, &KafkaTopicLogOptions{},
	)
	return nil
}
