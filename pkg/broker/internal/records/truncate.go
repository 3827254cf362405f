package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Truncation is what came of the deletion of a partition's oldest records.
type Truncation struct {
	// Start is the first offset that can be read now.
	Start int64
	// Err is why the records were not deleted, or not all of them.
	Err error
	// Doubt tells that they may have been deleted although Err says otherwise.
	Doubt bool
}

const (
	// truncateAttempts is how often partitions whose leader has just changed are asked for.
	truncateAttempts = 4
	// truncateTime is how long a leader may wait for the replicas to delete, too; those that do not live are not waited for.
	truncateTime = 10 * time.Second
)

// DeleteRecords is that of broker.Cluster.
func (c *Records) DeleteRecords(ctx context.Context, topic metadata.Topic, before map[int32]int64) (map[int32]Truncation, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpDeleteRecords
	for id, offset := range before {
		if offset < 0 {
			text := fmt.Sprintf("offset %d is negative", offset)
			return nil, kafkaerr.New(op, transport.PartitionObject(topic.Name, id), kafkaerr.InvalidRequest, &text, 0)
		}
	}
	result := make(map[int32]Truncation, len(before))
	todo := slices.Sorted(maps.Keys(before))
	for attempt := 1; ; attempt++ {
		c.AskLeadersToDelete(ctx, topic, todo, before, result)
		todo = slices.DeleteFunc(todo, func(id int32) bool { return !offsets.RetriableOffset(result[id].Err) })
		if len(todo) == 0 || attempt == truncateAttempts || c.Pause(ctx, offsets.OffsetPause) != nil {
			break
		}
		now, found, _, err := c.TopicAgain(ctx, topic)
		if err != nil || !found {
			break
		}
		topic = now
	}
	c.lookWhetherTruncated(ctx, topic, before, result)
	return result, nil
}

// lookWhetherTruncated asks where partitions begin whose deletion may have happened although no answer says so.
func (c *Records) lookWhetherTruncated(ctx context.Context, topic metadata.Topic, before map[int32]int64, result map[int32]Truncation) {
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if !result[id].Doubt {
			continue
		}
		one := topic
		one.Partitions = slices.DeleteFunc(slices.Clone(topic.Partitions), func(p metadata.Partition) bool { return p.ID != id })
		at := offsets.PartitionOffsets{Start: -1}
		err := c.LookWhether(ctx, kafkaerr.OpDeleteRecords, transport.PartitionObject(topic.Name, id), result[id].Err, func(ctx context.Context) (bool, error) {
			offsets, err := c.offsets.OffsetsOf(ctx, one, offsets.ReadUncommitted)
			if err != nil {
				return false, err
			}
			at = offsets[id]
			return at.Err == nil && at.Start >= before[id], at.Err
		})
		result[id] = Truncation{Start: at.Start, Err: err}
	}
}

func (c *Records) AskLeadersToDelete(ctx context.Context, topic metadata.Topic, partitions []int32, before map[int32]int64, result map[int32]Truncation) {
	byLeader := map[int32][]int32{}
	for _, id := range partitions {
		leader := metadata.LeaderOf(topic, id)
		if leader < 0 {
			result[id] = Truncation{Start: -1, Err: kafkaerr.New(kafkaerr.OpDeleteRecords, transport.PartitionObject(topic.Name, id), kafkaerr.LeaderNotAvailable, nil, 0),
				Doubt: result[id].Doubt}
			continue
		}
		byLeader[leader] = append(byLeader[leader], id)
	}
	leaders := slices.Sorted(maps.Keys(byLeader))
	answers := transport.Parallel(ctx, leaders, func(ctx context.Context, leader int32) map[int32]Truncation {
		return c.leaderDelete(ctx, leader, topic.Name, byLeader[leader], before)
	})
	for _, answer := range answers {
		for id, t := range answer {
			// A later attempt that is refused says nothing of an earlier one.
			t.Doubt = t.Err != nil && (t.Doubt || result[id].Doubt)
			result[id] = t
		}
	}
}

func (c *Records) leaderDelete(ctx context.Context, leader int32, topic string, partitions []int32, before map[int32]int64) map[int32]Truncation {
	const op = kafkaerr.OpDeleteRecords
	window, cancel, timeout := transport.WriteWindow(ctx)
	defer cancel()
	var sent atomic.Bool
	resp, err := transport.AskBroker(window, c.Cluster, leader, transport.Request[*kmsg.DeleteRecordsResponse]{Op: op, Object: topic, Key: int16(kmsg.DeleteRecords), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.DeleteRecordsResponse](func() kmsg.Request {
			sent.Store(true)
			wanted := kmsg.NewDeleteRecordsRequestTopic()
			wanted.Topic = topic
			for _, id := range partitions {
				partition := kmsg.NewDeleteRecordsRequestTopicPartition()
				partition.Partition, partition.Offset = id, before[id]
				wanted.Partitions = append(wanted.Partitions, partition)
			}
			req := kmsg.NewDeleteRecordsRequest()
			req.TimeoutMillis = int32(min(timeout, truncateTime) / time.Millisecond)
			req.Topics = append(req.Topics, wanted)
			return &req
		}, 0)})
	// A leader that does not answer may have done it, and so may one that does not mention a partition. Asked for again it does it once: see
	// DeleteRecords.
	doubt := err == nil || !wire.Answered(err) && sent.Load()
	result := make(map[int32]Truncation, len(partitions))
	for _, id := range partitions {
		t := Truncation{Start: -1, Err: err, Doubt: doubt}
		if err == nil {
			t.Err = errors.New(op + " " + transport.PartitionObject(topic, id) + ": the broker's answer does not mention it")
		}
		result[id] = t
	}
	if err != nil {
		return result
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			done := Truncation{Start: p.LowWatermark}
			if p.ErrorCode != 0 {
				done = Truncation{Start: -1, Err: kafkaerr.New(op, transport.PartitionObject(topic, p.Partition), p.ErrorCode, nil, wire.Millis(resp.ThrottleMillis)),
					Doubt: !kafkaerr.NotTruncated(p.ErrorCode)}
			}
			result[p.Partition] = done
		}
	}
	return result
}
