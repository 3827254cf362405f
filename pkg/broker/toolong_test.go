package broker

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// answerLong makes the brokers answer one kind of request with more than is read of it.
func (b *bench) answerLong(key kmsg.Key, fill func(kmsg.Response)) {
	b.kafka.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind()
		resp.SetVersion(req.GetVersion())
		fill(resp)
		return resp, nil, true
	})
}

// What a cluster has too much of is told, with what to do. The cluster is well, and everything else about it is served.
func TestAnAnswerThatIsTooLong(t *testing.T) {
	long := strings.Repeat("x", 30_000)
	for name, tc := range map[string]struct {
		request kmsg.Key
		set     func(*testing.T, *bench)
		ask     func(context.Context, *testing.T, *bench) error
		remedy  string
	}{
		"groups": {kmsg.ListGroups, func(_ *testing.T, b *bench) {
			b.answerLong(kmsg.ListGroups, func(resp kmsg.Response) {
				for range 200 {
					resp.(*kmsg.ListGroupsResponse).Groups = append(resp.(*kmsg.ListGroupsResponse).Groups, kmsg.ListGroupsResponseGroup{Group: long})
				}
			})
		}, func(ctx context.Context, _ *testing.T, b *bench) error {
			_, err := b.cluster.Groups(ctx)
			return err
		}, "get the one that you need by its name"},
		"offsets": {kmsg.OffsetFetch, func(t *testing.T, b *bench) {
			b.commit(t, "billing", "orders", 0)
			b.answerLong(kmsg.OffsetFetch, func(resp kmsg.Response) {
				group := kmsg.OffsetFetchResponseGroup{Group: "billing"}
				for range 200 {
					group.Topics = append(group.Topics, kmsg.OffsetFetchResponseGroupTopic{Topic: long})
				}
				resp.(*kmsg.OffsetFetchResponse).Groups = []kmsg.OffsetFetchResponseGroup{group}
			})
		}, func(ctx context.Context, _ *testing.T, b *bench) error {
			_, err := b.cluster.CommittedOffsets(ctx, "billing")
			return err
		}, "delete offsets"},
		"metadata": {kmsg.Metadata, nil, func(ctx context.Context, _ *testing.T, b *bench) error {
			_, err := b.cluster.Snapshot(ctx, 0)
			return err
		}, "raise the memory limit"},
		"records": {kmsg.Fetch, func(t *testing.T, b *bench) {
			mustProduce(t, newProducer(t, b, kgo.ProducerBatchCompression(kgo.NoCompression())), &kgo.Record{Topic: "orders", Value: make([]byte, 900<<10)})
		}, func(ctx context.Context, t *testing.T, b *bench) error {
			topic, what := wholeTopic(t, b, "orders")
			return b.cluster.Read(ctx, topic, what, &notes{})
		}, "raise the memory limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Of three mebibytes an answer about all topics may have 1.5 MiB, and records 768.
			b := newBench(t, Options{AnswerBytes: 3 << 20}, kfake.SeedTopics(1, "orders"), kfake.SeedTopics(60_000, "wide"))
			if tc.set != nil {
				tc.set(t, b)
			}
			ctx := testContext(t)
			before := b.network.requests(int16(tc.request))
			err := tc.ask(ctx, t, b)
			if !kafkaerr.IsTooLong(err) || kafkaerr.IsUnreachable(err) || !strings.Contains(err.Error(), tc.remedy) || !strings.Contains(err.Error(), tc.request.Name()) {
				t.Fatalf("%v, want that the answer to %s is too long, and %q", err, tc.request.Name(), tc.remedy)
			}
			for _, addr := range b.kafka.ListenAddrs() {
				if strings.Contains(err.Error(), addr) {
					t.Errorf("%v names the address of a broker", err)
				}
			}
			// No broker is asked for it twice.
			if n := b.network.requests(int16(tc.request)) - before; n > len(b.kafka.ListenAddrs()) {
				t.Errorf("it was asked %d times", n)
			}
			if topic, found, err := b.cluster.Topic(ctx, "orders"); err != nil || !found || len(topic.Partitions) != 1 {
				t.Errorf("the cluster afterwards: %+v, %v", topic, err)
			}
		})
	}
}

// Nothing is known of a write whose answer was not read.
func TestAWriteWhoseAnswerIsTooLongIsLookedUp(t *testing.T) {
	b := newBench(t, Options{})
	long := strings.Repeat("x", 30_000)
	b.answerLong(kmsg.CreateTopics, func(resp kmsg.Response) {
		for range 200 {
			resp.(*kmsg.CreateTopicsResponse).Topics = append(resp.(*kmsg.CreateTopicsResponse).Topics, kmsg.CreateTopicsResponseTopic{Topic: long})
		}
	})
	if _, err := b.cluster.CreateTopic(testContext(t), NewTopic{Name: "orders", Partitions: 1, Replicas: 1}, false); !kafkaerr.IsUnknownOutcome(err) {
		t.Errorf("%v, want that the outcome is unknown", err)
	}
}
