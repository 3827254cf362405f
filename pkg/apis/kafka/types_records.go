package kafka

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicRecords are records to write to a topic, and what became of them.
type KafkaTopicRecords struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaTopicRecordsSpec
	Status KafkaTopicRecordsStatus
}

// KafkaTopicRecordsSpec is what to write.
type KafkaTopicRecordsSpec struct {
	Records []TopicRecord
}

// TopicRecord is one record. Exactly one of Value, ValueBase64 and Tombstone is set.
type TopicRecord struct {
	Key         *string
	KeyBase64   *string
	Value       *string
	ValueBase64 *string
	Tombstone   bool
	Headers     []TopicRecordHeader
	Partition   *int32
	Timestamp   string
}

// TopicRecordHeader is a header of a record. Without Value and ValueBase64 its value is null.
type TopicRecordHeader struct {
	Name        string
	Value       *string
	ValueBase64 *string
}

// KafkaTopicRecordsStatus is what became of the records.
type KafkaTopicRecordsStatus struct {
	Results []TopicRecordResult
}

// TopicRecordResult is what became of one record.
type TopicRecordResult struct {
	Partition int32
	Offset    *int64
	Timestamp string
	Reason    string
	Message   string
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicLogOptions are the query options of a topic's log.
type KafkaTopicLogOptions struct {
	metav1.TypeMeta

	Partition *int32
	Offset    string
	Since     string
	Tail      *int64
	Limit     *int64
	Follow    bool
	Output    string
}

// Values of KafkaTopicLogOptions.
const (
	LogEarliest = "earliest"
	LogLatest   = "latest"
	LogJSON     = "json"
	LogValue    = "value"
)

// ReasonOutcomeUnknown is the reason of a record that may or may not have been written.
const ReasonOutcomeUnknown = "OutcomeUnknown"
