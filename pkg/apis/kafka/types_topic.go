package kafka

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopic is one topic of a Kafka cluster. A write is checked by the brokers
// before it is stored, and applied to them before it is answered.
type KafkaTopic struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaTopicSpec
	Status KafkaTopicStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicList is a list of topics.
type KafkaTopicList struct {
	metav1.TypeMeta
	metav1.ListMeta

	Items []KafkaTopic
}

// TopicDeletionPolicy says what becomes of a topic when its KafkaTopic is deleted.
type TopicDeletionPolicy string

const (
	TopicDelete TopicDeletionPolicy = "Delete"
	TopicRetain TopicDeletionPolicy = "Retain"
)

// TopicDriftPolicy says what becomes of changes that were made on the brokers, past the KafkaTopic.
type TopicDriftPolicy string

const (
	DriftRevert TopicDriftPolicy = "Revert"
	DriftReport TopicDriftPolicy = "Report"
)

// KafkaTopicSpec is what a topic should be.
type KafkaTopicSpec struct {
	ClusterRef     ClusterReference
	TopicName      string
	Partitions     *int32
	Replicas       *int32
	Config         map[string]string
	DriftPolicy    TopicDriftPolicy
	AdoptTopicID   string
	DeletionPolicy TopicDeletionPolicy
}

// ClusterReference names a Kafka.
type ClusterReference struct {
	Name      string
	Namespace string
}

// KafkaTopicStatus is what was last observed of a topic.
type KafkaTopicStatus struct {
	ObservedGeneration int64
	Conditions         []metav1.Condition
	TopicName          string
	TopicID            string
	ReplacementID      string
	Partitions         int32
	Replicas           int32
	GrownFrom          int32
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicPartitions is the live view of a topic's partitions, answered by the
// brokers at request time. An update with other replica lists starts a
// reassignment; one with more entries adds partitions with that placement. Its
// resourceVersion is a hash of the assignment, so an update that was prepared on
// an older assignment is a conflict.
type KafkaTopicPartitions struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaTopicPartitionsSpec
	Status KafkaTopicPartitionsStatus
}

// KafkaTopicPartitionsSpec says where the partitions of a topic should be.
type KafkaTopicPartitionsSpec struct {
	Partitions []PartitionAssignment
}

// KafkaTopicPartitionsStatus is what the brokers say of the partitions of a topic.
type KafkaTopicPartitionsStatus struct {
	TopicName  string
	TopicID    string
	Partitions []PartitionStatus
}

// PartitionAssignment says which brokers hold a partition.
type PartitionAssignment struct {
	Partition int32
	Replicas  []int32
}

// PartitionStatus is what the brokers say of a partition.
type PartitionStatus struct {
	Partition    int32
	Leader       int32
	LeaderEpoch  int32
	ISR          []int32
	Offline      []int32
	Adding       []int32
	Removing     []int32
	StartOffset  *int64
	EndOffset    *int64
	ELR          []int32
	LastKnownELR []int32
	Replicas     []ReplicaStatus
}
