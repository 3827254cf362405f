package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind in this package.
const GroupName = "kafka.openshift.io"

// SchemeGroupVersion is the group and version of every kind in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1beta1"}

var (
	// SchemeBuilder collects the functions that register this version; generated code adds conversions and defaults to it.
	SchemeBuilder      = runtime.NewSchemeBuilder(addKnownTypes, addDefaultingFuncs, addFieldLabelConversions)
	localSchemeBuilder = &SchemeBuilder
	// AddToScheme registers this version with a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

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
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}
