package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// notes is a sink that keeps what it gets.
type notes struct {
	mu      sync.Mutex
	records []kafkarecord.Record
	gaps    []Gap
	// stop, when given, is asked after each record.
	stop func(kafkarecord.Record) error
}

func (n *notes) Record(r kafkarecord.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept := kafkarecord.Record{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)}
	for _, h := range r.Headers {
		kept.Headers = append(kept.Headers, kafkarecord.Header{Name: h.Name, Value: bytes.Clone(h.Value)})
	}
	n.records = append(n.records, kept)
	if n.stop != nil {
		return n.stop(kept)
	}
	return nil
}

func (n *notes) Gap(g Gap) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gaps = append(n.gaps, g)
	return nil
}

func (*notes) Idle() error { return nil }

// values are the values of a partition's records, in the order they came.
func (n *notes) values(partition int32) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	values := []string{}
	for _, r := range n.records {
		if r.Partition == partition {
			values = append(values, string(r.Value))
		}
	}
	return values
}

func (n *notes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.records)
}

// wholeTopic is a topic, and its committed records as of now.
func wholeTopic(t *testing.T, b *bench, name string) (Topic, Reading) {
	t.Helper()
	topic, found, err := b.cluster.Topic(testContext(t), name)
	if err != nil || !found {
		t.Fatal(found, err)
	}
	ranges, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted)
	if err != nil {
		t.Fatal(err)
	}
	what := Reading{From: map[int32]int64{}, Until: map[int32]int64{}}
	for id, o := range ranges {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		what.From[id], what.Until[id] = o.Start, o.End
	}
	return topic, what
}

func mustProduce(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(testContext(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// numbered are records of one partition whose values count from a number on.
func numbered(topic string, partition int32, from, count int) []*kgo.Record {
	var records []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(strconv.Itoa(from + i))})
	}
	return records
}

func numbers(from, count int) []string {
	values := []string{}
	for i := range count {
		values = append(values, strconv.Itoa(from+i))
	}
	return values
}

func TestReadInEveryCompression(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
			client := newProducer(t, b, kgo.ProducerBatchCompression(codec))
			at := time.Date(2026, 1, 1, 12, 0, 0, 123e6, time.UTC)
			long := bytes.Repeat([]byte("a record that is worth compressing "), 4000)
			mustProduce(t, client,
				&kgo.Record{Topic: "orders", Partition: 1, Key: []byte("key"), Value: []byte("value"), Timestamp: at,
					Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "b"}}},
				&kgo.Record{Topic: "orders", Partition: 1, Key: []byte{}, Timestamp: at.Add(time.Second)},
				&kgo.Record{Topic: "orders", Partition: 1, Value: long, Timestamp: at.Add(-time.Second)})
			topic, what := wholeTopic(t, b, "orders")
			got := &notes{}
			if err := b.cluster.Read(testContext(t), topic, what, got); err != nil {
				t.Fatal(err)
			}
			want := []kafkarecord.Record{
				{Partition: 1, Offset: 0, Timestamp: at, Key: []byte("key"), Value: []byte("value"),
					Headers: []kafkarecord.Header{{Name: "a", Value: []byte("1")}, {Name: "a", Value: []byte{}}, {Name: "b", Value: nil}}},
				{Partition: 1, Offset: 1, Timestamp: at.Add(time.Second), Key: []byte{}},
				{Partition: 1, Offset: 2, Timestamp: at.Add(-time.Second), Value: long},
			}
			if len(got.records) != len(want) {
				t.Fatalf("%d records, want %d", len(got.records), len(want))
			}
			for i, r := range got.records {
				if fmt.Sprintf("%#v", r) != fmt.Sprintf("%#v", want[i]) {
					t.Errorf("record %d is %.300v", i, r)
				}
			}
		})
	}
}

func TestReadTakesTurnsBetweenPartitions(t *testing.T) {
	// With one broker all partitions are of one connection, whose answers say who is next.
	b := newBench(t, Options{}, kfake.NumBrokers(1), kfake.SeedTopics(6, "orders"))
	client := newProducer(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(64<<10))
	padding := bytes.Repeat([]byte("."), 4000)
	const each = 800 // three answers of a broker
	for p := range int32(6) {
		records := numbered("orders", p, 0, each)
		for _, r := range records {
			r.Key = padding
		}
		mustProduce(t, client, records...)
	}
	topic, what := wholeTopic(t, b, "orders")
	// Where each partition is when the first of them has been read to its end.
	got := &notes{}
	firstDone := map[int32]int{}
	got.stop = func(r kafkarecord.Record) error {
		if len(firstDone) == 0 && r.Offset == each-1 {
			for _, other := range got.records {
				firstDone[other.Partition]++
			}
		}
		return nil
	}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil {
		t.Fatal(err)
	}
	for p := range int32(6) {
		if values := got.values(p); !slices.Equal(values, numbers(0, each)) {
			t.Errorf("partition %d has %d records, or in another order", p, len(values))
		}
		if firstDone[p] == 0 {
			t.Errorf("partition %d had to wait for others to end", p)
		}
	}
}

func TestReadBeginsAndEndsWhereItIsTold(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	client := newProducer(t, b)
	mustProduce(t, client, numbered("orders", 0, 0, 100)...)
	topic, _, err := b.cluster.Topic(testContext(t), "orders")
	if err != nil {
		t.Fatal(err)
	}
	got := &notes{}
	what := Reading{From: map[int32]int64{0: 17}, Until: map[int32]int64{0: 42}}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil {
		t.Fatal(err)
	}
	if values := got.values(0); !slices.Equal(values, numbers(17, 25)) {
		t.Errorf("got %v", values)
	}
}

func TestReadEndsWithTheSinksError(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	client := newProducer(t, b)
	mustProduce(t, client, append(numbered("orders", 0, 0, 10), numbered("orders", 2, 0, 10)...)...)
	topic, what := wholeTopic(t, b, "orders")
	enough := errors.New("enough")
	got := &notes{stop: func(kafkarecord.Record) error { return enough }}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != enough || len(got.records) != 1 {
		t.Errorf("%v after %d records", err, len(got.records))
	}
}

func TestReadLeavesOutWhatWasAborted(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	plain := newProducer(t, b)
	one := newProducer(t, b, kgo.TransactionalID("one"))
	two := newProducer(t, b, kgo.TransactionalID("two"))
	begin := func(c *kgo.Client, from int) {
		t.Helper()
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		mustProduce(t, c, numbered("orders", 0, from, 2)...)
	}
	end := func(c *kgo.Client, how kgo.TransactionEndTry) {
		t.Helper()
		if err := c.EndTransaction(ctx, how); err != nil {
			t.Fatal(err)
		}
	}
	begin(one, 10) // aborted
	mustProduce(t, plain, numbered("orders", 0, 20, 2)...)
	begin(two, 30)                                       // committed, open over the end of the other
	mustProduce(t, one, numbered("orders", 0, 12, 2)...) // aborted
	end(one, kgo.TryAbort)
	begin(one, 40) // the same producer commits now
	end(two, kgo.TryCommit)
	end(one, kgo.TryCommit)
	mustProduce(t, plain, numbered("orders", 0, 50, 2)...)
	begin(two, 60) // still open
	mustProduce(t, plain, numbered("orders", 0, 70, 2)...)

	topic, what := wholeTopic(t, b, "orders")
	want := slices.Concat(numbers(20, 2), numbers(30, 2), numbers(40, 2), numbers(50, 2))
	got := &notes{}
	if err := b.cluster.Read(ctx, topic, what, got); err != nil {
		t.Fatal(err)
	}
	if values := got.values(0); !slices.Equal(values, want) {
		t.Errorf("got %v, want %v", values, want)
	}

	// Reading on shows what was behind the open transaction once it is decided.
	follow, cancel := context.WithCancel(ctx)
	defer cancel()
	on := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(follow, topic, Reading{From: map[int32]int64{0: what.Until[0]}}, on) }()
	end(two, kgo.TryAbort)
	eventually(t, "the record after the aborted transaction is read", func() bool { return on.count() == 2 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if values := on.values(0); !slices.Equal(values, numbers(70, 2)) {
		t.Errorf("got %v", values)
	}
}

func TestReadBringsARecordThatIsLargerThanAnAnswer(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	client := newProducer(t, b, kgo.ProducerBatchMaxBytes(10<<20), kgo.MaxBufferedBytes(64<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := b.cluster.AlterTopicConfig(testContext(t), "orders", map[string]string{"max.message.bytes": "10485760"}, nil, false); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		mustProduce(t, client, numbered("orders", p, 0, 3)...)
		mustProduce(t, client, &kgo.Record{Topic: "orders", Partition: p, Value: bytes.Repeat([]byte{'0' + byte(p)}, 5<<20)})
		mustProduce(t, client, numbered("orders", p, 3, 3)...)
	}
	topic, what := wholeTopic(t, b, "orders")
	got := &notes{}
	if err := b.cluster.Read(testContext(t), topic, what, got); err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		values := got.values(p)
		if len(values) != 7 || len(values[3]) != 5<<20 || values[3][5<<19] != '0'+byte(p) || values[6] != "5" {
			t.Errorf("partition %d has %d records", p, len(values))
		}
	}
}

func TestReadFollowsAndStopsAtOnce(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	client := newProducer(t, b)
	topic, what := wholeTopic(t, b, "orders")
	before, _ := ourGoroutines()
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From}, got) }()
	for i := range 5 {
		late := timed(func() {
			mustProduce(t, client, numbered("orders", int32(i%3), i, 1)...)
			eventually(t, "the record is read", func() bool { return got.count() == i+1 })
		})
		if late > time.Second {
			t.Errorf("record %d came after %v", i, late)
		}
	}
	late := timed(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if late > noticeable {
		t.Errorf("it took %v to stop", late)
	}
	eventually(t, "all goroutines end", func() bool { n, _ := ourGoroutines(); return n <= before })
}

func TestReadFollowsLeadersThatMove(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	client := newProducer(t, b)
	topic, what := wholeTopic(t, b, "orders")
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From}, got) }()
	for i := range 6 {
		mustProduce(t, client, numbered("orders", 0, i, 1)...)
		mustProduce(t, client, numbered("orders", 1, i, 1)...)
		eventually(t, "both records are read", func() bool { return got.count() == 2*(i+1) })
		if err := b.kafka.MoveTopicPartition("orders", 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-ended
	if values := got.values(0); !slices.Equal(values, numbers(0, 6)) {
		t.Errorf("got %v", values)
	}
}

func TestReadSurvivesBrokenConnections(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	client := newProducer(t, b)
	topic, what := wholeTopic(t, b, "orders")
	ctx, cancel := context.WithCancel(testContext(t))
	got := &notes{}
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From}, got) }()
	for i := range 3 {
		mustProduce(t, client, numbered("orders", 0, i, 1)...)
		eventually(t, "the record is read", func() bool { return got.count() == i+1 })
		for _, addr := range b.kafka.ListenAddrs() {
			b.network.cutAll(addr)
		}
	}
	cancel()
	<-ended
	if values := got.values(0); !slices.Equal(values, numbers(0, 3)) {
		t.Errorf("got %v", values)
	}
}

func TestReadTellsOfRecordsThatAreGone(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	client := newProducer(t, b)
	mustProduce(t, client, numbered("orders", 0, 0, 10)...)
	topic, what := wholeTopic(t, b, "orders")
	deleteRecords(t, client, "orders", 6)
	for name, until := range map[string]map[int32]int64{"to the end": what.Until, "to before what is left": {0: 5}} {
		t.Run(name, func(t *testing.T) {
			got := &notes{}
			if err := b.cluster.Read(testContext(t), topic, Reading{From: map[int32]int64{0: 2}, Until: until}, got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.gaps, []Gap{{Partition: 0, From: 2, Next: 6}}) {
				t.Errorf("gaps %+v", got.gaps)
			}
			if values := got.values(0); until[0] == 10 && !slices.Equal(values, numbers(6, 4)) || until[0] == 5 && len(values) > 0 {
				t.Errorf("got %v", values)
			}
		})
	}
}

func deleteRecords(t *testing.T, client *kgo.Client, topic string, before int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 5000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = before
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(testContext(t), client)
	if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatal(resp, err)
	}
}

func TestReadEndsWhenTheTopicIsDeleted(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := wholeTopic(t, b, "orders")
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(testContext(t), topic, Reading{From: what.From}, &notes{}) }()
	eventually(t, "it reads", func() bool { return b.network.requests(int16(kmsg.Fetch)) > 0 })
	if err := b.cluster.DeleteTopic(testContext(t), topic.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition {
		t.Error(err)
	}
}

func TestReadsAreLimited(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic, what := wholeTopic(t, b, "orders")
	ctx, cancel := context.WithCancel(testContext(t))
	var running sync.WaitGroup
	for range MaxReads {
		running.Go(func() { _ = b.cluster.Read(ctx, topic, Reading{From: what.From}, &notes{}) })
	}
	eventually(t, "all of them read", func() bool { return len(b.cluster.records.Reads) == MaxReads })
	if err := b.cluster.Read(ctx, topic, what, &notes{}); kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != kafkaerr.Throttled {
		t.Errorf("one more: %v", err)
	}
	// They are in nobody's way.
	if _, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted); err != nil {
		t.Error(err)
	}
	cancel()
	running.Wait()
	if err := b.cluster.Read(testContext(t), topic, what, &notes{}); err != nil {
		t.Errorf("after they ended: %v", err)
	}
}

func TestASinkThatBlocksHoldsOneAnswerOnly(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(3, "orders"))
	client := newProducer(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for p := range int32(3) {
		records := numbered("orders", p, 0, 500)
		for _, r := range records {
			r.Key = bytes.Repeat([]byte("."), 10000)
		}
		mustProduce(t, client, records...)
	}
	topic, what := wholeTopic(t, b, "orders")
	leaders := map[int32]bool{}
	for _, p := range topic.Partitions {
		leaders[p.Leader] = true
	}
	hold := make(chan struct{})
	got := &notes{}
	got.stop = func(kafkarecord.Record) error { <-hold; return nil }
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(testContext(t), topic, what, got) }()
	fetches := func() int { return b.network.requests(int16(kmsg.Fetch)) }
	eventually(t, "each leader was asked once", func() bool { return fetches() == len(leaders) })
	// While the sink blocks, other calls go on and nothing more is fetched.
	for range 20 {
		if _, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted); err != nil {
			t.Fatal(err)
		}
	}
	if n := fetches(); n != len(leaders) {
		t.Errorf("%d fetches while the sink blocked", n)
	}
	close(hold)
	if err := <-ended; err != nil || got.count() != 1500 {
		t.Errorf("%d records, %v", got.count(), err)
	}
}
