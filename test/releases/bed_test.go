//go:build long

// Package releases tries the API on each line of Apache Kafka, and has other clients judge what it writes and reads.
package releases

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

func TestMain(m *testing.M) { testbed.Main(m) }

const (
	namespace = "releases"
	patience  = testbed.Patience
)

// bed is a Kafka of one broker, known to the server by a name.
type bed struct{ *testbed.Bed }

// newTopic makes a topic of that name on the brokers, of which old records stay.
func (b *bed) newTopic(t *testing.T, name string, partitions int32, config v1beta1.TopicConfig) *v1beta1.KafkaTopic {
	t.Helper()
	all := v1beta1.TopicConfig{"retention.ms": "-1"}
	maps.Copy(all, config)
	return b.NewTopic(t, name, partitions, 1, all)
}

// record is a record as all clients see it. Null and empty are not the same.
type record struct {
	Key     []byte   `json:"key"`
	Value   []byte   `json:"value"`
	Headers []header `json:"headers"`
	// Time is in milliseconds.
	Time int64 `json:"time"`
}

type header struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

func (r record) String() string {
	show := func(b []byte) string {
		switch {
		case b == nil:
			return "null"
		case len(b) > 40:
			return fmt.Sprintf("%.40q... (%d bytes)", b, len(b))
		}
		return fmt.Sprintf("%q", b)
	}
	text := fmt.Sprintf("%s = %s at %d", show(r.Key), show(r.Value), r.Time)
	for _, h := range r.Headers {
		text += fmt.Sprintf(", %s: %s", h.Name, show(h.Value))
	}
	return text
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func (r record) equal(other record) bool {
	return same(r.Key, other.Key) && same(r.Value, other.Value) && r.Time == other.Time &&
		slices.EqualFunc(r.Headers, other.Headers, func(a, b header) bool { return a.Name == b.Name && same(a.Value, b.Value) })
}

func expectRecords(t *testing.T, who string, got, want []record) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", who, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if !got[i].equal(want[i]) {
			t.Errorf("%s: record %d is %v, want %v", who, i, got[i], want[i])
		}
	}
}

// content is a field of the API, which is text or base64.
func content(t *testing.T, text, encoded *string) []byte {
	t.Helper()
	if encoded != nil {
		raw, err := base64.StdEncoding.DecodeString(*encoded)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if text != nil {
		return []byte(*text)
	}
	return nil
}

// log reads a topic through the API.
func (b *bed) log(t *testing.T, topic string) []record {
	t.Helper()
	stream, err := b.Topics().GetLog(topic, &v1beta1.KafkaTopicLogOptions{}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var records []record
	for lines := json.NewDecoder(stream); lines.More(); {
		var entry v1beta1.TopicLogEntry
		if err := lines.Decode(&entry); err != nil {
			t.Fatal(err)
		}
		if entry.Error != nil || entry.Warning != nil {
			t.Fatalf("the log says %+v, %+v", entry.Error, entry.Warning)
		}
		at, err := time.Parse(time.RFC3339, entry.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		r := record{Key: content(t, entry.Key, entry.KeyBase64), Value: content(t, entry.Value, entry.ValueBase64), Time: at.UnixMilli()}
		if (r.Value == nil) != entry.Tombstone {
			t.Errorf("a tombstone is %v in %v", entry.Tombstone, r)
		}
		for _, h := range entry.Headers {
			r.Headers = append(r.Headers, header{h.Name, content(t, h.Value, h.ValueBase64)})
		}
		records = append(records, r)
	}
	return records
}

// write writes records to partition 0 of a topic through the API, each in a request of its own if they are large.
func (b *bed) write(t *testing.T, topic string, records []record) {
	t.Helper()
	encode := func(raw []byte) *string {
		if raw == nil {
			return nil
		}
		return ptr.To(base64.StdEncoding.EncodeToString(raw))
	}
	var bodies []*v1beta1.KafkaTopicRecords
	size := 0
	for _, r := range records {
		out := v1beta1.TopicRecord{KeyBase64: encode(r.Key), ValueBase64: encode(r.Value), Tombstone: r.Value == nil, Partition: ptr.To[int32](0),
			Timestamp: time.UnixMilli(r.Time).UTC().Format("2006-01-02T15:04:05.000Z07:00")}
		for _, h := range r.Headers {
			out.Headers = append(out.Headers, v1beta1.TopicRecordHeader{Name: h.Name, ValueBase64: encode(h.Value)})
		}
		if size += len(r.Value); len(bodies) == 0 || size > 1<<20 {
			bodies, size = append(bodies, &v1beta1.KafkaTopicRecords{}), len(r.Value)
		}
		body := bodies[len(bodies)-1]
		body.Spec.Records = append(body.Spec.Records, out)
	}
	for _, body := range bodies {
		answer, err := b.Topics().CreateRecords(t.Context(), topic, body, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, result := range answer.Status.Results {
			if result.Reason != "" || result.Offset == nil {
				t.Fatalf("record %d: %+v", i, result)
			}
		}
	}
}

// produced writes records with another client.
func produced(t *testing.T, client *kgo.Client, topic string, records []record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, r := range records {
		out := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		if err := client.ProduceSync(ctx, out).FirstErr(); err != nil {
			t.Fatalf("%v: %v", r, err)
		}
	}
}

// consumed reads so many records of partition 0 with another client.
func (b *bed) consumed(t *testing.T, topic string, count int, options ...kgo.Opt) []record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := b.Client(t, append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))...)
	var records []record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), count, err)
		}
		fetches.EachRecord(func(in *kgo.Record) {
			r := record{Key: in.Key, Value: in.Value, Time: in.Timestamp.UnixMilli()}
			for _, h := range in.Headers {
				r.Headers = append(r.Headers, header{h.Key, h.Value})
			}
			records = append(records, r)
		})
	}
	return records
}

// dotless is a version in a name.
func dotless(version string) string { return strings.ReplaceAll(version, ".", "-") }
