package kafkatopic_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

func text(value string) v1beta1.TopicRecord { return v1beta1.TopicRecord{Value: &value} }

// write tells the first answer: client-go asks another ten times when it is told to come again.
func write(client versioned.Interface, k *apiservertest.Kafka, topic string, records []v1beta1.TopicRecord, dryRun ...string) (*v1beta1.KafkaTopicRecords, error) {
	request := client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").Name(topic).SubResource("records").
		Body(&v1beta1.KafkaTopicRecords{Spec: v1beta1.KafkaTopicRecordsSpec{Records: records}}).MaxRetries(0)
	for _, what := range dryRun {
		request.Param("dryRun", what)
	}
	written := &v1beta1.KafkaTopicRecords{}
	err := request.Do(context.Background()).Into(written)
	return written, err
}

func mustWrite(t *testing.T, k *apiservertest.Kafka, topic string, records ...v1beta1.TopicRecord) *v1beta1.KafkaTopicRecords {
	t.Helper()
	written, err := write(server.Client, k, topic, records)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// consume reads so many records through a client of its own.
func consume(t *testing.T, k *apiservertest.Kafka, topic string, count int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v after %d records", err, len(records))
		}
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, r) })
	}
	return records
}

// written counts the records of a topic on the brokers.
func written(t *testing.T, k *apiservertest.Kafka, topic string) int64 {
	t.Helper()
	total := int64(0)
	for _, status := range mustPartitions(t, k, topic).Status.Partitions {
		total += ptr.Deref(status.EndOffset, 0)
	}
	return total
}

func TestRecordsAreOnTheBrokersWhenTheyAreAnswered(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	answer := mustWrite(t, k, "orders",
		v1beta1.TopicRecord{Key: ptr.To("a"), Value: ptr.To("text"), Partition: ptr.To[int32](1), Timestamp: "2026-01-31T13:00:00.5+01:00",
			Headers: []v1beta1.TopicRecordHeader{{Name: "h", Value: ptr.To("1")}, {Name: "h", ValueBase64: ptr.To("/w==")}, {Name: "null"}}},
		v1beta1.TopicRecord{KeyBase64: ptr.To("AP8="), ValueBase64: ptr.To("/v8="), Partition: ptr.To[int32](1)},
		v1beta1.TopicRecord{Key: ptr.To("a"), Tombstone: true, Partition: ptr.To[int32](1)},
	)
	if answer.Name != "orders" || answer.Namespace != topic.Namespace || answer.UID != topic.UID || len(answer.Spec.Records) != 0 || answer.ManagedFields != nil {
		t.Errorf("the answer is %+v", answer)
	}
	results := answer.Status.Results
	if len(results) != 3 || results[0] != (v1beta1.TopicRecordResult{Partition: 1, Offset: results[0].Offset, Timestamp: "2026-01-31T12:00:00.500Z"}) {
		t.Fatalf("results are %+v", results)
	}
	for i, result := range results {
		if result.Partition != 1 || ptr.Deref(result.Offset, -1) != int64(i) || result.Timestamp == "" {
			t.Errorf("result %d is %+v", i, result)
		}
	}
	got := consume(t, k, "orders", 3)
	if string(got[0].Key) != "a" || string(got[0].Value) != "text" || got[0].Timestamp.UnixMilli() != 1769860800500 || got[0].Partition != 1 {
		t.Errorf("the first is %+v", got[0])
	}
	if h := got[0].Headers; len(h) != 3 || string(h[0].Value) != "1" || !bytes.Equal(h[1].Value, []byte{255}) || h[2].Value != nil {
		t.Errorf("its headers are %+v", h)
	}
	if !bytes.Equal(got[1].Key, []byte{0, 255}) || !bytes.Equal(got[1].Value, []byte{254, 255}) || got[1].Timestamp.Before(time.Now().Add(-time.Minute)) {
		t.Errorf("the second is %+v", got[1])
	}
	if got[2].Value != nil {
		t.Errorf("the tombstone is %+v", got[2])
	}
}

func TestBadRecordsAreRefusedByName(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Config = map[string]string{"max.message.bytes": "2000"}
	}))
	bad := func(change func(*v1beta1.TopicRecord)) []v1beta1.TopicRecord {
		records := []v1beta1.TopicRecord{text("good"), text("bad")}
		change(&records[1])
		return records
	}
	for name, tt := range map[string]struct {
		records []v1beta1.TopicRecord
		code    int32
		says    []string
	}{
		"none":                 {nil, 422, []string{"spec.records", "at least one"}},
		"too many":             {make([]v1beta1.TopicRecord, 10001), 422, []string{"spec.records", "10000"}},
		"no value":             {bad(func(r *v1beta1.TopicRecord) { r.Value = nil }), 422, []string{"spec.records[1].value", "tombstone"}},
		"value of a tombstone": {bad(func(r *v1beta1.TopicRecord) { r.Tombstone = true }), 422, []string{"spec.records[1].tombstone"}},
		"two values":           {bad(func(r *v1beta1.TopicRecord) { r.ValueBase64 = ptr.To("") }), 422, []string{"spec.records[1].valueBase64", "use one"}},
		"no base64":            {bad(func(r *v1beta1.TopicRecord) { r.KeyBase64 = ptr.To("?") }), 422, []string{"spec.records[1].keyBase64", "base64"}},
		"nameless header":      {bad(func(r *v1beta1.TopicRecord) { r.Headers = []v1beta1.TopicRecordHeader{{}} }), 422, []string{"spec.records[1].headers[0].name"}},
		"no time":              {bad(func(r *v1beta1.TopicRecord) { r.Timestamp = "yesterday" }), 422, []string{"spec.records[1].timestamp", "RFC 3339"}},
		"before all times":     {bad(func(r *v1beta1.TopicRecord) { r.Timestamp = "1969-12-31T23:59:59Z" }), 422, []string{"spec.records[1].timestamp", "1970"}},
		"no partition":         {bad(func(r *v1beta1.TopicRecord) { r.Partition = ptr.To[int32](3) }), 422, []string{"spec.records[1].partition", "0 to 2"}},
		"negative":             {bad(func(r *v1beta1.TopicRecord) { r.Partition = ptr.To[int32](-1) }), 422, []string{"spec.records[1].partition"}},
		"too large":            {bad(func(r *v1beta1.TopicRecord) { r.Value = ptr.To(strings.Repeat(".", 2000)) }), 413, []string{"spec.records[1]", "max.message.bytes is 2000"}},
	} {
		for _, dryRun := range [][]string{nil, {metav1.DryRunAll}} {
			_, err := write(server.Client, k, "orders", tt.records, dryRun...)
			t.Run(name, func(t *testing.T) {
				expectStatus(t, err, tt.code, tt.says...)
				var refusal apierrors.APIStatus
				if errors.As(err, &refusal) && tt.code == 422 && refusal.Status().Details.Kind != "KafkaTopicRecords" {
					t.Errorf("the path is one of %s: %v", refusal.Status().Details.Kind, err)
				}
			})
		}
	}
	if n := written(t, k, "orders"); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

func TestABodyAboveTheServersLimitIsA413(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) }))
	_, err := write(server.Client, k, "orders", []v1beta1.TopicRecord{text(strings.Repeat(".", 17<<20))})
	expectStatus(t, err, 413)
}

func TestALargeRecordIsWrittenToATopicThatTakesIt(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Replicas, topic.Spec.Config = ptr.To[int32](1), map[string]string{"max.message.bytes": "10485760"}
	}))
	mustWrite(t, k, "orders", text(strings.Repeat("x", 5<<20)))
	lines := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{})
	if len(lines) != 1 || len(ptr.Deref(lines[0].Value, "")) != 5<<20 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestADryRunOfRecordsAnswersTheirPartitions(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	keyed := []v1beta1.TopicRecord{{Key: ptr.To("a"), Value: ptr.To("")}, {Key: ptr.To("b"), Value: ptr.To("")}, {Key: ptr.To("c"), Value: ptr.To("")}}
	planned, err := write(server.Client, k, "orders", keyed, metav1.DryRunAll)
	if err != nil {
		t.Fatal(err)
	}
	if n := written(t, k, "orders"); n != 0 {
		t.Errorf("%d records were written", n)
	}
	for i, result := range mustWrite(t, k, "orders", keyed...).Status.Results {
		if plan := planned.Status.Results[i]; plan.Partition != result.Partition || plan.Offset != nil {
			t.Errorf("record %d went to %+v, the dry run said %+v", i, result, plan)
		}
	}
}

func TestRecordsAreForTheTopicThatWasMeant(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	send := func(meta metav1.ObjectMeta) error {
		_, err := topicsOf(server.Client, k).CreateRecords(t.Context(), "orders", &v1beta1.KafkaTopicRecords{ObjectMeta: meta,
			Spec: v1beta1.KafkaTopicRecordsSpec{Records: []v1beta1.TopicRecord{text("one")}}}, metav1.CreateOptions{})
		return err
	}
	expectStatus(t, send(metav1.ObjectMeta{Name: "payments"}), 400, "payments", "orders")
	expectStatus(t, send(metav1.ObjectMeta{UID: types.UID("another")}), 409, "another")
	if err := send(metav1.ObjectMeta{Name: "orders", UID: topic.UID}); err != nil {
		t.Error(err)
	}
	_, err := write(server.Client, k, "no-such", []v1beta1.TopicRecord{text("one")})
	expectStatus(t, err, 404)
	if n := written(t, k, "orders"); n != 1 {
		t.Errorf("%d records were written", n)
	}
}

func TestRecordsAndLogAreRightsOfTheirOwn(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	may := func(verb, subresource string) versioned.Interface {
		client, _ := server.As(t, func(a authorizer.Attributes) bool {
			return a.GetVerb() == verb && a.GetResource() == "kafkatopics" && a.GetSubresource() == subresource
		})
		return client
	}
	for name, tt := range map[string]struct {
		client      versioned.Interface
		write, read bool
	}{
		"create records": {may("create", "records"), true, false},
		"get log":        {may("get", "log"), false, true},
		"get topics":     {may("get", ""), false, false},
		"create log":     {may("create", "log"), false, false},
	} {
		_, err := write(tt.client, k, "orders", []v1beta1.TopicRecord{text("one")})
		if tt.write && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !tt.write {
			expectStatus(t, err, 403)
		}
		_, err = topicsOf(tt.client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context())
		if tt.read && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !tt.read {
			expectStatus(t, err, 403)
		}
	}
}

func TestAdmissionJudgesRecordsAndLog(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	var seen []string
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		seen = append(seen, string(a.GetOperation())+" "+a.GetSubresource())
		return errNo
	})
	for _, dryRun := range [][]string{nil, {metav1.DryRunAll}} {
		_, err := write(server.Client, k, "orders", []v1beta1.TopicRecord{text("one")}, dryRun...)
		if err == nil || !strings.Contains(err.Error(), errNo.Error()) {
			t.Errorf("records: %v", err)
		}
	}
	err := topicsOf(server.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).Do(t.Context()).Error()
	if err == nil || !strings.Contains(err.Error(), errNo.Error()) {
		t.Errorf("log: %v", err)
	}
	if got := strings.Join(seen, ", "); got != "CREATE records, CREATE records, CONNECT log" {
		t.Errorf("admission saw %s", got)
	}
	if n := written(t, k, "orders"); n != 0 {
		t.Errorf("%d records were written", n)
	}
}

// refuseProduce makes the brokers refuse what is written to some partitions.
func refuseProduce(k *apiservertest.Kafka, codes map[int32]int16) {
	k.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				code, refused := codes[rp.Partition]
				if !refused {
					return nil, nil, false
				}
				partition := kmsg.NewProduceResponseTopicPartition()
				partition.Partition, partition.ErrorCode = rp.Partition, code
				topic.Partitions = append(topic.Partitions, partition)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

func TestWhatBrokersRefuseIsTheAnswer(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	refuseProduce(k, map[int32]int16{0: 19})
	on := func(partition int32) v1beta1.TopicRecord {
		return v1beta1.TopicRecord{Value: ptr.To(""), Partition: &partition}
	}
	_, err := write(server.Client, k, "orders", []v1beta1.TopicRecord{on(0), on(0)})
	expectStatus(t, err, 503, "NOT_ENOUGH_REPLICAS", "spec.records[0]")

	// Some written, some not: the answer says of each, and a warning that it does.
	client, warnings := server.Warned(t)
	answer, err := write(client, k, "orders", []v1beta1.TopicRecord{on(1), on(0), on(2)})
	if err != nil {
		t.Fatal(err)
	}
	results := answer.Status.Results
	if results[1].Reason != "NOT_ENOUGH_REPLICAS" || results[1].Offset != nil || results[1].Message == "" || results[0].Reason != "" || ptr.Deref(results[2].Offset, -1) != 0 {
		t.Errorf("results are %+v", results)
	}
	if texts := strings.Join(warnings.Take(), "\n"); !strings.Contains(texts, "1 of 3 records were not written, see status: ") {
		t.Errorf("warnings are %q", texts)
	}
}

// Who is told that a record was not written writes it again.
func TestAWarningDoesNotCallARecordUnwrittenThatMayBe(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	on := func(partition int32) v1beta1.TopicRecord {
		return v1beta1.TopicRecord{Value: ptr.To(""), Partition: &partition}
	}
	refuseProduce(k, map[int32]int16{1: 20})
	client, warnings := server.Warned(t)
	answer := &v1beta1.KafkaTopicRecords{}
	err := client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").Name("orders").SubResource("records").Timeout(4 * time.Second).
		Body(&v1beta1.KafkaTopicRecords{Spec: v1beta1.KafkaTopicRecordsSpec{Records: []v1beta1.TopicRecord{on(0), on(1), on(2)}}}).Do(t.Context()).Into(answer)
	if err != nil || answer.Status.Results[1].Reason != v1beta1.ReasonOutcomeUnknown {
		t.Fatalf("the answer is %+v, %v", answer.Status, err)
	}
	if text := onlyWarning(t, warnings); !strings.HasPrefix(text, "of 1 of 3 records nobody knows whether it was written, see status: ") {
		t.Errorf("the warning is %q", text)
	}
}

// A client that is told to come again would write the record twice.
func TestAnUnknownOutcomeIsNotToBeTriedAgainBlindly(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) }))
	refuseProduce(k, map[int32]int16{0: 20, 1: 20, 2: 20})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	started := time.Now()
	raw := server.Client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").Name("orders").
		SubResource("records").Timeout(4 * time.Second).Body(&v1beta1.KafkaTopicRecords{Spec: v1beta1.KafkaTopicRecordsSpec{Records: []v1beta1.TopicRecord{text("maybe")}}}).Do(ctx)
	err := raw.Error()
	expectStatus(t, err, 504, "outcome is unknown")
	if took := time.Since(started); took > 15*time.Second {
		t.Errorf("it took %v: the client has tried again by itself", took)
	}
}

func TestRecordsForBrokersThatAreAway(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	k.Refuse()
	started := time.Now()
	_, err := write(server.Client, k, "orders", []v1beta1.TopicRecord{text("one")})
	expectStatus(t, err, 503)
	_, err = topicsOf(server.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context())
	expectStatus(t, err, 503)
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
