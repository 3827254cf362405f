package kafka

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroup is a consumer group of a Kafka cluster. Groups live on the
// brokers only, which are asked at request time: nobody creates one here, or
// deletes it. Its name is that of the Kafka, a dot, and the group's id.
type KafkaConsumerGroup struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaConsumerGroupSpec
	Status KafkaConsumerGroupStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroupList is a list of consumer groups.
type KafkaConsumerGroupList struct {
	metav1.TypeMeta
	metav1.ListMeta

	Items []KafkaConsumerGroup
}

// KafkaConsumerGroupSpec says which group it is.
type KafkaConsumerGroupSpec struct {
	ClusterRef ClusterReference
	GroupID    string
}

// ConsumerGroupType is the protocol by which a group's members share their partitions.
type ConsumerGroupType string

const (
	GroupTypeClassic  ConsumerGroupType = "Classic"
	GroupTypeConsumer ConsumerGroupType = "Consumer"
	GroupTypeShare    ConsumerGroupType = "Share"
	GroupTypeStreams  ConsumerGroupType = "Streams"
)

// KafkaConsumerGroupStatus is what the brokers say of a group.
type KafkaConsumerGroupStatus struct {
	State        string
	Type         ConsumerGroupType
	ProtocolType string
	Coordinator  int32
	Assignor     string
	Members      []ConsumerGroupMember
	Lag          *int64
}

// ConsumerGroupMember is one consumer of a group.
type ConsumerGroupMember struct {
	MemberID        string
	GroupInstanceID string
	ClientID        string
	Host            string
	Assignments     []TopicPartitions
}

// TopicPartitions are some partitions of a topic.
type TopicPartitions struct {
	Topic      string
	Partitions []int32
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroupOffsets is where a consumer group is in each partition, asked
// of the brokers at request time. An update resets the group. Its resourceVersion
// is a hash of the committed offsets, so an update that was prepared on older
// ones is a conflict.
type KafkaConsumerGroupOffsets struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaConsumerGroupOffsetsSpec
	Status KafkaConsumerGroupOffsetsStatus
}

// KafkaConsumerGroupOffsetsSpec says what an update does.
type KafkaConsumerGroupOffsetsSpec struct {
	Reset []OffsetReset
}

// OffsetPosition is an end of a partition.
type OffsetPosition string

const (
	EarliestOffset OffsetPosition = "earliest"
	LatestOffset   OffsetPosition = "latest"
)

// OffsetReset says where a group goes on in some partitions: exactly one of To,
// Offset, Time and Shift.
type OffsetReset struct {
	Topic      string
	Partitions []int32
	To         OffsetPosition
	Offset     *int64
	Time       string
	Shift      *int64
}

// KafkaConsumerGroupOffsetsStatus is what the brokers say of a group's offsets.
type KafkaConsumerGroupOffsetsStatus struct {
	State      string
	Lag        *int64
	Partitions []ConsumerGroupOffset
}

// ConsumerGroupOffset is where a group is in one partition, and who reads it.
type ConsumerGroupOffset struct {
	Topic       string
	Partition   int32
	Committed   *int64
	Metadata    string
	StartOffset *int64
	EndOffset   *int64
	Lag         *int64
	MemberID    string
	ClientID    string
	Host        string
	Message     string
}
