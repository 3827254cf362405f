// Package records writes records to topics and streams them.
package records

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

// Records is kafkatopics/records: creating one writes records to the topic. It answers when the brokers have the records; with none of
// them written the answer is the error.
type Records = sub.Action[resolver.Target, *kafka.KafkaTopicRecords, writing]

// writing is what is to be written, and what came of it.
type writing struct {
	records []kafkarecord.NewRecord
	written []broker.WrittenRecord
}

// NewRecords builds the action.
func NewRecords(r *resolver.Resolver, clock clock.PassiveClock) *Records {
	produce := func(dryRun bool) func(context.Context, resolver.Target, writing) (writing, error) {
		return func(ctx context.Context, t resolver.Target, plan writing) (writing, error) {
			written, err := t.Cluster.Produce(ctx, t.Have, plan.records, dryRun)
			if err == nil {
				err = noneWritten(written)
			}
			if err != nil {
				return plan, recordRefusal(err, t.Topic.Name)
			}
			plan.written = written
			return plan, nil
		}
	}
	return &Records{
		Type:    sub.TypeOf("KafkaTopicRecords", func() *kafka.KafkaTopicRecords { return &kafka.KafkaTopicRecords{} }, recordResults),
		Find:    r.Own,
		Prepare: func(in *kafka.KafkaTopicRecords) { in.Status = kafka.KafkaTopicRecordsStatus{} },
		Validate: func(_ resolver.Target, in *kafka.KafkaTopicRecords) field.ErrorList {
			return validation.ValidateRecords(in)
		},
		Ask: func(_ context.Context, _ resolver.Target, in *kafka.KafkaTopicRecords) (writing, error) {
			records, err := newRecords(in.Spec.Records, clock.Now())
			if err != nil {
				return writing{}, apierrors.NewInternalError(err)
			}
			return writing{records: records}, nil
		},
		Foresee: produce(true),
		Do:      produce(false),
		Record: func(ctx context.Context, t resolver.Target, _ *kafka.KafkaTopicRecords, plan writing) (*kafka.KafkaTopicRecords, error) {
			out := &kafka.KafkaTopicRecords{ObjectMeta: metav1.ObjectMeta{Name: t.Topic.Name, Namespace: t.Topic.Namespace, UID: t.Topic.UID}}
			out.Status.Results = recordResultsOf(plan.written)
			warnOfFailures(ctx, plan.written)
			return out, nil
		},
		// What is cut short may have been written.
		Once: true,
	}
}

// newRecords are records as the brokers take them; their base64 was checked before.
func newRecords(in []kafka.TopicRecord, now time.Time) ([]kafkarecord.NewRecord, error) {
	out := make([]kafkarecord.NewRecord, 0, len(in))
	for i := range in {
		record, err := newRecord(&in[i], now)
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", i, err)
		}
		out = append(out, record)
	}
	return out, nil
}

func newRecord(in *kafka.TopicRecord, now time.Time) (out kafkarecord.NewRecord, err error) {
	out.Partition, out.Timestamp = -1, now
	if in.Partition != nil {
		out.Partition = *in.Partition
	}
	if in.Timestamp != "" {
		if out.Timestamp, err = time.Parse(time.RFC3339, in.Timestamp); err != nil {
			return out, err
		}
	}
	if out.Key, err = content(in.Key, in.KeyBase64); err != nil {
		return out, err
	}
	if out.Value, err = content(in.Value, in.ValueBase64); err != nil {
		return out, err
	}
	for i := range in.Headers {
		h := &in.Headers[i]
		value, err := content(h.Value, h.ValueBase64)
		if err != nil {
			return out, err
		}
		out.Headers = append(out.Headers, kafkarecord.Header{Name: h.Name, Value: value})
	}
	return out, nil
}

// content is a field that is text or base64, nil when it is neither.
func content(text, encoded *string) ([]byte, error) {
	switch {
	case encoded != nil:
		return base64.StdEncoding.DecodeString(*encoded)
	case text != nil:
		return []byte(*text), nil
	}
	return nil, nil
}

// noneWritten is the error of records of which certainly or possibly none was written. One that may have been counts most: whoever
// gets another answer may try again.
func noneWritten(written []broker.WrittenRecord) error {
	var first error
	for i, w := range written {
		if w.Err == nil {
			return nil
		}
		if first == nil || kafkaerr.IsUnknownOutcome(w.Err) && !kafkaerr.IsUnknownOutcome(first) {
			first = &broker.RecordError{Index: i, Err: w.Err}
		}
	}
	return first
}

// recordRefusal says which record an error is about.
func recordRefusal(err error, name string) error {
	gr := resolver.Resource
	var at *broker.RecordError
	if !errors.As(err, &at) {
		return live.Refused(err, gr, name, "")
	}
	path := field.NewPath("spec", "records").Index(at.Index)
	if at.Partition {
		path = path.Child("partition")
	}
	status := live.Refused(at.Err, gr, name, path.String())
	if !apierrors.IsInvalid(status) {
		status.ErrStatus.Message = path.String() + ": " + status.ErrStatus.Message
		return status
	}
	// The path is one of the body, not of the topic.
	return live.InvalidBody(status, kafka.Kind("KafkaTopicRecords"))
}

func recordResultsOf(written []broker.WrittenRecord) []kafka.TopicRecordResult {
	results := make([]kafka.TopicRecordResult, 0, len(written))
	for _, w := range written {
		result := kafka.TopicRecordResult{Partition: w.Partition}
		switch {
		case w.Err != nil:
			result.Reason, result.Message = recordReason(w.Err), live.Line(w.Err)
		default:
			result.Timestamp = recordTime(w.Timestamp)
			if w.Offset >= 0 {
				result.Offset = ptr.To(w.Offset)
			}
		}
		results = append(results, result)
	}
	return results
}

// recordReason is Kafka's name of an error where it has one.
func recordReason(err error) string {
	var refused *kafkaerr.Error
	switch {
	case kafkaerr.IsUnknownOutcome(err):
		return kafka.ReasonOutcomeUnknown
	case errors.As(err, &refused):
		return refused.Name
	}
	return string(metav1.StatusReasonServiceUnavailable)
}

// recordTime is a timestamp in the precision that Kafka keeps.
func recordTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func warnOfFailures(ctx context.Context, written []broker.WrittenRecord) {
	var failures []error
	for _, w := range written {
		if w.Err != nil {
			failures = append(failures, w.Err)
		}
	}
	live.WarnOfSome(ctx, len(written), "record", "written", failures)
}

var recordResults = table.Convertor[*kafka.KafkaTopicRecords]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Record", Type: "integer", Description: "Index of the record in the request."},
		table.Column("Partition", "integer", "Partition that the record went to."),
		table.Column("Offset", "string", "Offset of the record."),
		table.Column("Timestamp", "string", "Timestamp of the record."),
		table.Column("Reason", "string", "Why the record was not written, or is not known to be."),
		table.Wide("Message", "string", "Why the record was not written, or is not known to be, in the brokers' words."),
	},
	Rows: func(records *kafka.KafkaTopicRecords) [][]any {
		rows := make([][]any, 0, len(records.Status.Results))
		for i, result := range records.Status.Results {
			offset := ""
			if result.Offset != nil {
				offset = fmt.Sprint(*result.Offset)
			}
			rows = append(rows, []any{int64(i), int64(result.Partition), offset, result.Timestamp, result.Reason, result.Message})
		}
		return rows
	},
	Row: func(records *kafka.KafkaTopicRecords, row int) *kafka.KafkaTopicRecords {
		one := *records
		one.Spec.Records, one.Status.Results = nil, records.Status.Results[row:row+1]
		return &one
	},
}
