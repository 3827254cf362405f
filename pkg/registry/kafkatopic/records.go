package kafkatopic

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

// RecordsREST is kafkatopics/records: creating one writes records to the topic.
type RecordsREST struct {
	plane *plane
}

var (
	_ rest.NamedCreater                   = &RecordsREST{}
	_ rest.SubresourceObjectMetaPreserver = &RecordsREST{}
	_ rest.TableConvertor                 = &RecordsREST{}
	_ rest.Storage                        = &RecordsREST{}
)

// New implements rest.Storage.
func (*RecordsREST) New() runtime.Object { return &kafka.KafkaTopicRecords{} }

// Destroy implements rest.Storage.
func (*RecordsREST) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate implements rest.SubresourceObjectMetaPreserver: a uid in the body says
// which topic is meant.
func (*RecordsREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// ConvertToTable implements rest.TableConvertor.
func (*RecordsREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return recordResults.ConvertToTable(ctx, object, options)
}

// Create implements rest.NamedCreater. It answers when the brokers have the records; with none of them written the answer is the
// error.
func (r *RecordsREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	ctx, cancel := writeDeadline(ctx)
	defer cancel()
	in, ok := obj.(*kafka.KafkaTopicRecords)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected KafkaTopicRecords, got %T", obj))
	}
	if errs := validation.ValidateRecords(in); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicRecords"), name, errs)
	}
	topic, cluster, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, err
	}
	if in.Name == "" {
		in.Name = topic.Name
	}
	if err := sameObject(topic, &in.ObjectMeta, nil); err != nil {
		return nil, err
	}
	in.Namespace = topic.Namespace
	if validate != nil {
		if err := validate(ctx, in.DeepCopy()); err != nil {
			return nil, err
		}
	}
	records, err := newRecords(in.Spec.Records, r.plane.clock.Now())
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	// What is cut short may have been written.
	live.Keep(ctx)
	written, err := cluster.Produce(ctx, have, records, dryrun.IsDryRun(options.DryRun))
	if err != nil {
		return nil, recordRefusal(err, name)
	}
	if err := noneWritten(written); err != nil {
		return nil, recordRefusal(err, name)
	}
	out := &kafka.KafkaTopicRecords{ObjectMeta: metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace, UID: topic.UID}}
	out.Status.Results = recordResultsOf(written)
	warnOfFailures(ctx, written)
	return out, nil
}

// writeDeadline is live.Deadline for a request whose client has set a shorter one: when that is over the server answers by itself,
// and not that records may have been written.
func writeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := live.Deadline(ctx)
	at, ok := ctx.Deadline()
	if !ok {
		return inner, cancel
	}
	reserve := min(time.Until(at)/4, time.Second)
	shorter, cancelShorter := context.WithDeadline(inner, at.Add(-reserve))
	return shorter, func() { cancelShorter(); cancel() }
}

// newRecords are records as the brokers take them; their base64 was checked before.
func newRecords(in []kafka.TopicRecord, now time.Time) ([]broker.NewRecord, error) {
	out := make([]broker.NewRecord, 0, len(in))
	for i := range in {
		record, err := newRecord(&in[i], now)
		if err != nil {
			return nil, fmt.Errorf("read record %d: %w", i, err)
		}
		out = append(out, record)
	}
	return out, nil
}

func newRecord(in *kafka.TopicRecord, now time.Time) (out broker.NewRecord, err error) {
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
		out.Headers = append(out.Headers, broker.RecordHeader{Name: h.Name, Value: value})
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
		if first == nil || broker.IsUnknownOutcome(w.Err) && !broker.IsUnknownOutcome(first) {
			first = &broker.RecordError{Index: i, Err: w.Err}
		}
	}
	return first
}

// recordRefusal says which record an error is about.
func recordRefusal(err error, name string) error {
	gr := kafka.Resource("kafkatopics")
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
	}
	return status
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
	var refused *broker.Error
	switch {
	case broker.IsUnknownOutcome(err):
		return kafka.ReasonOutcomeUnknown
	case errors.As(err, &refused):
		return refused.Name
	}
	return string(metav1.StatusReasonServiceUnavailable)
}

// recordTime is a timestamp in the precision that Kafka keeps.
func recordTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

func warnOfFailures(ctx context.Context, written []broker.WrittenRecord) {
	failed := 0
	var first error
	for _, w := range written {
		if w.Err != nil {
			failed++
			if first == nil {
				first = w.Err
			}
		}
	}
	if failed > 0 {
		live.Warn(ctx, fmt.Sprintf("%d of %d records were not written, see status.results", failed, len(written)), first)
	}
}

var recordResults = table.Convertor[*kafka.KafkaTopicRecords]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Record", Type: "integer", Description: "Index of the record in the request."},
		table.Column("Partition", "integer", "Partition that the record went to."),
		table.Column("Offset", "string", "Offset of the record."),
		table.Column("Timestamp", "string", "Timestamp of the record."),
		table.Column("Reason", "string", "Why the record was not written."),
		table.Wide("Message", "string", "Why the record was not written, in the brokers' words."),
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
