package validation

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// ValidateConsumerGroupOffsets judges a reset by itself: each entry has one target, and no partition is named twice. Which topics,
// partitions and offsets there are is the brokers' matter.
func ValidateConsumerGroupOffsets(next *kafka.KafkaConsumerGroupOffsets) field.ErrorList {
	path := field.NewPath("spec", "reset")
	if len(next.Spec.Reset) == 0 {
		return field.ErrorList{field.Required(path, `say what to reset, as in {"topic": "orders", "to": "earliest"}`)}
	}
	var errs field.ErrorList
	whole, some := map[string]bool{}, map[string]map[int32]bool{}
	for i, reset := range next.Spec.Reset {
		if enough(errs) {
			break
		}
		at := path.Index(i)
		errs = append(errs, validateTarget(&reset, at)...)
		if reset.Topic == "" {
			if len(reset.Partitions) > 0 {
				errs = append(errs, field.Required(at.Child("topic"), "name the topic of the partitions"))
			}
			if len(next.Spec.Reset) > 1 {
				errs = append(errs, field.Required(at.Child("topic"), "an entry without a topic is about all of them, and then is the only one"))
			}
			continue
		}
		if whole[reset.Topic] || len(reset.Partitions) == 0 && len(some[reset.Topic]) > 0 {
			errs = append(errs, field.Duplicate(at.Child("topic"), reset.Topic))
		}
		if len(reset.Partitions) == 0 {
			whole[reset.Topic] = true
			continue
		}
		if some[reset.Topic] == nil {
			some[reset.Topic] = map[int32]bool{}
		}
		for j, id := range reset.Partitions {
			if enough(errs) {
				break
			}
			switch {
			case id < 0:
				errs = append(errs, field.Invalid(at.Child("partitions").Index(j), id, "partition ids are not negative"))
			case some[reset.Topic][id]:
				errs = append(errs, field.Duplicate(at.Child("partitions").Index(j), id))
			}
			some[reset.Topic][id] = true
		}
	}
	return errs
}

func validateTarget(reset *kafka.OffsetReset, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	given := 0
	if reset.To != "" {
		given++
		if reset.To != kafka.EarliestOffset && reset.To != kafka.LatestOffset {
			errs = append(errs, field.NotSupported(at.Child("to"), reset.To, []kafka.OffsetPosition{kafka.EarliestOffset, kafka.LatestOffset}))
		}
	}
	if reset.Offset != nil {
		given++
		if *reset.Offset < 0 {
			errs = append(errs, field.Invalid(at.Child("offset"), *reset.Offset, `offsets are not negative; for an end use "to"`))
		}
	}
	if reset.Time != "" {
		given++
		if _, err := time.Parse(time.RFC3339, reset.Time); err != nil {
			errs = append(errs, field.Invalid(at.Child("time"), reset.Time, "a point in time as RFC 3339 writes it is expected, such as 2026-01-31T08:00:00Z"))
		}
	}
	if reset.Shift != nil {
		given++
		if *reset.Shift == 0 {
			errs = append(errs, field.Invalid(at.Child("shift"), *reset.Shift, "say by how much, forth or (with a minus) back"))
		}
	}
	switch {
	case given == 0:
		errs = append(errs, field.Required(at, "set to, offset, time or shift"))
	case given > 1:
		errs = append(errs, field.Forbidden(at, fmt.Sprintf("set one of to, offset, time and shift, not %d of them", given)))
	}
	return errs
}
