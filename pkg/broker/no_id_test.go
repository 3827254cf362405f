package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// tellIDs has brokers tell the ids of topics, or none.
func tellIDs(b *bench, tell *atomic.Bool) {
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if m, ok := resp.(*kmsg.MetadataResponse); ok && !tell.Load() {
				for i := range m.Topics {
					m.Topics[i].TopicID = [16]byte{}
				}
			}
		}
	})
}

// Brokers give ids since 2.8, and some may tell none while others do. What begins before another look goes on after it.
func TestATopicOfWhichNoIDIsKnownIsNotAnother(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, b *bench, topic Topic) error{
		"produce": func(ctx context.Context, b *bench, topic Topic) error {
			written, err := b.cluster.Produce(ctx, topic, []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
			return errors.Join(err, written[0].Err)
		},
		"offsets": func(ctx context.Context, b *bench, topic Topic) error {
			offsets, err := b.cluster.OffsetsOf(ctx, topic, ReadCommitted)
			return errors.Join(err, offsets[0].Err)
		},
		"truncate": func(ctx context.Context, b *bench, topic Topic) error {
			done, err := b.cluster.DeleteRecords(ctx, topic, map[int32]int64{0: 1})
			return errors.Join(err, done[0].Err)
		},
		"read": func(ctx context.Context, b *bench, topic Topic) error {
			return b.cluster.Read(ctx, topic, Reading{From: map[int32]int64{0: 0}, Until: map[int32]int64{0: 5}}, &notes{})
		},
		"follow": func(ctx context.Context, b *bench, topic Topic) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: map[int32]int64{0: 0}}, &notes{}) }()
			asked := b.network.requests(int16(kmsg.Metadata))
			eventually(t, "the topic is looked at", func() bool {
				return len(ended) > 0 || b.network.requests(int16(kmsg.Metadata)) > asked+5
			})
			if cancel(); !errors.Is(<-ended, context.Canceled) {
				return errors.New("it ended by itself")
			}
			return nil
		},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/known first: %v", name, first), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, often, kfake.SeedTopics(1, "orders"))
				var told atomic.Bool
				told.Store(first)
				tellIDs(b, &told)
				mustProduce(t, newProducer(t, b), numbered("orders", 0, 0, 5)...)
				topic := mustTopic(t, b, "orders")
				if topic.ID.IsZero() == first {
					t.Fatal(topic.ID)
				}
				told.Store(!first)
				// Who believed in the leader looks again.
				if err := b.kafka.MoveTopicPartition("orders", 0, (topic.Partitions[0].Leader+1)%3); err != nil {
					t.Fatal(err)
				}
				if err := do(testContext(t), b, topic); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// That the id is told by now does not have a producer's numbers begin anew: they would be taken for those of records sent before.
func TestAProducerGoesOnWhenATopicsIDIsTold(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
	var told atomic.Bool
	tellIDs(b, &told)
	for i := range 4 {
		told.Store(i%2 == 1)
		written, err := b.cluster.Produce(testContext(t), mustTopic(t, b, "orders"), []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
		if err != nil || written[0].Err != nil || written[0].Offset != int64(i) {
			t.Fatalf("record %d: %+v, %v", i, written, err)
		}
	}
	consumeAll(t, b, "orders", 4)
	// Nor does one that has the name of another begin at 0, and is taken.
	if err := b.kafka.DeleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); err != nil {
		t.Fatal(err)
	}
	written, err := b.cluster.Produce(testContext(t), mustTopic(t, b, "orders"), []kafkarecord.NewRecord{{Value: []byte("one")}}, false)
	if err != nil || written[0].Err != nil || written[0].Offset != 0 {
		t.Errorf("in the topic that came after it: %+v, %v", written, err)
	}
}

// An id that was learnt while a topic is followed tells the next topic of its name from it.
func TestAnIDThatIsToldLaterIsHeldOnTo(t *testing.T) {
	b := newBench(t, often, kfake.SeedTopics(1, "orders"))
	var told atomic.Bool
	tellIDs(b, &told)
	topic, what := wholeTopic(t, b, "orders")
	ended := make(chan error, 1)
	go func() { ended <- b.cluster.Read(testContext(t), topic, Reading{From: what.From}, &notes{}) }()
	told.Store(true)
	asked := b.network.requests(int16(kmsg.Metadata))
	eventually(t, "the topic is looked at", func() bool { return b.network.requests(int16(kmsg.Metadata)) > asked+5 })
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if m, ok := resp.(*kmsg.MetadataResponse); ok {
				for i := range m.Topics {
					m.Topics[i].TopicID[0]++
				}
			}
		}
	})
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended without a reason")
		}
	case <-time.After(5 * time.Second):
		t.Error("another topic is read on")
	}
}
