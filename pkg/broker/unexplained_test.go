package broker

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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

// committing makes a bench with two topics whose commits are answered with a refusal of one of them, which stands first, and the other with a code.
func committing(t *testing.T, code func() int16) *bench {
	b := newBench(t, Options{}, kfake.SeedTopics(1, "audit", "orders"))
	b.commit(t, "billing", "orders", 0)
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "audit", Err: kerr.TopicAuthorizationFailed, Count: -1})
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if committed, ok := resp.(*kmsg.OffsetCommitResponse); ok {
				committed.Topics[1].Partitions[0].ErrorCode = code()
			}
		}
	})
	return b
}

// A broker refuses topics that our account may not read by itself, before what the coordinator answers of the others.
func TestACommitInDoubtBehindARefusal(t *testing.T) {
	// A group that is said to be elsewhere is followed until time is up: then it is known no more what was refused.
	for name, tt := range map[string]struct {
		code  int16
		known bool
	}{"timed out": {7, true}, "an error of its own": {-1, true}, "not seen in time": {15, false}, "another's by then": {16, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := committing(t, func() int16 { return tt.code })
			ctx, cancel := context.WithTimeout(testContext(t), 6*time.Second)
			defer cancel()
			n, err := b.cluster.CommitOffsets(ctx, "billing", map[TopicPartition]int64{{Topic: "audit"}: 7, {Topic: "orders"}: 7})
			if n != 1 || kafkaerr.IsUnknownOutcome(err) == tt.known || tt.known && kafkaerr.CodeOf(err) != kafkaerr.TopicAuthorizationFailed {
				t.Errorf("%d written, %v: the brokers have one", n, err)
			}
		})
	}
}

func TestAGroupIsFollowedThatMovesBehindARefusal(t *testing.T) {
	var moved atomic.Bool
	b := committing(t, func() int16 {
		if moved.Swap(true) {
			return 0
		}
		return kafkaerr.NotCoordinator
	})
	n, err := b.cluster.CommitOffsets(testContext(t), "billing", map[TopicPartition]int64{{Topic: "audit"}: 7, {Topic: "orders"}: 7})
	if n != 1 || kafkaerr.CodeOf(err) != kafkaerr.TopicAuthorizationFailed {
		t.Errorf("%d written, %v", n, err)
	}
}

// Of a request for many partitions one may be refused, and another left open.
func TestAMoveInDoubtBehindARefusal(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	orders := mustTopic(t, b, "orders")
	b.network.set(func() {
		b.network.change = func(_ string, _ kmsg.Request, resp kmsg.Response) {
			if moved, ok := resp.(*kmsg.AlterPartitionAssignmentsResponse); ok {
				for i := range moved.Topics[0].Partitions {
					p := &moved.Topics[0].Partitions[i]
					p.ErrorCode = []int16{kafkaerr.InvalidReplicaAssignment, kafkaerr.RequestTimedOut}[p.Partition]
				}
			}
		}
	})
	stays := orders.Partitions[1].Replicas
	err := b.cluster.Reassign(testContext(t), "orders", map[int32][]int32{0: {(orders.Partitions[0].Replicas[0] + 1) % 3}, 1: stays})
	if kafkaerr.IsUnknownOutcome(err) || len(kafkaerr.Refusals(err)) != 1 || kafkaerr.CodeOf(err) != kafkaerr.InvalidReplicaAssignment {
		t.Errorf("partition 1 is where it is to be: %v", err)
	}
	if err := b.cluster.Reassign(testContext(t), "orders", map[int32][]int32{0: orders.Partitions[0].Replicas, 1: {9}}); !kafkaerr.IsUnknownOutcome(err) {
		t.Errorf("nobody knows of partition 1: %v", err)
	}
}
