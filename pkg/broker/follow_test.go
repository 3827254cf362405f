package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// often looks at topics all the time.
var often = Options{lookEvery: time.Millisecond}

func TestFollowingSeesPartitionsThatAreAdded(t *testing.T) {
	for name, added := range map[string]bool{"all partitions": true, "one partition": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, often, kfake.SeedTopics(1, "orders"))
			client := newProducer(t, b)
			topic, what := wholeTopic(t, b, "orders")
			ctx, cancel := context.WithCancel(testContext(t))
			got := &notes{}
			ended := make(chan error, 1)
			go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From, Added: added}, got) }()
			if err := b.cluster.CreatePartitions(testContext(t), "orders", 3, nil, false); err != nil {
				t.Fatal(err)
			}
			// They are written to before anybody has looked, and afterwards.
			for _, p := range []int32{1, 2} {
				client.ForceMetadataRefresh()
				mustProduce(t, client, numbered("orders", p, 0, 3)...)
			}
			metadata := b.network.requests(int16(kmsg.Metadata))
			eventually(t, "the topic is looked at", func() bool { return b.network.requests(int16(kmsg.Metadata)) > metadata+5 })
			mustProduce(t, client, numbered("orders", 0, 0, 1)...)
			mustProduce(t, client, numbered("orders", 2, 3, 1)...)
			if want := 1; !added {
				eventually(t, "the record of the partition is read", func() bool { return got.count() == want })
			} else {
				eventually(t, "all records are read", func() bool { return got.count() == 8 })
				if !slices.Equal(got.values(1), numbers(0, 3)) || !slices.Equal(got.values(2), numbers(0, 4)) {
					t.Errorf("got %v and %v", got.values(1), got.values(2))
				}
			}
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if !added && got.count() != 1 {
				t.Errorf("%d records of one partition", got.count())
			}
		})
	}
}

// Leaders that are asked by name serve what has the name.
func TestFollowingEndsWithTheTopic(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kmsg.MetadataResponseTopic)
		looks  int
		says   string
	}{
		"deleted": {func(topic *kmsg.MetadataResponseTopic) {
			topic.ErrorCode, topic.Partitions = kafkaerr.UnknownTopicOrPartition, nil
		}, -1, "was deleted"},
		"replaced": {func(topic *kmsg.MetadataResponseTopic) { topic.TopicID[0]++ }, -1, "another one has its name"},
		// One broker, once, may not know better.
		"not known for a moment": {func(topic *kmsg.MetadataResponseTopic) { topic.TopicID[0]++ }, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, often, kfake.SeedTopics(1, "orders"))
			topic, what := wholeTopic(t, b, "orders")
			looks := 0
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					if said, ok := resp.(*kmsg.MetadataResponse); ok && len(said.Topics) == 1 {
						if looks++; tt.looks < 0 || looks <= tt.looks {
							tt.change(&said.Topics[0])
						}
					}
				}
			})
			ctx, cancel := context.WithCancel(testContext(t))
			ended := make(chan error, 1)
			go func() { ended <- b.cluster.Read(ctx, topic, Reading{From: what.From, Added: true}, &notes{}) }()
			if tt.says == "" {
				metadata := b.network.requests(int16(kmsg.Metadata))
				eventually(t, "the topic is looked at", func() bool { return b.network.requests(int16(kmsg.Metadata)) > metadata+5 })
				cancel()
			}
			err := <-ended
			if tt.says == "" && !errors.Is(err, context.Canceled) ||
				tt.says != "" && (kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition || !strings.Contains(err.Error(), tt.says)) {
				t.Error(err)
			}
			cancel()
		})
	}
}
