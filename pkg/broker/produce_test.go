package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// consumeAll reads what is in a topic through a second client: the records of each partition in order.
func consumeAll(t *testing.T, b *bench, topic string, count int) map[int32][]*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all := map[int32][]*kgo.Record{}
	for seen := 0; seen < count; {
		fetches := client.PollFetches(testContext(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v after %d records", err, seen)
		}
		fetches.EachRecord(func(r *kgo.Record) { all[r.Partition] = append(all[r.Partition], r); seen++ })
	}
	// What is there and was not to be would have come with the rest.
	_, what := wholeTopic(t, b, topic)
	total := 0
	for id, end := range what.Until {
		total += int(end - what.From[id])
	}
	if total != count {
		t.Errorf("topic %s has %d records, want %d", topic, total, count)
	}
	return all
}

func mustTopic(t *testing.T, b *bench, name string) Topic {
	t.Helper()
	topic, found, err := b.cluster.Topic(testContext(t), name)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	return topic
}

func TestProduce(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	topic := mustTopic(t, b, "orders")
	at := time.Date(2026, 1, 1, 12, 0, 0, 123456789, time.UTC)
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{
		{Partition: 1, Key: []byte("key"), Value: []byte("value"), Timestamp: at, Headers: []kafkarecord.Header{{Name: "a", Value: []byte("1")}, {Name: "a", Value: nil}}},
		{Partition: 2, Value: []byte("without a key"), Timestamp: at},
		{Partition: 1, Key: []byte("tombstone"), Timestamp: at.Add(-time.Hour)},
		{Partition: 1, Key: []byte{}, Value: []byte{}, Timestamp: at.Add(time.Hour)},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []WrittenRecord{
		{Partition: 1, Offset: 0, Timestamp: at.Truncate(time.Millisecond)},
		{Partition: 2, Offset: 0, Timestamp: at.Truncate(time.Millisecond)},
		{Partition: 1, Offset: 1, Timestamp: at.Add(-time.Hour).Truncate(time.Millisecond)},
		{Partition: 1, Offset: 2, Timestamp: at.Add(time.Hour).Truncate(time.Millisecond)},
	} {
		if written[i] != want {
			t.Errorf("record %d: %+v, want %+v", i, written[i], want)
		}
	}
	all := consumeAll(t, b, "orders", 4)
	got := all[1]
	if len(got) != 3 || len(all[2]) != 1 {
		t.Fatalf("%d and %d records", len(got), len(all[2]))
	}
	first := got[0]
	if string(first.Key) != "key" || string(first.Value) != "value" || first.Timestamp.UnixMilli() != at.UnixMilli() ||
		fmt.Sprint(first.Headers) != fmt.Sprint([]kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a"}}) {
		t.Errorf("%+v", first)
	}
	if got[1].Value != nil || got[1].Timestamp.UnixMilli() != at.Add(-time.Hour).UnixMilli() {
		t.Errorf("the tombstone is %+v", got[1])
	}
	if got[2].Key == nil || got[2].Value == nil {
		t.Errorf("empty became null: %+v", got[2])
	}
	if all[2][0].Key != nil {
		t.Errorf("null became empty: %+v", all[2][0])
	}
}

func TestRecordsWithoutAKeyStayTogether(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(8, "orders"))
	var records []kafkarecord.NewRecord
	for i := range 100 {
		records = append(records, kafkarecord.NewRecord{Partition: -1, Value: []byte(strconv.Itoa(i)), Timestamp: time.Now()})
	}
	written, err := b.cluster.Produce(testContext(t), mustTopic(t, b, "orders"), records, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range written {
		if w.Err != nil || w.Partition != written[0].Partition || w.Offset != int64(i) {
			t.Errorf("record %d: %+v", i, w)
		}
	}
	if sent := b.network.requests(int16(kmsg.Produce)); sent != 1 {
		t.Errorf("%d requests for one batch", sent)
	}
}

func TestProduceSplitsWhatTheTopicDoesNotTakeAtOnce(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	if err := b.cluster.AlterTopicConfig(testContext(t), "orders", map[string]string{"max.message.bytes": "10000"}, nil, false); err != nil {
		t.Fatal(err)
	}
	var records []kafkarecord.NewRecord
	for i := range 10 {
		records = append(records, kafkarecord.NewRecord{Value: append(bytes.Repeat([]byte("."), 4000), byte('0'+i)), Timestamp: time.Now()})
	}
	written, err := b.cluster.Produce(testContext(t), mustTopic(t, b, "orders"), records, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range written {
		if w.Err != nil || w.Offset != int64(i) {
			t.Errorf("record %d: %+v", i, w)
		}
	}
	for i, r := range consumeAll(t, b, "orders", 10)[0] {
		if r.Value[4000] != byte('0'+i) {
			t.Errorf("record %d is out of order", i)
		}
	}
}

func TestProduceRefusesBeforeItSends(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	if err := b.cluster.AlterTopicConfig(testContext(t), "orders", map[string]string{"max.message.bytes": "1000"}, nil, false); err != nil {
		t.Fatal(err)
	}
	topic := mustTopic(t, b, "orders")
	good := kafkarecord.NewRecord{Value: []byte("good")}
	large := kafkarecord.NewRecord{Value: bytes.Repeat([]byte("."), 1000)}
	fits := kafkarecord.NewRecord{Value: bytes.Repeat([]byte("."), 1000-(kafkarecord.SizeAlone(large)-1000))}
	for name, tt := range map[string]struct {
		record kafkarecord.NewRecord
		class  kafkaerr.Class
		says   string
	}{
		"too large":      {large, kafkaerr.TooLarge, "max.message.bytes is 1000"},
		"no such place":  {kafkarecord.NewRecord{Partition: 2}, kafkaerr.Invalid, "the topic has 0 to 1"},
		"just fits":      {fits, kafkaerr.Internal, ""},
		"one byte above": {kafkarecord.NewRecord{Value: append(bytes.Clone(fits.Value), '.')}, kafkaerr.TooLarge, "1001 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			sent := b.network.requests(int16(kmsg.Produce))
			written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{good, tt.record}, false)
			if tt.says == "" {
				if err != nil || written[1].Err != nil {
					t.Errorf("%v %v", err, written)
				}
				return
			}
			var at *RecordError
			if !errors.As(err, &at) || at.Index != 1 || kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != tt.class || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
			if now := b.network.requests(int16(kmsg.Produce)); now != sent {
				t.Error("something was sent")
			}
		})
	}
}

func TestADryRunOfProduceSendsNothing(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(5, "orders"))
	topic := mustTopic(t, b, "orders")
	records := []kafkarecord.NewRecord{{Partition: -1, Key: []byte("a")}, {Partition: 3}}
	planned, err := b.cluster.Produce(testContext(t), topic, records, true)
	if err != nil || planned[0].Partition != kafkarecord.PartitionOf([]byte("a"), 5) || planned[1].Partition != 3 || planned[0].Offset != -1 {
		t.Errorf("%+v %v", planned, err)
	}
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.InitProducerID} {
		if n := b.network.requests(int16(key)); n != 0 {
			t.Errorf("%d requests %s", n, kmsg.NameForKey(int16(key)))
		}
	}
	consumeAll(t, b, "orders", 0)
}

func TestProducersAreUsedAgain(t *testing.T) {
	b := newBench(t, unhurried, kfake.SeedTopics(3, "orders"))
	topic := mustTopic(t, b, "orders")
	for i := range 20 {
		written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Partition: int32(i % 3)}}, false)
		if err != nil || written[0].Err != nil || written[0].Offset != int64(i/3) {
			t.Fatalf("%+v, %v", written, err)
		}
	}
	if n := b.network.requests(int16(kmsg.InitProducerID)); n != 1 {
		t.Errorf("%d producer ids for calls one after the other", n)
	}
}

// A broker has a thousand ids from the controller, and without one has none to give when these are used up (ProducerIdManager).
func TestABrokerWithoutProducerIDsIsAskedAfterOthers(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	cut := d.Brokers[(topic.Partitions[0].Leader+1)%3].Address()
	b.network.set(func() {
		b.network.change = func(addr string, _ kmsg.Request, resp kmsg.Response) {
			if f, ok := resp.(*kmsg.InitProducerIDResponse); ok && addr == cut {
				f.ErrorCode, f.ProducerID = kafkaerr.CoordinatorLoadInProgress, -1
			}
		}
	})
	b.cluster.core.Prefer(cut)
	start := time.Now()
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
	if err != nil || written[0].Err != nil || time.Since(start) > 4*time.Second {
		t.Errorf("%+v, %v after %v", written, err, time.Since(start))
	}
}

func TestALostAnswerDoublesNothing(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	for i := range 5 {
		lost := false
		b.network.set(func() {
			b.network.rule = func(_ string, key int16) verdict {
				if key == int16(kmsg.Produce) && !lost {
					lost = true
					return loseAnswer
				}
				return pass
			}
		})
		written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte(strconv.Itoa(i))}, {}}, false)
		if err != nil || written[0].Err != nil || written[0].Offset != int64(2*i) || written[1].Offset != int64(2*i+1) || !lost {
			t.Fatalf("%+v, %v", written, err)
		}
	}
	consumeAll(t, b, "orders", 10)
}

func TestAnOutcomeThatIsNotKnownIsSaidToBe(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	b.network.set(func() {
		b.network.rule = func(_ string, key int16) verdict {
			if key == int16(kmsg.Produce) {
				return holdAnswer
			}
			return pass
		}
	})
	ctx, cancel := context.WithTimeout(testContext(t), 2*time.Second)
	defer cancel()
	written, err := b.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{{Value: []byte("maybe")}}, false)
	if err != nil || !kafkaerr.IsUnknownOutcome(written[0].Err) {
		t.Fatalf("%+v, %v", written, err)
	}
	// It was written, in fact, and is not sent again; the next record is not taken for it.
	b.network.set(func() { b.network.rule = nil })
	written, err = b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("next")}}, false)
	if err != nil || written[0].Err != nil || written[0].Offset != 1 {
		t.Fatalf("%+v, %v", written, err)
	}
	got := consumeAll(t, b, "orders", 2)[0]
	if string(got[0].Value) != "maybe" || string(got[1].Value) != "next" {
		t.Errorf("%s, %s", got[0].Value, got[1].Value)
	}
}

// answerProduce lets the fake brokers answer Produce requests as change says, without writing; it is asked as long as it returns true.
func answerProduce(b *bench, change func(*kmsg.ProduceResponseTopicPartition) bool) {
	b.kafka.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = rt.Topic, rt.TopicID
			for _, rp := range rt.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.BaseOffset = rp.Partition, -1
				if !change(&p) {
					return nil, nil, false
				}
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
		b.kafka.KeepControl()
		return resp, nil, true
	})
}

func TestProduceTriesAgainWhileAPartitionMoves(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	if err := b.kafka.MoveTopicPartition("orders", 0, (topic.Partitions[0].Leader+1)%3); err != nil {
		t.Fatal(err)
	}
	// The caller's metadata is older than the move.
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
	if err != nil || written[0].Err != nil || written[0].Offset != 0 {
		t.Fatalf("%+v, %v", written, err)
	}
	consumeAll(t, b, "orders", 1)
}

func TestProduceSaysWhatTheBrokersSay(t *testing.T) {
	for name, tt := range map[string]struct {
		code    int16
		class   kafkaerr.Class
		unknown bool
	}{
		"too few replicas in sync":          {kafkaerr.NotEnoughReplicas, kafkaerr.Unavailable, false},
		"too few replicas after the append": {kafkaerr.NotEnoughReplicasAfterAppend, kafkaerr.Unavailable, true},
		"too large":                         {kafkaerr.MessageTooLarge, kafkaerr.TooLarge, false},
		"invalid":                           {87, kafkaerr.Invalid, false},
		"not the leader":                    {kafkaerr.NotLeaderOrFollower, kafkaerr.Unavailable, true},
		"not known any more":                {kafkaerr.UnknownTopicOrPartition, kafkaerr.NotFound, true},
		"a disk that is gone":               {kafkaerr.KafkaStorageError, kafkaerr.Unavailable, true},
		"an error of the broker's own":      {kafkaerr.UnknownServerError, kafkaerr.Internal, true},
		"a code that nobody knows":          {9999, kafkaerr.Internal, true},
		"another id":                        {kafkaerr.UnknownTopicID, kafkaerr.NotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{VerdictTimeout: time.Second}, kfake.SeedTopics(1, "orders"))
			topic := mustTopic(t, b, "orders")
			answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool { p.ErrorCode = tt.code; return true })
			ctx, cancel := context.WithTimeout(testContext(t), 4*time.Second)
			defer cancel()
			written, err := b.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{{}}, false)
			if err != nil || written[0].Err == nil || written[0].Offset != -1 {
				t.Fatalf("%+v, %v", written, err)
			}
			if kafkaerr.ClassOf(kafkaerr.CodeOf(written[0].Err)) != tt.class || kafkaerr.IsUnknownOutcome(written[0].Err) != tt.unknown {
				t.Errorf("%v", written[0].Err)
			}
			if kept := len(b.cluster.records.Producers.Idle) == 1; kept == tt.unknown {
				t.Errorf("the producer is kept: %v", kept)
			}
		})
	}
}

func TestProduceNamesTheRecordsThatBrokersRefuse(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	topic := mustTopic(t, b, "orders")
	answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool {
		if p.Partition == 1 {
			return false
		}
		p.ErrorCode = 87
		text := "compacted topics want a key"
		p.ErrorRecords = append(p.ErrorRecords, kmsg.ProduceResponseTopicPartitionErrorRecord{RelativeOffset: 1, ErrorMessage: &text})
		return true
	})
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Partition: 0}, {Partition: 1}, {Partition: 0}}, false)
	if err != nil {
		t.Fatal(err)
	}
	if written[1].Err != nil || written[1].Offset != 0 {
		t.Errorf("the other partition: %+v", written[1])
	}
	if e := written[2].Err; e == nil || !strings.Contains(e.Error(), "want a key") {
		t.Errorf("the record at fault: %v", e)
	}
	if e := written[0].Err; e == nil || !strings.Contains(e.Error(), "another record") {
		t.Errorf("the record beside it: %v", e)
	}
}

func TestProduceTakesAnotherProducerWhenItsOwnIsForgotten(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	if written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("0")}}, false); err != nil || written[0].Err != nil {
		t.Fatal(written, err)
	}
	refused := false
	answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool {
		p.ErrorCode = kafkaerr.OutOfOrderSequenceNumber
		again := refused
		refused = true
		return !again
	})
	written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{Value: []byte("1")}}, false)
	if err != nil || written[0].Err != nil || written[0].Offset != 1 {
		t.Fatalf("%+v, %v", written, err)
	}
	consumeAll(t, b, "orders", 2)
}

func TestAFailureStopsTheRecordsBehindIt(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	if err := b.cluster.AlterTopicConfig(testContext(t), "orders", map[string]string{"max.message.bytes": "1000"}, nil, false); err != nil {
		t.Fatal(err)
	}
	topic := mustTopic(t, b, "orders")
	calls := 0
	answerProduce(b, func(p *kmsg.ProduceResponseTopicPartition) bool {
		calls++
		p.ErrorCode = 87
		return calls == 2
	})
	var records []kafkarecord.NewRecord
	for range 4 {
		records = append(records, kafkarecord.NewRecord{Value: bytes.Repeat([]byte("."), 600)})
	}
	written, err := b.cluster.Produce(testContext(t), topic, records, false)
	if err != nil {
		t.Fatal(err)
	}
	var failed []bool
	for _, w := range written {
		failed = append(failed, w.Err != nil)
	}
	// The fake answers only the second batch; without it the third would be written.
	if !slices.Equal(failed, []bool{false, true, true, true}) {
		t.Errorf("failed: %v", failed)
	}
	consumeAll(t, b, "orders", 1)
}

func TestProduceToBrokersThatAreAway(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	if written, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{}}, false); err != nil || written[0].Err != nil {
		t.Fatal(written, err)
	}
	b.network.set(func() {
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.dead[addr] = true
		}
	})
	for _, addr := range b.kafka.ListenAddrs() {
		b.network.cutAll(addr)
	}
	start := time.Now()
	_, err := b.cluster.Produce(testContext(t), topic, []kafkarecord.NewRecord{{}}, false)
	if !kafkaerr.IsUnreachable(err) || time.Since(start) > 6*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
