package kafkatopic_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// readLog reads a log that ends.
func readLog(t *testing.T, client versioned.Interface, k *apiservertest.Kafka, topic string, options v1beta1.KafkaTopicLogOptions) []v1beta1.TopicLogEntry {
	t.Helper()
	raw, err := topicsOf(client, k).GetLog(topic, &options).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return entries(t, raw)
}

func entries(t *testing.T, raw []byte) []v1beta1.TopicLogEntry {
	t.Helper()
	var all []v1beta1.TopicLogEntry
	for line := range bytes.Lines(raw) {
		var entry v1beta1.TopicLogEntry
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, entry)
	}
	return all
}

// offsets are those of a partition, in the order they came.
func offsets(entries []v1beta1.TopicLogEntry, partition int32) []int64 {
	found := []int64{}
	for _, entry := range entries {
		if entry.Offset != nil && *entry.Partition == partition {
			found = append(found, *entry.Offset)
		}
	}
	return found
}

func count(from, to int64) []int64 {
	all := []int64{}
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// newWriter is a client of the brokers that writes where it is told to.
func newWriter(t *testing.T, k *apiservertest.Kafka, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func mustProduce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestLogShowsRecordsAsTheyAre(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	at := time.Date(2026, 1, 31, 12, 0, 0, 123e6, time.UTC)
	mustProduce(t, newWriter(t, k),
		&kgo.Record{Topic: "orders", Partition: 2, Timestamp: at, Key: []byte("key"), Value: []byte("<a> & \"b\"\nü"),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte{255}}, {Key: "null"}}},
		&kgo.Record{Topic: "orders", Partition: 2, Timestamp: at, Key: []byte{}, Value: []byte{}},
		&kgo.Record{Topic: "orders", Partition: 2, Timestamp: at, Key: []byte{0, 255}, Value: []byte{254}},
		&kgo.Record{Topic: "orders", Partition: 2, Timestamp: at})
	raw, err := topicsOf(server.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"partition":2,"offset":0,"timestamp":"2026-01-31T12:00:00.123Z","key":"key","value":"<a> & \"b\"\nü","headers":[{"name":"h","value":"1"},{"name":"h","valueBase64":"/w=="},{"name":"null"}]}
{"partition":2,"offset":1,"timestamp":"2026-01-31T12:00:00.123Z","key":"","value":""}
{"partition":2,"offset":2,"timestamp":"2026-01-31T12:00:00.123Z","keyBase64":"AP8=","valueBase64":"/g=="}
{"partition":2,"offset":3,"timestamp":"2026-01-31T12:00:00.123Z","tombstone":true}
`
	if string(raw) != want {
		t.Errorf("got\n%swant\n%s", raw, want)
	}
	values, err := topicsOf(server.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{Output: v1beta1.LogValue}).DoRaw(t.Context())
	if err != nil || string(values) != "<a> & \"b\"\nü\n\n\xfe\n\n" {
		t.Errorf("values are %q, %v", values, err)
	}
	// A line is a record that can be written again.
	entry := entries(t, raw)[2]
	mustWrite(t, k, "orders", v1beta1.TopicRecord{KeyBase64: entry.KeyBase64, ValueBase64: entry.ValueBase64, Partition: entry.Partition, Timestamp: entry.Timestamp})
	again := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{Tail: ptr.To[int64](1), Partition: ptr.To[int32](2)})
	if len(again) != 1 || *again[0].Offset != 4 || *again[0].ValueBase64 != "/g==" || again[0].Timestamp != entry.Timestamp {
		t.Errorf("written again it is %+v", again)
	}
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	client := newWriter(t, k)
	noon := time.Now().Add(-time.Hour).Truncate(time.Minute)
	for p := range int32(2) {
		for i := range 10 {
			mustProduce(t, client, &kgo.Record{Topic: "orders", Partition: p, Value: []byte(strconv.Itoa(i)), Timestamp: noon.Add(time.Duration(i) * time.Minute)})
		}
	}
	all := v1beta1.KafkaTopicLogOptions{}
	for name, tt := range map[string]struct {
		options v1beta1.KafkaTopicLogOptions
		want    [2][]int64
	}{
		"nothing":           {all, [2][]int64{count(0, 10), count(0, 10)}},
		"earliest":          {v1beta1.KafkaTopicLogOptions{Offset: "earliest"}, [2][]int64{count(0, 10), count(0, 10)}},
		"latest":            {v1beta1.KafkaTopicLogOptions{Offset: "latest"}, [2][]int64{{}, {}}},
		"a partition":       {v1beta1.KafkaTopicLogOptions{Partition: ptr.To[int32](1)}, [2][]int64{{}, count(0, 10)}},
		"an offset":         {v1beta1.KafkaTopicLogOptions{Partition: ptr.To[int32](1), Offset: "7"}, [2][]int64{{}, count(7, 10)}},
		"the end":           {v1beta1.KafkaTopicLogOptions{Partition: ptr.To[int32](1), Offset: "10"}, [2][]int64{{}, {}}},
		"a tail":            {v1beta1.KafkaTopicLogOptions{Tail: ptr.To[int64](3)}, [2][]int64{count(7, 10), count(7, 10)}},
		"no tail":           {v1beta1.KafkaTopicLogOptions{Tail: ptr.To[int64](0)}, [2][]int64{{}, {}}},
		"a long tail":       {v1beta1.KafkaTopicLogOptions{Tail: ptr.To[int64](30)}, [2][]int64{count(0, 10), count(0, 10)}},
		"a time":            {v1beta1.KafkaTopicLogOptions{Since: noon.Add(4 * time.Minute).Format(time.RFC3339)}, [2][]int64{count(4, 10), count(4, 10)}},
		"a time with parts": {v1beta1.KafkaTopicLogOptions{Since: noon.Add(4*time.Minute + time.Millisecond).Format(time.RFC3339Nano)}, [2][]int64{count(5, 10), count(5, 10)}},
		"a long time":       {v1beta1.KafkaTopicLogOptions{Since: "2h"}, [2][]int64{count(0, 10), count(0, 10)}},
		"a short time":      {v1beta1.KafkaTopicLogOptions{Since: "1s"}, [2][]int64{{}, {}}},
		"a limit":           {v1beta1.KafkaTopicLogOptions{Partition: ptr.To[int32](0), Limit: ptr.To[int64](4)}, [2][]int64{count(0, 4), {}}},
	} {
		got := readLog(t, server.Client, k, "orders", tt.options)
		for p := range int32(2) {
			if found := offsets(got, p); !slices.Equal(found, tt.want[p]) {
				t.Errorf("%s: partition %d is read as %v, want %v", name, p, found, tt.want[p])
			}
		}
	}
	if got := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{Limit: ptr.To[int64](13)}); len(got) != 13 {
		t.Errorf("%d records with a limit of 13", len(got))
	}
}

func TestBadLogOptionsAreRefusedByName(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	for query, tt := range map[string]struct {
		code int32
		says []string
	}{
		"tale=5":                 {400, []string{"tale", "partition, offset, since, tail, limit, follow, output"}},
		"tail=5&tail=6":          {400, []string{`"tail"`, "2 times"}},
		"tail=five":              {400, []string{`"tail"`, "five", "whole number"}},
		"limit=-1":               {400, []string{`"limit"`, "-1"}},
		"partition=one":          {400, []string{`"partition"`, "one"}},
		"partition=99999999999":  {400, []string{`"partition"`}},
		"follow=maybe":           {400, []string{`"follow"`, "true and false"}},
		"dryRun=All":             {400, []string{"dryRun"}},
		"limit=0":                {422, []string{"limit", "from 1 on"}},
		"tail=100001":            {422, []string{"tail", "100000"}},
		"offset=first":           {422, []string{"offset", "earliest, latest"}},
		"offset=3":               {422, []string{"partition", "single partition"}},
		"partition=3":            {422, []string{"partition", "0 to 2"}},
		"partition=1&offset=1":   {422, []string{"offset", "partition 1", "0 to 0"}},
		"since=yesterday":        {422, []string{"since", "RFC 3339"}},
		"since=-5m":              {422, []string{"since"}},
		"since=5m&tail=1":        {422, []string{"offset, since and tail"}},
		"offset=latest&since=5m": {422, []string{"offset, since and tail"}},
		"output=xml":             {422, []string{"output", `"json"`, `"value"`}},
	} {
		_, err := server.Client.KafkaV1beta1().RESTClient().Get().
			RequestURI("/apis/kafka.openshift.io/v1beta1/namespaces/" + k.Object.Namespace + "/kafkatopics/orders/log?" + query).Do(t.Context()).Get()
		t.Run(query, func(t *testing.T) { expectStatus(t, err, tt.code, tt.says...) })
	}
}

func TestTailCountsRecordsAndNotOffsets(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	client := newWriter(t, k, kgo.TransactionalID("tail"))
	for i := range 30 {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		mustProduce(t, client, &kgo.Record{Topic: "orders", Partition: 1, Value: []byte(strconv.Itoa(i))})
		how := kgo.TryAbort
		if i%10 == 0 {
			how = kgo.TryCommit
		}
		if err := client.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int64][]string{1: {"20"}, 2: {"10", "20"}, 3: {"0", "10", "20"}, 4: {"0", "10", "20"}} {
		values := []string{}
		for _, entry := range readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{Tail: &n}) {
			values = append(values, *entry.Value)
		}
		if !slices.Equal(values, want) {
			t.Errorf("the last %d are %v, want %v", n, values, want)
		}
	}
}

// What comes behind an open transaction is not shown yet, and is there: whoever has just written it can begin with it.
func TestALogBeginsBehindAnOpenTransaction(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	open := newWriter(t, k, kgo.TransactionalID("open"))
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	mustProduce(t, open, &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("open")})
	writer := newWriter(t, k)
	mustProduce(t, writer, &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("one")}, &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("two")})
	from := func(offset string) v1beta1.KafkaTopicLogOptions {
		return v1beta1.KafkaTopicLogOptions{Partition: ptr.To[int32](1), Offset: offset}
	}
	for _, offset := range []string{"1", "2", "3"} {
		if entries := readLog(t, server.Client, k, "orders", from(offset)); len(entries) != 0 {
			t.Errorf("from %s while it is open: %+v", offset, entries)
		}
	}
	options := from("4")
	if raw, err := topicsOf(server.Client, k).GetLog("orders", &options).DoRaw(t.Context()); !apierrors.IsInvalid(err) || !strings.Contains(string(raw), "accepted are 0 to 3") {
		t.Errorf("from 4: %v %s", err, raw)
	}
	next, _, _ := follow(t, k, "orders", from("2"))
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if entry := next(); *entry.Offset != 2 || *entry.Value != "two" {
		t.Errorf("followed from 2: %+v", entry)
	}
}

// Brokers may answer without records when they are late; that is no reason to look further back.
func TestTailLooksNoFurtherBackForAnEmptyAnswer(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](1), ptr.To[int32](1)
	}))
	client := newWriter(t, k)
	for i := range 100 {
		mustProduce(t, client, &kgo.Record{Topic: "orders", Value: []byte(strconv.Itoa(i))})
	}
	var asked []int64
	k.ControlKey(int16(kmsg.Fetch), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := kreq.(*kmsg.FetchRequest)
		asked = append(asked, req.Topics[0].Partitions[0].FetchOffset)
		if len(asked) > 2 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = req.Topics[0].Topic, req.Topics[0].TopicID
		rt.Partitions = append(rt.Partitions, kmsg.NewFetchResponseTopicPartition())
		rt.Partitions[0].HighWatermark, rt.Partitions[0].LastStableOffset = 100, 100
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	lines := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{Tail: ptr.To[int64](2)})
	if got := offsets(lines, 0); !slices.Equal(got, count(98, 100)) || slices.Min(asked) < 98 {
		t.Errorf("got %v, asked for %v", got, asked)
	}
}

// More records than there are offsets kept for are counted as well.
func TestALongTailCountsRecords(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](1), ptr.To[int32](1)
	}))
	client := newWriter(t, k, kgo.TransactionalID("tail"))
	// The end of each transaction takes an offset of its own.
	for _, n := range []int{70_000, 10} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		records := make([]*kgo.Record, n)
		for i := range records {
			records[i] = &kgo.Record{Topic: "orders", Value: []byte("x")}
		}
		mustProduce(t, client, records...)
		if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	for tail, want := range map[int64]int64{69_001: 70_010 - 69_001, 69_002: 70_010 - 69_002, 70_009: 1, 70_010: 0, 5: 70_006} {
		entries := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{Tail: &tail, Limit: ptr.To[int64](1)})
		if got := offsets(entries, 0); !slices.Equal(got, []int64{want}) {
			t.Errorf("the last %d begin at %v, want %d", tail, got, want)
		}
	}
}

// streams counts the logs that the server is streaming.
func streams() int {
	buf := make([]byte, 8<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "records.(*Log).stream(")
}

// follow reads a log line by line; the function it returns waits for one.
func follow(t *testing.T, k *apiservertest.Kafka, topic string, options v1beta1.KafkaTopicLogOptions) (next func() v1beta1.TopicLogEntry, ended func() error, stop context.CancelFunc) {
	t.Helper()
	return followAs(t, server.Client, k, topic, options)
}

func followAs(t *testing.T, client versioned.Interface, k *apiservertest.Kafka, topic string, options v1beta1.KafkaTopicLogOptions) (next func() v1beta1.TopicLogEntry, ended func() error, stop context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	options.Follow = true
	stream, err := topicsOf(client, k).GetLog(topic, &options).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines, end := make(chan string), make(chan error, 1)
	go func() {
		defer stream.Close()
		in := bufio.NewReader(stream)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				end <- err
				return
			}
			select {
			case lines <- line:
			case <-ctx.Done():
				end <- ctx.Err()
				return
			}
		}
	}()
	return func() v1beta1.TopicLogEntry {
			t.Helper()
			select {
			case line := <-lines:
				return entries(t, []byte(line))[0]
			case err := <-end:
				t.Fatalf("the stream ended: %v", err)
			case <-time.After(10 * time.Second):
				t.Fatal("no line within ten seconds")
			}
			return v1beta1.TopicLogEntry{}
		}, func() error {
			t.Helper()
			select {
			case err := <-end:
				return err
			case line := <-lines:
				t.Fatalf("another line: %s", line)
			case <-time.After(10 * time.Second):
				t.Fatal("the stream did not end within ten seconds")
			}
			return nil
		}, cancel
}

func TestFollowShowsRecordsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	mustWrite(t, k, "orders", text("before"))
	next, _, _ := follow(t, k, "orders", v1beta1.KafkaTopicLogOptions{Offset: "latest"})
	for i := range 3 {
		value := fmt.Sprintf("after %d", i)
		mustWrite(t, k, "orders", text(value))
		started := time.Now()
		if got := next(); *got.Value != value {
			t.Errorf("got %q, want %q", *got.Value, value)
		}
		if late := time.Since(started); late > time.Second {
			t.Errorf("it came after %v", late)
		}
	}
	limited, ended, _ := follow(t, k, "orders", v1beta1.KafkaTopicLogOptions{Limit: ptr.To[int64](4)})
	for range 4 {
		limited()
	}
	if err := ended(); err != io.EOF {
		t.Errorf("at its limit the stream ends with %v", err)
	}
}

func TestAStreamStopsWhenItsClientIsGone(t *testing.T) {
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	mustWrite(t, k, "orders", text("one"))
	next, _, stop := follow(t, k, "orders", v1beta1.KafkaTopicLogOptions{})
	next()
	if n := streams(); n != 1 {
		t.Fatalf("%d streams", n)
	}
	stopped := time.Now()
	stop()
	apiservertest.Eventually(t, "the server stops", func() bool { return streams() == 0 })
	if late := time.Since(stopped); late > time.Second {
		t.Errorf("the server went on for %v", late)
	}
}

func TestALogSaysWhyItBreaksOff(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	mustWrite(t, k, "orders", text("one"))
	next, ended, _ := follow(t, k, "orders", v1beta1.KafkaTopicLogOptions{})
	next()
	k.DeleteTopic(t, "orders")
	if last := next(); last.Error == nil || last.Error.Reason != "NotFound" || !strings.Contains(last.Error.Message, "deleted") {
		t.Errorf("the last line is %+v", last)
	}
	if err := ended(); err == nil || err == io.EOF {
		t.Errorf("the stream ends as if it were complete: %v", err)
	}
}

func TestALogWarnsOfRecordsThatAreGone(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](1), ptr.To[int32](1)
	}))
	for i := range 5 {
		mustWrite(t, k, "orders", text(strconv.Itoa(i)))
	}
	client := newWriter(t, k)
	request := kmsg.NewPtrDeleteRecordsRequest()
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = "orders"
	partition := kmsg.NewDeleteRecordsRequestTopicPartition()
	partition.Offset = 4
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	if _, err := request.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	// The server hears of the first offset as it was before.
	told := false
	k.ControlKey(int16(kmsg.ListOffsets), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		req := kreq.(*kmsg.ListOffsetsRequest)
		if told || req.Topics[0].Partitions[0].Timestamp != -2 {
			return nil, nil, false
		}
		told = true
		resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = "orders"
		rt.Partitions = append(rt.Partitions, kmsg.NewListOffsetsResponseTopicPartition())
		rt.Partitions[0].Offset = 0
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	lines := readLog(t, server.Client, k, "orders", v1beta1.KafkaTopicLogOptions{})
	if len(lines) != 2 || lines[0].Warning == nil || lines[0].Warning.Reason != v1beta1.LogRecordsGone || *lines[0].Partition != 0 ||
		!strings.Contains(lines[0].Warning.Message, "0 to 3") || *lines[1].Offset != 4 {
		t.Errorf("lines are %+v", lines)
	}
}

// Streams that go on for ever would hold up the end of the server.
func TestStreamsEndWithTheServer(t *testing.T) {
	stopping, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer stopping.Close()
	k := stopping.NewKafka(t, 1)
	if _, err := create(stopping.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) })); err != nil {
		t.Fatal(err)
	}
	stream, err := topicsOf(stopping.Client, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	started := time.Now()
	stopping.Close()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the server took %v to stop", took)
	}
	raw, err := io.ReadAll(stream)
	if err == nil {
		t.Error("the stream ends as if it were complete")
	}
	if lines := entries(t, raw); len(lines) != 1 || lines[0].Error == nil || lines[0].Error.Reason != "ServiceUnavailable" {
		t.Errorf("lines are %q", raw)
	}
}
