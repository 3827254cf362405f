package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=GetPartitions,verb=get,subresource=partitions,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions
// +genclient:method=UpdatePartitions,verb=update,subresource=partitions,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions
// +genclient:method=GetConfigs,verb=get,subresource=configs,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicConfigs
// +genclient:method=Elect,verb=create,subresource=elect,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicElection,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicElection
// +genclient:method=Truncate,verb=create,subresource=truncate,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicTruncation,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicTruncation
// +genclient:method=CreateRecords,verb=create,subresource=records,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicRecords,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicRecords
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopic is one topic of a Kafka cluster. A write is checked by the brokers
// before it is stored, and applied to them before it is answered.
type KafkaTopic struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the topic should be.
	// +optional
	Spec KafkaTopicSpec `json:"spec,omitempty"`
	// status is what was last observed of the topic.
	// +optional
	Status KafkaTopicStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicList is a list of topics.
type KafkaTopicList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the topics.
	Items []KafkaTopic `json:"items"`
}

// TopicDeletionPolicy says what becomes of a topic when its KafkaTopic is deleted.
// +enum
type TopicDeletionPolicy string

const (
	// TopicDelete deletes the topic and its records with the object.
	TopicDelete TopicDeletionPolicy = "Delete"
	// TopicRetain keeps the topic and its records.
	TopicRetain TopicDeletionPolicy = "Retain"
)

// TopicDriftPolicy says what becomes of changes that were made on the brokers, past the KafkaTopic.
// +enum
type TopicDriftPolicy string

const (
	// DriftRevert undoes changes of settings, and makes a topic again that was deleted.
	DriftRevert TopicDriftPolicy = "Revert"
	// DriftReport leaves them as they are and reports them in the condition Drifted.
	DriftReport TopicDriftPolicy = "Report"
)

// ConditionDrifted tells, with the drift policy Report, whether the topic was changed or deleted on the brokers, past its object.
const ConditionDrifted = "Drifted"

// KafkaTopicSpec is what a topic should be.
type KafkaTopicSpec struct {
	// clusterRef names the Kafka that hosts the topic. Immutable.
	ClusterRef ClusterReference `json:"clusterRef"`
	// topicName is the topic's name on the brokers. Left out, it is the object's name
	// in the Kafka's own namespace, and <namespace>.<name> in any other. Another
	// name needs the verb "own" on the Kafka. Immutable.
	// +optional
	TopicName string `json:"topicName,omitempty"`
	// partitions is the number of partitions; it only grows. Left out, it becomes the
	// brokers' default when the topic is created.
	// +optional
	Partitions *int32 `json:"partitions,omitempty"`
	// replicas is the number of replicas of each partition. Left out, it becomes the
	// brokers' default when the topic is created.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// config are the topic's own settings, such as retention.ms; everything else follows the brokers' defaults. A
	// setting that is null is one that is not there.
	// +optional
	Config TopicConfig `json:"config,omitempty"`
	// driftPolicy says what becomes of changes that were made on the brokers, past this object: Revert undoes
	// changes of settings and makes a deleted topic again, Report leaves both and reports them in the condition
	// Drifted. Partitions that were added are taken over into the spec in any case. Defaults to Revert.
	// +optional
	DriftPolicy TopicDriftPolicy `json:"driftPolicy,omitempty"`
	// adoptTopicID is Apache Kafka's id of a topic that this object takes over although it is not the one that it
	// had. When somebody deletes the topic on the brokers and makes another of the same name, the object leaves
	// that one alone, says so (Ready=False TopicReplaced) and has its id in status.replacementID. With that id
	// here, the object takes it over. An object that has no topic yet takes over the one with this id, or waits
	// for it (Ready=False TopicMissing): nothing is made in its place.
	// +optional
	AdoptTopicID string `json:"adoptTopicID,omitempty"`
	// deletionPolicy says what becomes of the topic when this object is deleted:
	// Delete or Retain. Left out, it is Delete for a topic that was made for this object, and Retain for one that was on
	// the brokers already and was taken over.
	// +optional
	DeletionPolicy TopicDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ClusterReference names a Kafka.
type ClusterReference struct {
	// name of the Kafka.
	Name string `json:"name"`
	// namespace of the Kafka; left out, the referring object's own. Another namespace
	// needs the verb "use" on the Kafka.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// KafkaTopicStatus is what was last observed of a topic.
type KafkaTopicStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions hold Ready, with the drift policy Report also Drifted, and Stalled while the topic waits for a person.
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
	// topicName is the topic's name on the brokers.
	// +optional
	TopicName string `json:"topicName,omitempty"`
	// topicID is Apache Kafka's own id of the topic (22 characters).
	// +optional
	TopicID string `json:"topicID,omitempty"`
	// replacementID is the id of another topic that has this one's name on the brokers now, because somebody
	// deleted this one and made that. It is left alone until spec.adoptTopicID names it.
	// +optional
	ReplacementID string `json:"replacementID,omitempty"`
	// partitions is the number of partitions on the brokers.
	// +optional
	Partitions int32 `json:"partitions,omitempty"`
	// replicas is the number of replicas of the topic's first partition.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// grownFrom is the number of partitions that spec.partitions had before the topic was grown by other means, such as
	// its scale or Apache Kafka's tools. A manifest that still has it changes nothing.
	// +optional
	GrownFrom int32 `json:"grownFrom,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicPartitions is the live view of a topic's partitions, answered by the
// brokers at request time. An update with other replica lists starts a
// reassignment; one with more entries adds partitions with that placement. Its
// resourceVersion is a hash of the assignment, so an update that was prepared on
// an older assignment is a conflict.
type KafkaTopicPartitions struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is where the partitions should be.
	Spec KafkaTopicPartitionsSpec `json:"spec"`
	// status is what the brokers say of the partitions.
	// +optional
	Status KafkaTopicPartitionsStatus `json:"status,omitempty"`
}

// KafkaTopicPartitionsSpec says where the partitions of a topic should be.
type KafkaTopicPartitionsSpec struct {
	// partitions is the assignment: one entry a partition, from 0 without gaps.
	// +patchMergeKey=partition
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=partition
	Partitions []PartitionAssignment `json:"partitions" patchStrategy:"merge" patchMergeKey:"partition"`
}

// KafkaTopicPartitionsStatus is what the brokers say of the partitions of a topic.
type KafkaTopicPartitionsStatus struct {
	// topicName is the topic's name on the brokers.
	// +optional
	TopicName string `json:"topicName,omitempty"`
	// topicID is Apache Kafka's own id of the topic that the brokers answered for; absent when they give topics no ids.
	// +optional
	TopicID string `json:"topicID,omitempty"`
	// partitions has an entry for each partition of spec, in the same order.
	// +optional
	// +listType=map
	// +listMapKey=partition
	Partitions []PartitionStatus `json:"partitions,omitempty"`
}

// PartitionAssignment says which brokers hold a partition.
type PartitionAssignment struct {
	// partition id, from 0.
	Partition int32 `json:"partition"`
	// replicas are broker ids; the first is the preferred leader.
	// +listType=atomic
	Replicas []int32 `json:"replicas"`
}

// PartitionStatus is what the brokers say of a partition.
type PartitionStatus struct {
	// partition id.
	Partition int32 `json:"partition"`
	// leader is the broker id of the leader, -1 without one.
	Leader int32 `json:"leader"`
	// leaderEpoch grows with each election.
	// +optional
	LeaderEpoch int32 `json:"leaderEpoch,omitempty"`
	// isr are the replicas in sync with the leader.
	// +optional
	// +listType=atomic
	ISR []int32 `json:"isr,omitempty"`
	// offline are the replicas that do not serve.
	// +optional
	// +listType=atomic
	Offline []int32 `json:"offline,omitempty"`
	// adding are the replicas that a running reassignment adds.
	// +optional
	// +listType=atomic
	Adding []int32 `json:"adding,omitempty"`
	// removing are the replicas that a running reassignment removes.
	// +optional
	// +listType=atomic
	Removing []int32 `json:"removing,omitempty"`
	// startOffset is the first offset that can be read; absent when the leader did not answer.
	// +optional
	StartOffset *int64 `json:"startOffset,omitempty"`
	// endOffset is the high watermark: one past the last offset that can be read; absent when the leader did not answer.
	// +optional
	EndOffset *int64 `json:"endOffset,omitempty"`
	// elr are the eligible leader replicas: out of sync, and yet with every committed record, so that they may lead (Kafka 4.0 and later).
	// +optional
	// +listType=atomic
	ELR []int32 `json:"elr,omitempty"`
	// lastKnownELR are the last eligible leader replicas of a partition that has none left (Kafka 4.0 and later).
	// +optional
	// +listType=atomic
	LastKnownELR []int32 `json:"lastKnownELR,omitempty"`
	// replicas are the logs of the replicas by broker; absent when the brokers took too long to tell.
	// +optional
	// +listType=atomic
	Replicas []ReplicaStatus `json:"replicas,omitempty"`
}
