package broker

import (
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newProducer is a second client of a fake cluster, which writes where it is told to.
func newProducer(t *testing.T, b *bench, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.kafka.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestOffsetsAt(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	ctx := testContext(t)
	client := newProducer(t, b)
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range 10 {
		record := &kgo.Record{Topic: "orders", Partition: 0, Value: []byte(strconv.Itoa(i)), Timestamp: noon.Add(time.Duration(i) * time.Minute)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	orders, _, err := b.cluster.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		at     time.Time
		offset int64
		stamp  time.Time
	}{
		"before all records":          {noon.Add(-time.Hour), 0, noon},
		"on a record":                 {noon.Add(3 * time.Minute), 3, noon.Add(3 * time.Minute)},
		"less than a millisecond off": {noon.Add(3*time.Minute + time.Microsecond), 4, noon.Add(4 * time.Minute)},
		"after all records":           {noon.Add(time.Hour), -1, time.Time{}},
		"before 1970":                 {time.UnixMilli(-2), 0, noon},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := b.cluster.OffsetsAt(ctx, orders, tt.at)
			if err != nil || len(got) != 2 {
				t.Fatalf("%v, %v", got, err)
			}
			if o := got[0]; o.Err != nil || o.Offset != tt.offset || !o.Timestamp.Equal(tt.stamp) {
				t.Errorf("%+v, want offset %d at %v", o, tt.offset, tt.stamp)
			}
			if o := got[1]; o.Err != nil || o.Offset != -1 {
				t.Errorf("the empty partition has %+v", o)
			}
		})
	}
}

func TestOffsetsAtFollowALeaderThatMoves(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	ctx := testContext(t)
	client := newProducer(t, b)
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("one")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	orders, _, err := b.cluster.Topic(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.kafka.MoveTopicPartition("orders", 0, (orders.Partitions[0].Leader+1)%3); err != nil {
		t.Fatal(err)
	}
	// The caller's metadata is older than the move.
	got, err := b.cluster.OffsetsAt(ctx, orders, time.Unix(0, 0))
	if err != nil || got[0].Err != nil || got[0].Offset != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// What a leader answers of a disk that is gone, or of a topic that it has not heard of, is answered otherwise by the next, or later.
func TestOffsetsAreAskedForAgain(t *testing.T) {
	for _, refusal := range []*kerr.Error{kerr.KafkaStorageError, kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.BrokerNotAvailable, kerr.NetworkException,
		kerr.NotLeaderForPartition, kerr.OffsetNotAvailable} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			topic := mustTopic(t, b, "orders")
			b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: refusal, Count: 2})
			got, err := b.cluster.OffsetsOf(testContext(t), topic, ReadCommitted)
			if err != nil || got[0].Err != nil {
				t.Errorf("%v, %v", got[0].Err, err)
			}
		})
	}
}

// A leader tells consumers of no record while too few replicas are in sync, whatever it has acknowledged.
func TestTopicWithRecordsBehindTheHighWatermarkIsUsed(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	topic := mustTopic(t, b, "orders")
	if unused, err := b.cluster.NeverUsed(testContext(t), topic); err != nil || !unused {
		t.Fatalf("never used before all records: %v, %v", unused, err)
	}
	mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 5)...)
	b.network.set(func() {
		b.network.change = func(_ string, req kmsg.Request, resp kmsg.Response) {
			if l, ok := resp.(*kmsg.ListOffsetsResponse); ok && req.(*kmsg.ListOffsetsRequest).ReplicaID == -1 {
				l.Topics[0].Partitions[0].Offset = 0
			}
		}
	})
	if unused, err := b.cluster.NeverUsed(testContext(t), topic); err != nil || unused {
		t.Errorf("never used: %v, %v", unused, err)
	}
}
