package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicRecords are records to write to a topic. Creating one at the subresource "records" of a KafkaTopic
// returns when all replicas in sync have the records, and answers where each of them is. A record is never written
// twice by one request. A dry run checks the records and answers the partitions that they would go to.
type KafkaTopicRecords struct {
	metav1.TypeMeta `json:",inline"`
	// metadata may name the KafkaTopic, and with uid exactly that one.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what to write. It is left out of the answer.
	// +optional
	Spec KafkaTopicRecordsSpec `json:"spec,omitempty"`
	// status is what became of it.
	// +optional
	Status KafkaTopicRecordsStatus `json:"status,omitempty"`
}

// KafkaTopicRecordsSpec is what to write.
type KafkaTopicRecordsSpec struct {
	// records, 1 to 10000 of them. Those of one partition are written in this order; when one fails, those behind it are not
	// written. The others may be: a request is not a transaction.
	// +optional
	// +listType=atomic
	Records []TopicRecord `json:"records,omitempty"`
}

// TopicRecord is one record. Exactly one of value, valueBase64 and tombstone is set.
type TopicRecord struct {
	// key as text. Without key and keyBase64 the record has none.
	// +optional
	Key *string `json:"key,omitempty"`
	// keyBase64 is a key that is no text, in standard base64.
	// +optional
	KeyBase64 *string `json:"keyBase64,omitempty"`
	// value as text.
	// +optional
	Value *string `json:"value,omitempty"`
	// valueBase64 is a value that is no text, in standard base64.
	// +optional
	ValueBase64 *string `json:"valueBase64,omitempty"`
	// tombstone makes the value null, which deletes the key from a compacted topic.
	// +optional
	Tombstone bool `json:"tombstone,omitempty"`
	// headers in order; a name may occur more than once.
	// +optional
	// +listType=atomic
	Headers []TopicRecordHeader `json:"headers,omitempty"`
	// partition that the record goes to. Left out, the key decides as in Apache Kafka's own producer (murmur2); records without
	// a key go to any partition, those of one request to the same one while they fit in a batch.
	// +optional
	Partition *int32 `json:"partition,omitempty"`
	// timestamp in RFC 3339, of which Kafka keeps milliseconds; left out, the time of the request. A topic with
	// message.timestamp.type=LogAppendTime replaces it by the broker's.
	// +optional
	Timestamp string `json:"timestamp,omitempty"`
}

// TopicRecordHeader is a header of a record. Without value and valueBase64 its value is null.
type TopicRecordHeader struct {
	// name of the header.
	Name string `json:"name"`
	// value as text.
	// +optional
	Value *string `json:"value,omitempty"`
	// valueBase64 is a value that is no text, in standard base64.
	// +optional
	ValueBase64 *string `json:"valueBase64,omitempty"`
}

// KafkaTopicRecordsStatus is what became of the records.
type KafkaTopicRecordsStatus struct {
	// results has an entry for each record, in the same order.
	// +optional
	// +listType=atomic
	Results []TopicRecordResult `json:"results,omitempty"`
}

// TopicRecordResult is what became of one record.
type TopicRecordResult struct {
	// partition that the record went to, or would have.
	Partition int32 `json:"partition"`
	// offset of the record. Absent when it was not written, in a dry run, and when the brokers had the record from an earlier
	// attempt of the same request and do not remember where.
	// +optional
	Offset *int64 `json:"offset,omitempty"`
	// timestamp of the record, in RFC 3339.
	// +optional
	Timestamp string `json:"timestamp,omitempty"`
	// reason is absent when the record was written. Otherwise it is Kafka's name of the error, such as NOT_ENOUGH_REPLICAS,
	// or OutcomeUnknown when the record may or may not have been written: the brokers never answered.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says why the record was not written.
	// +optional
	Message string `json:"message,omitempty"`
}

// ReasonOutcomeUnknown is the reason of a record that may or may not have been written.
const ReasonOutcomeUnknown = "OutcomeUnknown"
