package validation

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

func fieldsOf(errs field.ErrorList) []string {
	fields := []string{}
	for _, err := range errs {
		fields = append(fields, string(err.Type)+" "+err.Field)
	}
	return fields
}

func TestValidateElection(t *testing.T) {
	for _, tc := range []struct {
		rule string
		spec kafka.KafkaTopicElectionSpec
		want []string
	}{
		{"preferred leaders of all", kafka.KafkaTopicElectionSpec{Type: kafka.ElectPreferred}, nil},
		{"some partitions", kafka.KafkaTopicElectionSpec{Type: kafka.ElectUnclean, Partitions: []int32{2, 0}}, nil},
		{"an unclean election has to name partitions", kafka.KafkaTopicElectionSpec{Type: kafka.ElectUnclean}, []string{"FieldValueRequired spec.partitions"}},
		{"no type", kafka.KafkaTopicElectionSpec{}, []string{"FieldValueNotSupported spec.type"}},
		{"partitions that are not there, and one twice", kafka.KafkaTopicElectionSpec{Type: kafka.ElectPreferred, Partitions: []int32{-1, 1, 3, 1}},
			[]string{"FieldValueInvalid spec.partitions[0]", "FieldValueInvalid spec.partitions[2]", "FieldValueDuplicate spec.partitions[3]"}},
	} {
		if got := fieldsOf(ValidateElection(&tc.spec, 3)); !slices.Equal(got, append([]string{}, tc.want...)) {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
}

func TestValidateTruncation(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	past, future := metav1.NewTime(now.Add(-time.Hour)), metav1.NewTime(now.Add(time.Second))
	at := func(offset int64) []kafka.TruncationTarget {
		return []kafka.TruncationTarget{{Partition: 1, BeforeOffset: ptr.To(offset)}}
	}
	for _, tc := range []struct {
		rule string
		spec kafka.KafkaTopicTruncationSpec
		want []string
	}{
		{"before a time, everywhere", kafka.KafkaTopicTruncationSpec{BeforeTime: &past}, nil},
		{"before a time, somewhere", kafka.KafkaTopicTruncationSpec{BeforeTime: &past, Partitions: []kafka.TruncationTarget{{Partition: 2}}}, nil},
		{"before an offset", kafka.KafkaTopicTruncationSpec{Partitions: at(5)}, nil},
		{"all of a partition", kafka.KafkaTopicTruncationSpec{Partitions: at(-1)}, nil},
		{"nothing", kafka.KafkaTopicTruncationSpec{}, []string{"FieldValueRequired spec"}},
		{"a time to come would delete everything", kafka.KafkaTopicTruncationSpec{BeforeTime: &future}, []string{"FieldValueInvalid spec.beforeTime"}},
		{"a partition without an offset", kafka.KafkaTopicTruncationSpec{Partitions: []kafka.TruncationTarget{{}}}, []string{"FieldValueRequired spec.partitions[0].beforeOffset"}},
		{"a time and an offset", kafka.KafkaTopicTruncationSpec{BeforeTime: &past, Partitions: at(5)}, []string{"FieldValueForbidden spec.partitions[0].beforeOffset"}},
		{"a negative offset", kafka.KafkaTopicTruncationSpec{Partitions: at(-2)}, []string{"FieldValueInvalid spec.partitions[0].beforeOffset"}},
		{"a partition twice, and one that is not there", kafka.KafkaTopicTruncationSpec{Partitions: append(append(at(1), at(2)...), kafka.TruncationTarget{Partition: 3, BeforeOffset: ptr.To[int64](1)})},
			[]string{"FieldValueDuplicate spec.partitions[1].partition", "FieldValueInvalid spec.partitions[2].partition"}},
	} {
		if got := fieldsOf(ValidateTruncation(&tc.spec, 3, now)); !slices.Equal(got, append([]string{}, tc.want...)) {
			t.Errorf("%s: %v, want %v", tc.rule, got, tc.want)
		}
	}
}
