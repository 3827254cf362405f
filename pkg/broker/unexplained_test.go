package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// unexplained are the writes, and how each part of an answer to them gets another code, or is left out.
var unexplained = map[string]struct {
	key    kmsg.Key
	do     func(ctx context.Context, b *bench, orders Topic) error
	answer func(resp kmsg.Response, code int16)
	empty  func(resp kmsg.Response)
}{
	"create": {kmsg.CreateTopics, func(ctx context.Context, b *bench, _ Topic) error {
		_, err := b.cluster.CreateTopic(ctx, NewTopic{Name: "new", Partitions: 1, Replicas: 1}, false)
		return err
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.CreateTopicsResponse).Topics = nil }},
	"grow": {kmsg.CreatePartitions, func(ctx context.Context, b *bench, _ Topic) error {
		return b.cluster.CreatePartitions(ctx, "orders", 3, nil, false)
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.CreatePartitionsResponse).Topics = nil }},
	"configure": {kmsg.IncrementalAlterConfigs, func(ctx context.Context, b *bench, _ Topic) error {
		return b.cluster.AlterTopicConfig(ctx, "orders", map[string]string{"retention.ms": "1000"}, nil, false)
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.IncrementalAlterConfigsResponse).Resources = nil }},
	"reassign": {kmsg.AlterPartitionAssignments, func(ctx context.Context, b *bench, orders Topic) error {
		return b.cluster.Reassign(ctx, "orders", map[int32][]int32{0: orders.Partitions[0].Replicas})
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.AlterPartitionAssignmentsResponse).Topics[0].Partitions[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.AlterPartitionAssignmentsResponse).Topics = nil }},
	"delete": {kmsg.DeleteTopics, func(ctx context.Context, b *bench, orders Topic) error {
		return b.cluster.DeleteTopic(ctx, orders.ID)
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.DeleteTopicsResponse).Topics = nil }},
	"commit": {kmsg.OffsetCommit, func(ctx context.Context, b *bench, _ Topic) error {
		_, err := b.cluster.CommitOffsets(ctx, "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 7})
		return err
	}, func(resp kmsg.Response, code int16) {
		resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode = code
	}, func(resp kmsg.Response) { resp.(*kmsg.OffsetCommitResponse).Topics = nil }},
}

// What an answer leaves open is looked up: what brokers have then is what was done.
func TestAnAnswerThatExplainsNothingIsLookedUp(t *testing.T) {
	for name, write := range unexplained {
		for how, answer := range map[string]func(kmsg.Response){
			"an error of its own": func(resp kmsg.Response) { write.answer(resp, kafkaerr.UnknownServerError) },
			"an unknown code":     func(resp kmsg.Response) { write.answer(resp, 9999) },
			"timed out":           func(resp kmsg.Response) { write.answer(resp, kafkaerr.RequestTimedOut) },
			"left out":            write.empty,
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, Options{Clock: newFakeClock()}, kfake.SeedTopics(1, "orders"))
				b.commit(t, "billing", "orders", 0)
				orders := mustTopic(t, b, "orders")
				if _, err := b.cluster.Snapshot(testContext(t), 0); err != nil {
					t.Fatal(err)
				}
				b.network.set(func() {
					b.network.change = func(_ string, req kmsg.Request, resp kmsg.Response) {
						if req.Key() == int16(write.key) {
							answer(resp)
						}
					}
				})
				if err := write.do(testContext(t), b, orders); err != nil {
					t.Errorf("the brokers have it: %v", err)
				}
			})
		}
	}
}

// A broker that is done with a write did nothing if there is nothing to be seen of it: the caller gets what the broker said.
func TestAnAnswerThatExplainsNothingAboutNothing(t *testing.T) {
	for name, write := range unexplained {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 0)
			orders := mustTopic(t, b, "orders")
			orders.Partitions[0].Replicas = []int32{(orders.Partitions[0].Replicas[0] + 1) % 3}
			b.kafka.ControlKey(int16(write.key), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.kafka.KeepControl()
				resp := req.ResponseKind()
				resp.SetVersion(req.GetVersion())
				return resp, nil, true
			})
			err := write.do(testContext(t), b, orders)
			var silent *kafkaerr.NotMentionedError
			if !errors.As(err, &silent) || kafkaerr.IsUnknownOutcome(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A coordinator that refuses what it has appended already, because the log is another's by then, has carried it out.
func TestACommitThatTheCoordinatorRefusesAfterTheAppend(t *testing.T) {
	for name, code := range map[string]int16{"not seen in time": 15, "another's by then": 16} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{}, kfake.SeedTopics(1, "orders"))
			b.commit(t, "billing", "orders", 0)
			b.network.set(func() {
				b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
					if committed, ok := resp.(*kmsg.OffsetCommitResponse); ok {
						committed.Topics[0].Partitions[0].ErrorCode = code
					}
				}
			})
			ctx, cancel := context.WithTimeout(testContext(t), 6*time.Second)
			defer cancel()
			n, err := b.cluster.CommitOffsets(ctx, "billing", map[TopicPartition]int64{{Topic: "orders", Partition: 0}: 7})
			if n != 1 || err != nil {
				t.Errorf("%d written, %v: the brokers have it", n, err)
			}
		})
	}
}
