package validation

import (
	"encoding/base64"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// ValidateRecords judges records to write. What the topic takes is not its matter.
func ValidateRecords(records *kafka.KafkaTopicRecords) field.ErrorList {
	path := field.NewPath("spec", "records")
	switch n := len(records.Spec.Records); {
	case n == 0:
		return field.ErrorList{field.Required(path, "name at least one record")}
	case n > MaxRecords:
		return field.ErrorList{field.TooMany(path, n, MaxRecords)}
	}
	var errs field.ErrorList
	for i := range records.Spec.Records {
		if enough(errs) {
			break
		}
		errs = append(errs, validateRecord(&records.Spec.Records[i], path.Index(i))...)
	}
	return errs
}

func validateRecord(r *kafka.TopicRecord, path *field.Path) field.ErrorList {
	errs := oneForm(r.Key, r.KeyBase64, path, "key")
	errs = append(errs, oneForm(r.Value, r.ValueBase64, path, "value")...)
	hasValue := r.Value != nil || r.ValueBase64 != nil
	switch {
	case hasValue && r.Tombstone:
		errs = append(errs, field.Forbidden(path.Child("tombstone"), "a tombstone has no value"))
	case !hasValue && !r.Tombstone:
		errs = append(errs, field.Required(path.Child("value"), "set value, valueBase64, or tombstone for a value that is null"))
	}
	for i := range r.Headers {
		if enough(errs) {
			break
		}
		h, at := &r.Headers[i], path.Child("headers").Index(i)
		if h.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		}
		errs = append(errs, oneForm(h.Value, h.ValueBase64, at, "value")...)
	}
	if r.Partition != nil && *r.Partition < 0 {
		errs = append(errs, field.Invalid(path.Child("partition"), *r.Partition, "partitions count from 0"))
	}
	if r.Timestamp != "" {
		at, err := time.Parse(time.RFC3339, r.Timestamp)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path.Child("timestamp"), r.Timestamp, `use RFC 3339, such as "2026-01-31T12:00:00.123Z"`))
		case at.UnixMilli() < 0:
			errs = append(errs, field.Invalid(path.Child("timestamp"), r.Timestamp, "Kafka counts from 1970 on"))
		}
	}
	return errs
}

// oneForm checks a field that is text or base64.
func oneForm(text, encoded *string, path *field.Path, name string) field.ErrorList {
	if encoded == nil {
		return nil
	}
	at := path.Child(name + "Base64")
	if text != nil {
		return field.ErrorList{field.Forbidden(at, fmt.Sprintf("%s is set as well; use one of them", name))}
	}
	if _, err := base64.StdEncoding.DecodeString(*encoded); err != nil {
		return field.ErrorList{field.Invalid(at, abbreviated(*encoded), "not standard base64 with padding: "+err.Error())}
	}
	return nil
}

// abbreviated keeps a message short whatever it quotes.
func abbreviated(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
