package kafka

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicConfigs is the live view of a topic's settings, answered by the brokers
// at request time: what applies, and where each value comes from.
type KafkaTopicConfigs struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Configs []EffectiveConfig
}

// EffectiveConfig is a setting as it applies to a topic.
type EffectiveConfig struct {
	Name      string
	Value     *string
	Source    string
	IsDefault bool
	ReadOnly  bool
	Sensitive bool
	Synonyms  []ConfigSynonym
}

// ConfigSynonym is a value of a setting at one level.
type ConfigSynonym struct {
	Name   string
	Value  *string
	Source string
}

// ReplicaStatus is the log of one replica on its broker.
type ReplicaStatus struct {
	Broker    int32
	LogDir    string
	SizeBytes *int64
	OffsetLag *int64
	Future    bool
	Problem   string
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaHostedTopics is the live view of every topic on a cluster's brokers, whether
// a KafkaTopic manages it or not.
type KafkaHostedTopics struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	ObservedTime metav1.Time
	Topics       []HostedTopic
}

// HostedTopic is one topic on the brokers.
type HostedTopic struct {
	Name            string
	TopicID         string
	Internal        bool
	Partitions      int32
	Replicas        int32
	UnderReplicated int32
	Offline         int32
	Managed         bool
	ManagedBy       *TopicReference
}

// TopicReference names a KafkaTopic.
type TopicReference struct {
	Namespace string
	Name      string
}
