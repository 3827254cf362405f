//go:build integration

package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// foreign is another client of the cluster, which writes where it is told to.
func (r realCluster) foreign(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.process.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// sameRecord tells whether a record has the same content for both clients; null and empty are not the same.
func sameRecord(ours kafkarecord.Record, theirs *kgo.Record) error {
	same := func(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
	switch {
	case ours.Offset != theirs.Offset || !ours.Timestamp.Equal(theirs.Timestamp):
		return fmt.Errorf("offset %d at %v, and %d at %v", ours.Offset, ours.Timestamp, theirs.Offset, theirs.Timestamp)
	case !same(ours.Key, theirs.Key):
		return fmt.Errorf("offset %d: the keys are %.40q and %.40q", ours.Offset, ours.Key, theirs.Key)
	case !same(ours.Value, theirs.Value):
		return fmt.Errorf("offset %d: the values are %.40q and %.40q", ours.Offset, ours.Value, theirs.Value)
	case len(ours.Headers) != len(theirs.Headers):
		return fmt.Errorf("offset %d: the headers are %v and %v", ours.Offset, ours.Headers, theirs.Headers)
	}
	for i, h := range ours.Headers {
		if h.Name != theirs.Headers[i].Key || !same(h.Value, theirs.Headers[i].Value) {
			return fmt.Errorf("offset %d: header %d is %v and %v", ours.Offset, i, h, theirs.Headers[i])
		}
	}
	return nil
}

// oddRecords are records as hardly anybody writes them.
func oddRecords(at time.Time) []kafkarecord.NewRecord {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	records := []kafkarecord.NewRecord{
		{Value: []byte("a key that is null"), Timestamp: at},
		{Key: []byte{}, Value: []byte("a key that is empty"), Timestamp: at.Add(time.Hour)},
		{Key: []byte("a tombstone"), Timestamp: at.Add(-time.Hour)},
		{Key: []byte("an empty value"), Value: []byte{}, Timestamp: at},
		{Timestamp: at},
		{Key: everyByte, Value: everyByte, Timestamp: time.UnixMilli(0).UTC()},
		{Key: []byte("headers"), Value: []byte("v"), Timestamp: at, Headers: []kafkarecord.Header{
			{Name: "a", Value: []byte("1")}, {Name: "a", Value: nil}, {Name: "a", Value: []byte{}}, {Name: "", Value: everyByte}, {Name: "ü", Value: []byte("ü")}}},
		{Key: []byte("large"), Value: bytes.Repeat(everyByte, 5<<12), Timestamp: at},
	}
	for i := range records {
		records[i].Partition = 0
	}
	return records
}

// What another client wrote is read as it is, in each of Kafka's forms of compression, and what is written here is read by the other.
func TestRealRecordsAreTheSameForOtherClients(t *testing.T) {
	forEachCluster(t, func(t *testing.T, r realCluster) {
		at := time.Date(2026, 1, 1, 12, 0, 0, int(7*time.Millisecond), time.UTC)
		// Records that are older than the retention would go.
		kept := map[string]string{"max.message.bytes": "10485760", "retention.ms": "-1"}
		for _, codec := range []struct {
			name string
			kgo  kgo.CompressionCodec
		}{{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()}, {"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}} {
			t.Run(codec.name, func(t *testing.T) {
				theirs := r.foreign(t, kgo.ProducerBatchCompression(codec.kgo), kgo.ProducerBatchMaxBytes(10<<20), kgo.MaxBufferedBytes(64<<20))
				r.exchange(t, theirs, at, kept)
			})
		}
		for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
			t.Run("by the brokers with "+codec, func(t *testing.T) {
				config := maps.Clone(kept)
				config["compression.type"] = codec
				r.exchange(t, r.foreign(t, kgo.ProducerBatchMaxBytes(10<<20), kgo.MaxBufferedBytes(64<<20)), at, config)
			})
		}
	})
}

// exchange has both clients write the same records to a topic, and both read all of them.
func (r realCluster) exchange(t *testing.T, theirs *kgo.Client, at time.Time, config map[string]string) {
	ctx := testContext(t)
	name := topicName(t)
	mustCreate(t, r.cluster, NewTopic{Name: name, Partitions: 1, Replicas: 3, Config: config})
	records := oddRecords(at)
	var wanted []*kgo.Record
	for _, record := range records {
		want := &kgo.Record{Topic: name, Key: record.Key, Value: record.Value, Timestamp: record.Timestamp}
		for _, h := range record.Headers {
			want.Headers = append(want.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		wanted = append(wanted, want)
	}
	mustProduce(t, theirs, wanted...)
	topic, _, err := r.cluster.Topic(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	written, err := r.cluster.Produce(ctx, topic, records, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range written {
		if w.Err != nil || w.Offset != int64(len(records)+i) {
			t.Fatalf("record %d: %+v", i, w)
		}
		twice := *wanted[i]
		twice.Offset = w.Offset
		wanted = append(wanted, &twice)
	}
	ours := &notes{}
	if err := r.cluster.Read(ctx, topic, Reading{From: map[int32]int64{0: 0}, Until: map[int32]int64{0: int64(len(wanted))}}, ours); err != nil {
		t.Fatal(err)
	}
	reader := r.foreign(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
	var read []*kgo.Record
	for len(read) < len(wanted) {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		read = append(read, fetches.Records()...)
	}
	if len(ours.records) != len(wanted) || len(read) != len(wanted) {
		t.Fatalf("%d records are read here and %d by the other, want %d", len(ours.records), len(read), len(wanted))
	}
	for i, want := range wanted {
		if err := sameRecord(ours.records[i], want); err != nil {
			t.Errorf("read here, and as it was written: %v", err)
		}
		if err := sameRecord(ours.records[i], read[i]); err != nil {
			t.Errorf("read here, and by the other: %v", err)
		}
	}
}

// A leader is lost whose last records nobody else has, and the next, elected uncleanly, has been written to beyond them before whoever reads
// asks again: the offset to go on at is there, in another log.
func TestRealLogThatWasCutAndHasGrownAgain(t *testing.T) {
	r := realCluster{name: "KRaft", kraft: true, process: startReal(t, true)}
	n, c := r.own(t, Options{readPatience: restartLimit})
	r.cluster = c
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	name := topicName(t)
	mustCreate(t, c, NewTopic{Name: name, Assignments: [][]int32{{0, 1}}, Config: map[string]string{"unclean.leader.election.enable": "true"}})
	t.Cleanup(func() { whole(t, r) })
	write := func(client *kgo.Client, from, count int) {
		t.Helper()
		for i := range count {
			if err := client.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte(strconv.Itoa(from + i))}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := r.foreign(t)
	write(first, 0, 10)
	topic, _, err := c.Topic(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := context.WithTimeout(ctx, restartLimit)
	defer stopped()
	if err := r.process.Broker(1).Stop(stop); err != nil {
		t.Fatal(err)
	}
	write(first, 10, 5)
	// The reader has all of it, and is then held up.
	got := &notes{}
	reading, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- c.Read(reading, topic, Reading{From: map[int32]int64{0: 0}}, got) }()
	within := func(what string, holds func() bool) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for !holds() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("not in time: %s; read %v, gaps %+v", what, got.values(0), got.gaps)
			}
		}
	}
	within("the records of the first leader are read", func() bool { return got.count() == 15 })
	n.set(func() { n.lost[r.process.Broker(1).Addr] = true })
	if err := r.process.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := startBroker(r.process.Broker(1)); err != nil {
		t.Fatal(err)
	}
	// The brokers that are left know the numbers of the first client only as far as they have its records.
	write(r.foreign(t), 100, 20)
	n.set(func() { clear(n.lost) })
	within("what was written in their place is read", func() bool { return got.count() >= 35 })
	end()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if want := slices.Concat(numbers(0, 15), numbers(100, 20)); !slices.Equal(got.values(0), want) || !slices.Equal(got.gaps, []Gap{{Partition: 0, From: 15, Next: 10}}) {
		t.Errorf("read %v, gaps %+v", got.values(0), got.gaps)
	}
	if err := startBroker(r.process.Broker(0)); err != nil {
		t.Fatal(err)
	}
}
