package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ElectionType says which replicas may become leaders.
// +enum
type ElectionType string

const (
	// ElectPreferred makes the first replica of a partition its leader, if it is in sync.
	ElectPreferred ElectionType = "Preferred"
	// ElectUnclean makes a replica that is not in sync the leader of a partition without one; what it misses is lost.
	ElectUnclean ElectionType = "Unclean"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicElection is an order to elect leaders of a topic's partitions, and what
// came of it. It is created at the subresource elect of a KafkaTopic and not stored.
type KafkaTopicElection struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is to be elected.
	// +optional
	Spec KafkaTopicElectionSpec `json:"spec,omitempty"`
	// status is what came of it.
	// +optional
	Status KafkaTopicElectionStatus `json:"status,omitempty"`
}

// KafkaTopicElectionSpec says what is to be elected.
type KafkaTopicElectionSpec struct {
	// type is Preferred, which makes the first replica of each partition its leader if
	// it is in sync, or Unclean, which makes a replica that is not in sync the leader
	// of a partition that has none: the records that it misses are lost. Defaults to Preferred.
	// +optional
	Type ElectionType `json:"type,omitempty"`
	// partitions are the ids of the partitions meant. Left out, a Preferred election is of all; an Unclean one needs them named.
	// +optional
	// +listType=set
	Partitions []int32 `json:"partitions,omitempty"`
}

// KafkaTopicElectionStatus is what came of an election.
type KafkaTopicElectionStatus struct {
	// partitions are what came of it in each partition. In a dry run they are what would.
	// +optional
	// +listType=map
	// +listMapKey=partition
	Partitions []PartitionElection `json:"partitions,omitempty"`
}

// ActionResult is what came of an action on a partition.
// +enum
type ActionResult string

const (
	// ResultDone says that the action was carried out.
	ResultDone ActionResult = "Done"
	// ResultUnchanged says that there was nothing to do.
	ResultUnchanged ActionResult = "Unchanged"
	// ResultRefused says that the brokers did not carry the action out.
	ResultRefused ActionResult = "Refused"
	// ResultUnknown says that nobody answered, and that a look at the brokers did not tell either.
	ResultUnknown ActionResult = "Unknown"
)

// PartitionElection is what came of an election in a partition.
type PartitionElection struct {
	// partition id.
	Partition int32 `json:"partition"`
	// result is Done, Unchanged when no election was needed, or Refused.
	Result ActionResult `json:"result"`
	// leaderBefore is the broker id of the leader before the election, -1 without one.
	LeaderBefore int32 `json:"leaderBefore"`
	// leaderAfter is the broker id of the leader after the election, -1 without one.
	LeaderAfter int32 `json:"leaderAfter"`
	// message is why the election was refused.
	// +optional
	Message string `json:"message,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicTruncation is an order to delete the oldest records of a topic's
// partitions, and what came of it. It is created at the subresource truncate of a
// KafkaTopic and not stored. Deleted records cannot be brought back.
type KafkaTopicTruncation struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says which records are to be deleted.
	Spec KafkaTopicTruncationSpec `json:"spec"`
	// status is what came of it.
	// +optional
	Status KafkaTopicTruncationStatus `json:"status,omitempty"`
}

// KafkaTopicTruncationSpec says which records are to be deleted: those before a time, or those before an offset of each partition named.
type KafkaTopicTruncationSpec struct {
	// beforeTime deletes, in each partition, the records before the first one whose timestamp is at or after this time. It must not be in the future.
	// +optional
	BeforeTime *metav1.Time `json:"beforeTime,omitempty"`
	// partitions are the partitions meant. Left out, beforeTime is meant for all; without beforeTime each partition is named with its beforeOffset.
	// +optional
	// +listType=map
	// +listMapKey=partition
	Partitions []TruncationTarget `json:"partitions,omitempty"`
}

// TruncationTarget says which records of a partition are to be deleted.
type TruncationTarget struct {
	// partition id.
	Partition int32 `json:"partition"`
	// beforeOffset is the offset before which records are deleted; -1 is the partition's
	// end, so that all its records are. Excludes spec.beforeTime.
	// +optional
	BeforeOffset *int64 `json:"beforeOffset,omitempty"`
}

// KafkaTopicTruncationStatus is what came of a truncation.
type KafkaTopicTruncationStatus struct {
	// records is the sum of the partitions' records.
	Records int64 `json:"records"`
	// partitions are what came of it in each partition. In a dry run they are what would.
	// +optional
	// +listType=map
	// +listMapKey=partition
	Partitions []PartitionTruncation `json:"partitions,omitempty"`
}

// PartitionTruncation is what came of a truncation in a partition.
type PartitionTruncation struct {
	// partition id.
	Partition int32 `json:"partition"`
	// result is Done, Unchanged when no record was that old, Refused, or Unknown when the answer was lost.
	Result ActionResult `json:"result"`
	// startOffset is the first offset that could be read before.
	StartOffset int64 `json:"startOffset"`
	// newStartOffset is the first offset that can be read now.
	NewStartOffset int64 `json:"newStartOffset"`
	// endOffset is the high watermark: one past the last offset that can be read.
	EndOffset int64 `json:"endOffset"`
	// records is the number of offsets from startOffset up to newStartOffset: as many
	// records were deleted, or fewer in a topic that is compacted or written in transactions.
	Records int64 `json:"records"`
	// message is why the truncation was refused.
	// +optional
	Message string `json:"message,omitempty"`
}
