package validation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// A small body can have any number of problems: each is no reason for another message.
func TestFewOfManyProblemsAreTold(t *testing.T) {
	const many = 200_000
	ids := slices.Repeat([]int32{-1}, many)
	half := slices.Repeat([]int32{-1}, 30_000)
	for name, errs := range map[string]field.ErrorList{
		"records": ValidateRecords(&kafka.KafkaTopicRecords{Spec: kafka.KafkaTopicRecordsSpec{Records: make([]kafka.TopicRecord, MaxRecords)}}),
		"headers": ValidateRecords(&kafka.KafkaTopicRecords{Spec: kafka.KafkaTopicRecordsSpec{Records: []kafka.TopicRecord{{Tombstone: true,
			Headers: slices.Repeat([]kafka.TopicRecordHeader{{Name: "a", Value: new(string), ValueBase64: new(string)}}, many)}}}}),
		"assignments": ValidatePartitions(&kafka.KafkaTopicPartitions{Spec: kafka.KafkaTopicPartitionsSpec{Partitions: make([]kafka.PartitionAssignment, many)}}, &kafka.KafkaTopicPartitions{}),
		"replicas":    ValidatePartitions(&kafka.KafkaTopicPartitions{Spec: kafka.KafkaTopicPartitionsSpec{Partitions: []kafka.PartitionAssignment{{Replicas: half}}}}, &kafka.KafkaTopicPartitions{}),
		"resets":      ValidateConsumerGroupOffsets(&kafka.KafkaConsumerGroupOffsets{Spec: kafka.KafkaConsumerGroupOffsetsSpec{Reset: make([]kafka.OffsetReset, many)}}),
		"partitions":  ValidateConsumerGroupOffsets(&kafka.KafkaConsumerGroupOffsets{Spec: kafka.KafkaConsumerGroupOffsetsSpec{Reset: []kafka.OffsetReset{{Topic: "a", To: kafka.EarliestOffset, Partitions: ids}}}}),
		"elections":   ValidateElection(&kafka.KafkaTopicElectionSpec{Type: kafka.ElectPreferred, Partitions: ids}, 3),
		"truncation":  ValidateTruncation(&kafka.KafkaTopicTruncationSpec{Partitions: make([]kafka.TruncationTarget, many)}, 3, time.Now()),
	} {
		if n := len(errs); n == 0 || n > 2*MaxProblems {
			t.Errorf("%s: %d problems", name, n)
		}
	}
	long := ValidatePartitions(&kafka.KafkaTopicPartitions{Spec: kafka.KafkaTopicPartitionsSpec{Partitions: []kafka.PartitionAssignment{{Replicas: ids}}}}, &kafka.KafkaTopicPartitions{})
	if len(long) != 1 || !strings.Contains(long[0].Error(), "must have at most 32767 items") {
		t.Errorf("%d replicas: %v", many, long)
	}
}
