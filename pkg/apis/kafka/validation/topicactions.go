package validation

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// ValidateElection judges an order to elect leaders of a topic that has so many partitions.
func ValidateElection(spec *kafka.KafkaTopicElectionSpec, partitions int) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec")
	switch spec.Type {
	case kafka.ElectPreferred:
	case kafka.ElectUnclean:
		if len(spec.Partitions) == 0 {
			errs = append(errs, field.Required(path.Child("partitions"),
				"name the partitions: an unclean election loses the records that the new leader misses"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("type"), spec.Type, []kafka.ElectionType{kafka.ElectPreferred, kafka.ElectUnclean}))
	}
	seen := map[int32]bool{}
	for i, id := range spec.Partitions {
		if enough(errs) {
			break
		}
		errs = append(errs, partitionProblems(path.Child("partitions").Index(i), id, partitions, seen)...)
	}
	return errs
}

// ValidateTruncation judges an order to delete records of a topic that has so many partitions. Where the partitions begin and end is the
// brokers' matter.
func ValidateTruncation(spec *kafka.KafkaTopicTruncationSpec, partitions int, now time.Time) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("spec")
	switch {
	case spec.BeforeTime == nil && len(spec.Partitions) == 0:
		errs = append(errs, field.Required(path, "set beforeTime, or name partitions with a beforeOffset each"))
	case spec.BeforeTime != nil && spec.BeforeTime.After(now):
		errs = append(errs, field.Invalid(path.Child("beforeTime"), spec.BeforeTime.UTC().Format(time.RFC3339),
			"is in the future; to delete all records of a partition name it with beforeOffset -1"))
	}
	seen := map[int32]bool{}
	for i, target := range spec.Partitions {
		if enough(errs) {
			break
		}
		at := path.Child("partitions").Index(i)
		errs = append(errs, partitionProblems(at.Child("partition"), target.Partition, partitions, seen)...)
		offset := at.Child("beforeOffset")
		switch {
		case spec.BeforeTime != nil && target.BeforeOffset != nil:
			errs = append(errs, field.Forbidden(offset, "spec.beforeTime says which records are deleted"))
		case spec.BeforeTime == nil && target.BeforeOffset == nil:
			errs = append(errs, field.Required(offset, "the first offset that stays, or -1 to delete all records of the partition"))
		case target.BeforeOffset != nil && *target.BeforeOffset < AllRecords:
			errs = append(errs, field.Invalid(offset, *target.BeforeOffset, "must be an offset, or -1 to delete all records of the partition"))
		}
	}
	return errs
}

func partitionProblems(path *field.Path, id int32, partitions int, seen map[int32]bool) field.ErrorList {
	var errs field.ErrorList
	switch {
	case id < 0 || int(id) >= partitions:
		errs = append(errs, field.Invalid(path, id, fmt.Sprintf("the topic has partitions 0 to %d", partitions-1)))
	case seen[id]:
		errs = append(errs, field.Duplicate(path, id))
	}
	seen[id] = true
	return errs
}
