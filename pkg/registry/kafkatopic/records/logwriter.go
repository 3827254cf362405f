package records

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

const (
	mimeLines  = "application/x-ndjson"
	mimeValues = "application/octet-stream"
	// logBuffer is what is collected before it is sent, unless the brokers have nothing more at the moment.
	logBuffer = 32 << 10
)

// errEnough ends a log that has reached its limit.
var errEnough = errors.New("limit reached")

// logWriter writes a topic's log to a client. The stream begins with the first answer of a broker: until then an error can be
// answered as one.
type logWriter struct {
	w      http.ResponseWriter
	buffer *bufio.Writer
	lines  *json.Encoder // nil with output=value
	// left is how many more records to write, -1 without a limit.
	left int64
	// begun tells that the client has been told that all is well; gone that it does not listen any more.
	begun, gone bool
}

var _ broker.Sink = &logWriter{}

func newLogWriter(w http.ResponseWriter, options *kafka.KafkaTopicLogOptions) *logWriter {
	out := &logWriter{w: w, buffer: bufio.NewWriterSize(w, logBuffer), left: -1}
	if options.Output != kafka.LogValue {
		out.lines = json.NewEncoder(out.buffer)
		out.lines.SetEscapeHTML(false)
	}
	if options.Limit != nil {
		out.left = *options.Limit
	}
	return out
}

func (o *logWriter) begin() {
	if o.begun {
		return
	}
	o.begun = true
	mime := mimeLines
	if o.lines == nil {
		mime = mimeValues
	}
	o.w.Header().Set("Content-Type", mime)
	o.w.Header().Set("Cache-Control", "no-store")
	o.w.WriteHeader(http.StatusOK)
}

// sent notes whether the client took it.
func (o *logWriter) sent(err error) error {
	if err != nil {
		o.gone = true
	}
	return err
}

// Record implements broker.Sink.
func (o *logWriter) Record(r kafkarecord.Record) error {
	o.begin()
	if o.lines == nil {
		if _, err := o.buffer.Write(r.Value); err != nil {
			return o.sent(err)
		}
		if err := o.sent(o.buffer.WriteByte('\n')); err != nil {
			return err
		}
	} else if err := o.sent(o.lines.Encode(logEntry(r))); err != nil {
		return err
	}
	if o.left > 0 {
		if o.left--; o.left == 0 {
			return errEnough
		}
	}
	return nil
}

// Gap implements broker.Sink.
func (o *logWriter) Gap(g broker.Gap) error {
	o.begin()
	if o.lines == nil {
		return nil
	}
	notice := &v1beta1.TopicLogNotice{Reason: v1beta1.LogRecordsGone, Message: fmt.Sprintf(
		"offsets %d to %d are not there any more, because of retention or because records were deleted; reading goes on at %d", g.From, g.Next-1, g.Next)}
	if g.Next < g.From {
		notice = &v1beta1.TopicLogNotice{Reason: v1beta1.LogTruncated, Message: fmt.Sprintf(
			"the partition lost its records from offset %d on, of which those before %d have been read; others may be in their place: reading goes on at %d",
			g.Next, g.From, g.Next)}
	}
	return o.sent(o.lines.Encode(v1beta1.TopicLogEntry{Partition: ptr.To(g.Partition), Warning: notice}))
}

// Idle implements broker.Sink: what is written so far is sent.
func (o *logWriter) Idle() error {
	fresh := !o.begun
	o.begin()
	if o.buffer.Buffered() == 0 && !fresh {
		return nil
	}
	return o.flush()
}

func (o *logWriter) flush() error {
	if err := o.sent(o.buffer.Flush()); err != nil {
		return err
	}
	return o.sent(http.NewResponseController(o.w).Flush())
}

// finish ends a log that is complete.
func (o *logWriter) finish() {
	o.begin()
	_ = o.flush()
}

// fail writes why a log breaks off. With output=value there is no place for words.
func (o *logWriter) fail(status *apierrors.StatusError) {
	if o.lines != nil {
		_ = o.lines.Encode(v1beta1.TopicLogEntry{Error: &v1beta1.TopicLogNotice{
			Reason: string(status.ErrStatus.Reason), Message: status.ErrStatus.Message}})
	}
	_ = o.flush()
}

func logEntry(r kafkarecord.Record) v1beta1.TopicLogEntry {
	entry := v1beta1.TopicLogEntry{
		Partition: &r.Partition, Offset: &r.Offset, Timestamp: recordTime(r.Timestamp), Tombstone: r.Value == nil,
	}
	entry.Key, entry.KeyBase64 = textOrBase64(r.Key)
	entry.Value, entry.ValueBase64 = textOrBase64(r.Value)
	for _, h := range r.Headers {
		header := v1beta1.TopicRecordHeader{Name: h.Name}
		header.Value, header.ValueBase64 = textOrBase64(h.Value)
		entry.Headers = append(entry.Headers, header)
	}
	return entry
}

// textOrBase64 is bytes as JSON takes them; null is neither.
func textOrBase64(b []byte) (text, encoded *string) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		return ptr.To(string(b)), nil
	}
	return nil, ptr.To(base64.StdEncoding.EncodeToString(b))
}
