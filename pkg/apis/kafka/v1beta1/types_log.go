package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:conversion-gen:explicit-from=net/url.Values
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicLogOptions are the query options of the subresource "log" of a KafkaTopic, which streams its committed
// records: one JSON object a line (see TopicLogEntry), or the values alone. Records are in order within a partition;
// partitions take turns.
type KafkaTopicLogOptions struct {
	metav1.TypeMeta `json:",inline"`

	// partition to read; left out, all of them.
	// +optional
	Partition *int32 `json:"partition,omitempty"`
	// offset to begin at: "earliest", "latest", or a number, which needs a partition. Defaults to earliest.
	// Excludes since and tail.
	// +optional
	Offset string `json:"offset,omitempty"`
	// since is the time to begin at: RFC 3339, or how long ago, such as "90s" or "2h". Excludes offset and tail.
	// +optional
	Since string `json:"since,omitempty"`
	// tail begins with the last records of each partition that is read, this many of them. Excludes offset and since.
	// +optional
	Tail *int64 `json:"tail,omitempty"`
	// limit ends the stream after this many records in all.
	// +optional
	Limit *int64 `json:"limit,omitempty"`
	// follow keeps the stream open for records as they are committed. Without it the stream ends with what was
	// committed when the request began.
	// +optional
	Follow bool `json:"follow,omitempty"`
	// output is "json" for a JSON object a line, or "value" for the values alone, each followed by a line break.
	// Defaults to json.
	// +optional
	Output string `json:"output,omitempty"`
}

const (
	// LogEarliest and LogLatest are values of offset that stand for the first offset and for the end of each partition.
	LogEarliest = "earliest"
	LogLatest   = "latest"
	// LogJSON and LogValue are the values of output.
	LogJSON  = "json"
	LogValue = "value"
)

// TopicLogEntry is a line of a topic's log with output=json. It is a record, with the same fields as one to write has; or a
// warning, of which reading goes on; or an error, which is the last line of a stream that breaks off.
type TopicLogEntry struct {
	// partition that the record or the warning is of; absent from an error.
	// +optional
	Partition *int32 `json:"partition,omitempty"`
	// offset of the record.
	// +optional
	Offset *int64 `json:"offset,omitempty"`
	// timestamp of the record, in RFC 3339 with milliseconds.
	// +optional
	Timestamp string `json:"timestamp,omitempty"`
	// key as text, if it is valid UTF-8. Without key and keyBase64 the record has none.
	// +optional
	Key *string `json:"key,omitempty"`
	// keyBase64 is a key that is no text.
	// +optional
	KeyBase64 *string `json:"keyBase64,omitempty"`
	// value as text, if it is valid UTF-8.
	// +optional
	Value *string `json:"value,omitempty"`
	// valueBase64 is a value that is no text.
	// +optional
	ValueBase64 *string `json:"valueBase64,omitempty"`
	// tombstone tells that the value is null.
	// +optional
	Tombstone bool `json:"tombstone,omitempty"`
	// headers of the record.
	// +optional
	// +listType=atomic
	Headers []TopicRecordHeader `json:"headers,omitempty"`
	// warning is something that the reader should know, and that does not end the stream.
	// +optional
	Warning *TopicLogNotice `json:"warning,omitempty"`
	// error is why the stream breaks off here.
	// +optional
	Error *TopicLogNotice `json:"error,omitempty"`
}

// TopicLogNotice is something that happened while a log was read.
type TopicLogNotice struct {
	// reason in one word: RecordsGone, LogTruncated, or the reason of the Status that the error would have been answered with
	// before the stream began, such as ServiceUnavailable.
	Reason string `json:"reason"`
	// message for people.
	Message string `json:"message"`
}

const (
	// LogRecordsGone warns of records that retention or a truncation has removed before they were read.
	LogRecordsGone = "RecordsGone"
	// LogTruncated warns that a partition has lost its end, as in an unclean election.
	LogTruncated = "LogTruncated"
)
