package validation

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// maxTail bounds the records that a log looks back for; to find them it has to count them.
const maxTail = 100000

// ValidateLogOptions judges what a topic's log is asked for. Which partitions and offsets there are is not its matter.
func ValidateLogOptions(o *kafka.KafkaTopicLogOptions) field.ErrorList {
	var errs field.ErrorList
	if o.Partition != nil && *o.Partition < 0 {
		errs = append(errs, field.Invalid(field.NewPath("partition"), *o.Partition, "partitions count from 0"))
	}
	starts := 0
	for _, given := range []bool{o.Offset != "", o.Since != "", o.Tail != nil} {
		if given {
			starts++
		}
	}
	if starts > 1 {
		errs = append(errs, field.Forbidden(field.NewPath("offset"), "use one of offset, since and tail"))
	}
	switch o.Offset {
	case "", kafka.LogEarliest, kafka.LogLatest:
	default:
		n, err := strconv.ParseInt(o.Offset, 10, 64)
		switch {
		case err != nil || n < 0:
			errs = append(errs, field.Invalid(field.NewPath("offset"), o.Offset, "accepted are earliest, latest, and a number from 0 on"))
		case o.Partition == nil:
			errs = append(errs, field.Required(field.NewPath("partition"), "an offset that is a number is one of a single partition"))
		}
	}
	if o.Since != "" {
		if _, err := LogSince(o.Since, time.Time{}); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("since"), o.Since, `accepted are RFC 3339, such as "2026-01-31T12:00:00Z", and how long ago, such as "90s" or "2h"`))
		}
	}
	if o.Tail != nil && (*o.Tail < 0 || *o.Tail > maxTail) {
		errs = append(errs, field.Invalid(field.NewPath("tail"), *o.Tail, "accepted is a number from 0 to "+strconv.Itoa(maxTail)))
	}
	if o.Limit != nil && *o.Limit < 1 {
		errs = append(errs, field.Invalid(field.NewPath("limit"), *o.Limit, "accepted is a number from 1 on"))
	}
	switch o.Output {
	case "", kafka.LogJSON, kafka.LogValue:
	default:
		errs = append(errs, field.NotSupported(field.NewPath("output"), o.Output, []string{kafka.LogJSON, kafka.LogValue}))
	}
	return errs
}

// LogSince is the time that the option since means.
func LogSince(since string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(since); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Parse(time.RFC3339, since)
}
