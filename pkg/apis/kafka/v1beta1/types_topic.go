package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +genclient
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=GetPartitions,verb=get,subresource=partitions,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions
// +genclient:method=UpdatePartitions,verb=update,subresource=partitions,input=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaTopicPartitions
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
	// config are the topic's own settings, such as retention.ms; everything else follows the brokers' defaults.
	// +optional
	Config map[string]string `json:"config,omitempty"`
	// deletionPolicy says what becomes of the topic when this object is deleted:
	// Delete or Retain. Defaults to Delete.
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
	// conditions hold Ready.
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
	// partitions is the number of partitions on the brokers.
	// +optional
	Partitions int32 `json:"partitions,omitempty"`
	// replicas is the number of replicas of the topic's first partition.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
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

	// spec is the assignment: one entry a partition, from 0 without gaps.
	// +listType=map
	// +listMapKey=partition
	Spec []PartitionAssignment `json:"spec"`
	// status is what the brokers say of each partition.
	// +optional
	// +listType=map
	// +listMapKey=partition
	Status []PartitionStatus `json:"status,omitempty"`
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
}
