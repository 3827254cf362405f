package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:onlyVerbs=get,list
// +genclient:method=GetOffsets,verb=get,subresource=offsets,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaConsumerGroupOffsets
// +genclient:method=UpdateOffsets,verb=update,subresource=offsets,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaConsumerGroupOffsets,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaConsumerGroupOffsets
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroup is a consumer group of a Kafka cluster. Groups live on the
// brokers only, which are asked at request time: nobody creates one here, or
// deletes it. Its name is that of the Kafka, a dot, and the group's id.
type KafkaConsumerGroup struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which group it is.
	// +optional
	Spec KafkaConsumerGroupSpec `json:"spec,omitempty"`
	// status is what the brokers say of the group.
	// +optional
	Status KafkaConsumerGroupStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroupList is a list of consumer groups.
type KafkaConsumerGroupList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the groups, without members and lag: get one for these.
	Items []KafkaConsumerGroup `json:"items"`
}

// KafkaConsumerGroupSpec says which group it is.
type KafkaConsumerGroupSpec struct {
	// clusterRef names the Kafka, in the group's own namespace.
	ClusterRef ClusterReference `json:"clusterRef"`
	// groupID is the group's id on the brokers (group.id of its consumers).
	GroupID string `json:"groupID"`
}

// ConsumerGroupType is the protocol by which a group's members share their partitions.
// +enum
type ConsumerGroupType string

const (
	// GroupTypeClassic is the protocol in which one of the members assigns the partitions.
	GroupTypeClassic ConsumerGroupType = "Classic"
	// GroupTypeConsumer is the protocol of KIP-848, in which the brokers do (group.protocol=consumer).
	GroupTypeConsumer ConsumerGroupType = "Consumer"
	// GroupTypeShare is that of share groups (KIP-932), whose members read the same partitions. They can be looked at only.
	GroupTypeShare ConsumerGroupType = "Share"
	// GroupTypeStreams is that of Kafka Streams applications (KIP-1071). They can be looked at only.
	GroupTypeStreams ConsumerGroupType = "Streams"
)

// KafkaConsumerGroupStatus is what the brokers say of a group.
type KafkaConsumerGroupStatus struct {
	// state is Apache Kafka's: Empty (no members), Stable (all partitions are assigned), or a word
	// for what happens in between, such as PreparingRebalance or Reconciling.
	// +optional
	State string `json:"state,omitempty"`
	// type is the protocol by which the members share their partitions: Classic, Consumer, Share or Streams.
	// +optional
	Type ConsumerGroupType `json:"type,omitempty"`
	// protocolType is "consumer", "share" or "streams", or empty for a group that has committed offsets and never had a member.
	// +optional
	ProtocolType string `json:"protocolType,omitempty"`
	// coordinator is the id of the broker that keeps the group.
	Coordinator int32 `json:"coordinator"`
	// assignor decides which member gets which partitions. Not in lists.
	// +optional
	Assignor string `json:"assignor,omitempty"`
	// members are the group's consumers. Not in lists.
	// +optional
	// +listType=map
	// +listMapKey=memberID
	Members []ConsumerGroupMember `json:"members,omitempty"`
	// lag is how many offsets the group is behind the ends of all partitions that it has committed
	// offsets for; absent while a leader does not answer. Not in lists.
	// +optional
	Lag *int64 `json:"lag,omitempty"`
}

// ConsumerGroupMember is one consumer of a group.
type ConsumerGroupMember struct {
	// memberID is the id that the member has in the group.
	MemberID string `json:"memberID"`
	// groupInstanceID is the name of a static member (group.instance.id).
	// +optional
	GroupInstanceID string `json:"groupInstanceID,omitempty"`
	// clientID is what the member calls itself (client.id).
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// host is the address that the member connects from, as the brokers see it.
	// +optional
	Host string `json:"host,omitempty"`
	// assignments are the partitions that the member reads.
	// +optional
	// +listType=map
	// +listMapKey=topic
	Assignments []TopicPartitions `json:"assignments,omitempty"`
}

// TopicPartitions are some partitions of a topic.
type TopicPartitions struct {
	// topic is the topic's name on the brokers.
	Topic string `json:"topic"`
	// partitions are partition ids.
	// +listType=atomic
	Partitions []int32 `json:"partitions"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaConsumerGroupOffsets is where a consumer group is in each partition, asked
// of the brokers at request time. An update resets the group. Its resourceVersion
// is a hash of the committed offsets, so an update that was prepared on older
// ones is a conflict.
type KafkaConsumerGroupOffsets struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what an update does.
	// +optional
	Spec KafkaConsumerGroupOffsetsSpec `json:"spec,omitempty"`
	// status is what the brokers say of the group's offsets. After a dry run it is what they would say.
	// +optional
	Status KafkaConsumerGroupOffsetsStatus `json:"status,omitempty"`
}

// KafkaConsumerGroupOffsetsSpec says what an update does.
type KafkaConsumerGroupOffsetsSpec struct {
	// reset says where the group goes on, for some partitions or for all. It is never read back: an
	// update carries it out, and is refused while the group has members. No partition may be named twice.
	// +optional
	// +listType=atomic
	Reset []OffsetReset `json:"reset,omitempty"`
}

// OffsetPosition is an end of a partition.
// +enum
type OffsetPosition string

const (
	// EarliestOffset is the first record that is still there.
	EarliestOffset OffsetPosition = "earliest"
	// LatestOffset is one past the last record: only what comes later is read.
	LatestOffset OffsetPosition = "latest"
)

// OffsetReset says where a group goes on in some partitions: exactly one of to,
// offset, time and shift.
type OffsetReset struct {
	// topic is the topic's name on the brokers. Left out, every partition that the group has
	// committed an offset for is reset.
	// +optional
	Topic string `json:"topic,omitempty"`
	// partitions are ids of the topic's partitions. Left out, all of them are reset.
	// +optional
	// +listType=set
	Partitions []int32 `json:"partitions,omitempty"`
	// to is "earliest", the first record that is still there, or "latest", one past the last one.
	// +optional
	To OffsetPosition `json:"to,omitempty"`
	// offset is an offset from the first that can be read to one past the last.
	// +optional
	Offset *int64 `json:"offset,omitempty"`
	// time is a point in time as RFC 3339 writes it, such as 2026-01-31T08:00:00Z: the group goes on
	// with the first record that is that late or later, and after the last one if there is none.
	// +optional
	Time string `json:"time,omitempty"`
	// shift moves the committed offset: -100 reads the last hundred offsets again, 1 skips one.
	// +optional
	Shift *int64 `json:"shift,omitempty"`
}

// KafkaConsumerGroupOffsetsStatus is what the brokers say of a group's offsets.
type KafkaConsumerGroupOffsetsStatus struct {
	// state is the group's, as in its own status.
	// +optional
	State string `json:"state,omitempty"`
	// lag is the sum over the partitions; absent while a leader does not answer.
	// +optional
	Lag *int64 `json:"lag,omitempty"`
	// partitions are those that the group has committed an offset for, or that a member reads.
	// +optional
	// +listType=map
	// +listMapKey=topic
	// +listMapKey=partition
	Partitions []ConsumerGroupOffset `json:"partitions,omitempty"`
}

// ConsumerGroupOffset is where a group is in one partition, and who reads it.
type ConsumerGroupOffset struct {
	// topic is the topic's name on the brokers.
	Topic string `json:"topic"`
	// partition id.
	Partition int32 `json:"partition"`
	// committed is the offset that the group goes on with; absent when it has committed none.
	// +optional
	Committed *int64 `json:"committed,omitempty"`
	// metadata is what the client wrote beside the offset.
	// +optional
	Metadata string `json:"metadata,omitempty"`
	// startOffset is the first offset that can be read; absent when the leader did not answer.
	// +optional
	StartOffset *int64 `json:"startOffset,omitempty"`
	// endOffset is the high watermark: one past the last offset that can be read; absent when the leader did not answer.
	// +optional
	EndOffset *int64 `json:"endOffset,omitempty"`
	// lag is how far committed is behind endOffset.
	// +optional
	Lag *int64 `json:"lag,omitempty"`
	// memberID is the member that reads the partition.
	// +optional
	MemberID string `json:"memberID,omitempty"`
	// clientID is what that member calls itself.
	// +optional
	ClientID string `json:"clientID,omitempty"`
	// host is the address that the member connects from.
	// +optional
	Host string `json:"host,omitempty"`
	// message says why something about the partition is not known, for example that its topic was deleted.
	// +optional
	Message string `json:"message,omitempty"`
}
