package kafka

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ElectionType says which replicas may become leaders.
type ElectionType string

const (
	// ElectPreferred makes the first replica of a partition its leader, if it is in sync.
	ElectPreferred ElectionType = "Preferred"
	// ElectUnclean makes a replica that is not in sync the leader of a partition without one; what it misses is lost.
	ElectUnclean ElectionType = "Unclean"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicElection is an order to elect leaders of a topic's partitions, and what came of it.
type KafkaTopicElection struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaTopicElectionSpec
	Status KafkaTopicElectionStatus
}

// KafkaTopicElectionSpec says what is to be elected.
type KafkaTopicElectionSpec struct {
	Type       ElectionType
	Partitions []int32
}

// KafkaTopicElectionStatus is what came of an election.
type KafkaTopicElectionStatus struct {
	Partitions []PartitionElection
}

// ActionResult is what came of an action on a partition.
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
	Partition    int32
	Result       ActionResult
	LeaderBefore int32
	LeaderAfter  int32
	Message      string
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicTruncation is an order to delete the oldest records of a topic's partitions, and what came of it.
type KafkaTopicTruncation struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaTopicTruncationSpec
	Status KafkaTopicTruncationStatus
}

// KafkaTopicTruncationSpec says which records are to be deleted.
type KafkaTopicTruncationSpec struct {
	BeforeTime *metav1.Time
	Partitions []TruncationTarget
}

// TruncationTarget says which records of a partition are to be deleted.
type TruncationTarget struct {
	Partition    int32
	BeforeOffset *int64
}

// KafkaTopicTruncationStatus is what came of a truncation.
type KafkaTopicTruncationStatus struct {
	Records    int64
	Partitions []PartitionTruncation
}

// PartitionTruncation is what came of a truncation in a partition.
type PartitionTruncation struct {
	Partition      int32
	Result         ActionResult
	StartOffset    int64
	NewStartOffset int64
	EndOffset      int64
	Records        int64
	Message        string
}
