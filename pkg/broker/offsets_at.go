package broker

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetAt is where a partition's log reaches a point in time.
type OffsetAt struct {
	// Offset is the first one whose record is that late or later, -1 when there is none.
	Offset int64
	// Timestamp is that record's, zero when there is none.
	Timestamp time.Time
	// Err tells why this partition could not be asked; Offset is then -1.
	Err error
}

// OffsetsAt asks the leaders, all at once, where each partition of a topic reaches a time. The caller has just read the topic's
// metadata; it is read again only for partitions whose leader has changed. A partition that could not be asked has its Err set.
func (c *Cluster) OffsetsAt(ctx context.Context, topic Topic, at time.Time) (map[int32]OffsetAt, error) {
	ctx, done := c.begin(ctx)
	defer done()
	answers := make(map[int32]OffsetAt, len(topic.Partitions))
	timestamp := searchTimestamp(at)
	todo := topic.Partitions
	for attempt := 1; ; attempt++ {
		c.askLeadersAt(ctx, topic.Name, todo, timestamp, answers)
		todo = nil
		for _, p := range topic.Partitions {
			if retriableOffset(answers[p.ID].Err) {
				todo = append(todo, p)
			}
		}
		if len(todo) == 0 || attempt == offsetAttempts || c.pause(ctx, offsetPause) != nil {
			break
		}
		if todo = c.renewed(ctx, topic, todo); todo == nil {
			break
		}
	}
	if ctx.Err() != nil {
		for _, o := range answers {
			if o.Err == nil {
				return answers, nil
			}
		}
		return nil, c.failed(ctx, "list offsets", topic.Name, context.Cause(ctx))
	}
	return answers, nil
}

// searchTimestamp is a time as Kafka compares it, in milliseconds. A part of one is rounded up: the record is to be that late.
// Negative numbers would ask for something else (-1 is the end, -2 the start).
func searchTimestamp(at time.Time) int64 {
	millis := at.UnixMilli()
	if at.After(time.UnixMilli(millis)) {
		millis++
	}
	return max(millis, 0)
}

// renewed is partitions with their leaders as they are now, nil when those cannot be had. A topic that was deleted and created
// again is another one.
func (c *Cluster) renewed(ctx context.Context, topic Topic, partitions []Partition) []Partition {
	now, found, err := c.topicNow(ctx, topic.Name)
	if err != nil || !found || now.ID != topic.ID {
		return nil
	}
	byID := make(map[int32]Partition, len(now.Partitions))
	for _, p := range now.Partitions {
		byID[p.ID] = p
	}
	out := make([]Partition, 0, len(partitions))
	for _, p := range partitions {
		if newer, ok := byID[p.ID]; ok {
			p = newer
		}
		out = append(out, p)
	}
	return out
}

// askLeadersAt fills in answers for the partitions given, with one request a leader.
func (c *Cluster) askLeadersAt(ctx context.Context, topic string, partitions []Partition, timestamp int64, answers map[int32]OffsetAt) {
	type job struct {
		leader int32
		ids    []int32
	}
	byLeader := map[int32]*job{}
	var jobs []*job
	for _, p := range partitions {
		if p.Leader < 0 {
			answers[p.ID] = OffsetAt{Offset: -1, Err: newError("list offsets", partitionObject(topic, p.ID), codeLeaderNotAvailable, nil, 0)}
			continue
		}
		j := byLeader[p.Leader]
		if j == nil || len(j.ids) == maxOffsetPartitions {
			j = &job{leader: p.Leader}
			byLeader[p.Leader] = j
			jobs = append(jobs, j)
		}
		j.ids = append(j.ids, p.ID)
	}
	results := parallel(ctx, jobs, func(ctx context.Context, j *job) map[int32]OffsetAt {
		return c.leaderOffsetsAt(ctx, j.leader, topic, j.ids, timestamp)
	})
	for _, result := range results {
		for id, o := range result {
			answers[id] = o
		}
	}
}

func (c *Cluster) leaderOffsetsAt(ctx context.Context, leader int32, topic string, ids []int32, timestamp int64) map[int32]OffsetAt {
	resp, err := askBroker(ctx, c, leader, request[*sarama.OffsetResponse]{"list offsets", topic, int16(kmsg.ListOffsets), laneData,
		bySarama(func() *sarama.OffsetRequest {
			req := sarama.NewOffsetRequest(sarama.MaxVersion)
			for _, id := range ids {
				req.AddBlock(topic, id, timestamp, 1)
			}
			return req
		}, (*sarama.Broker).GetAvailableOffsets)})
	out := make(map[int32]OffsetAt, len(ids))
	for _, id := range ids {
		o := OffsetAt{Offset: -1, Err: err}
		if err == nil {
			block := resp.GetBlock(topic, id)
			switch {
			case block == nil:
				o.Err = errors.New("list offsets " + partitionObject(topic, id) + ": the broker's answer does not mention it")
			case block.Err != sarama.ErrNoError:
				o.Err = newError("list offsets", partitionObject(topic, id), int16(block.Err), nil, 0)
			case block.Offset >= 0:
				o.Offset, o.Timestamp = block.Offset, time.UnixMilli(block.Timestamp).UTC()
			}
		}
		out[id] = o
	}
	return out
}
