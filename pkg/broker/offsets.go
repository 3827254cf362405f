package broker

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// offsetAttempts and offsetPause are for partitions whose leader has just changed.
	offsetAttempts = 4
	offsetPause    = 200 * time.Millisecond
	// maxOffsetPartitions bounds the partitions of one ListOffsets request.
	maxOffsetPartitions = 4000
)

// Offsets asks the leaders, all at once, for the first and the end offset of each partition of a topic. A partition whose leader
// does not answer, or that has none, has its Err set; the call fails when there is no such topic or no broker to ask.
func (c *Cluster) Offsets(ctx context.Context, topic string, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ctx, done := c.begin(ctx)
	defer done()
	t, err := c.reassignableTopic(ctx, "list offsets", topic)
	if err != nil {
		return nil, err
	}
	return c.offsetsOf(ctx, t, isolation)
}

// OffsetsOf is Offsets for a topic whose metadata the caller has just read, without reading it again unless a leader has changed.
func (c *Cluster) OffsetsOf(ctx context.Context, topic Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ctx, done := c.begin(ctx)
	defer done()
	return c.offsetsOf(ctx, topic, isolation)
}

func (c *Cluster) offsetsOf(ctx context.Context, t Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	answers := make(map[int32]PartitionOffsets, len(t.Partitions))
	todo := t.Partitions
	for attempt := 1; ; attempt++ {
		c.askLeaders(ctx, t.Name, todo, isolation, answers)
		todo = nil
		for _, p := range t.Partitions {
			if retriableOffset(answers[p.ID].Err) {
				todo = append(todo, p)
			}
		}
		if len(todo) == 0 || attempt == offsetAttempts || c.pause(ctx, offsetPause) != nil {
			break
		}
		now, found, err := c.topicNow(ctx, t.Name)
		if err != nil || !found {
			break
		}
		byID := map[int32]Partition{}
		for _, p := range now.Partitions {
			byID[p.ID] = p
		}
		for i, p := range todo {
			if newer, ok := byID[p.ID]; ok {
				todo[i] = newer
			}
		}
	}
	if ctx.Err() != nil {
		for _, o := range answers {
			if o.Err == nil {
				return answers, nil
			}
		}
		return nil, c.failed(ctx, "list offsets", t.Name, context.Cause(ctx))
	}
	return answers, nil
}

// retriableOffset tells whether another look at the metadata may help.
func retriableOffset(err error) bool {
	switch CodeOf(err) {
	case codeNotLeader, codeFencedLeaderEpoch, codeUnknownLeaderEpoch, codeOffsetNotAvailable, codeUnknownTopicOrPartition,
		codeLeaderNotAvailable, codeReplicaNotAvailable:
		return true
	}
	return IsUnreachable(err)
}

// askLeaders fills in answers for the partitions given.
func (c *Cluster) askLeaders(ctx context.Context, topic string, partitions []Partition, isolation Isolation, answers map[int32]PartitionOffsets) {
	type job struct {
		leader int32
		ids    []int32
	}
	byLeader := map[int32]*job{}
	var jobs []*job
	for _, p := range partitions {
		if p.Leader < 0 {
			answers[p.ID] = PartitionOffsets{-1, -1, newError("list offsets", partitionObject(topic, p.ID), codeLeaderNotAvailable, nil, 0)}
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
	results := parallel(ctx, jobs, func(ctx context.Context, j *job) map[int32]PartitionOffsets {
		return c.leaderOffsets(ctx, j.leader, topic, j.ids, isolation)
	})
	for _, result := range results {
		for id, o := range result {
			answers[id] = o
		}
	}
}

// leaderOffsets sends two ListOffsets requests to one leader: a request may name a partition once only.
func (c *Cluster) leaderOffsets(ctx context.Context, leader int32, topic string, ids []int32, isolation Isolation) map[int32]PartitionOffsets {
	ask := func(ctx context.Context, timestamp int64) map[int32]PartitionOffsets {
		out := make(map[int32]PartitionOffsets, len(ids))
		resp, err := askBroker(ctx, c, leader, request[*sarama.OffsetResponse]{"list offsets", topic, int16(kmsg.ListOffsets), laneData,
			bySarama(func() *sarama.OffsetRequest {
				req := sarama.NewOffsetRequest(sarama.MaxVersion)
				req.IsolationLevel = sarama.IsolationLevel(isolation)
				for _, id := range ids {
					req.AddBlock(topic, id, timestamp, 1)
				}
				return req
			}, (*sarama.Broker).GetAvailableOffsets)})
		for _, id := range ids {
			o := PartitionOffsets{Start: -1, End: -1, Err: err}
			if err == nil {
				block := resp.GetBlock(topic, id)
				switch {
				case block == nil:
					o.Err = errors.New("list offsets " + partitionObject(topic, id) + ": the broker's answer does not mention it")
				case block.Err != sarama.ErrNoError:
					o.Err = newError("list offsets", partitionObject(topic, id), int16(block.Err), nil, 0)
				default:
					o.Start, o.End = block.Offset, block.Offset
				}
			}
			out[id] = o
		}
		return out
	}
	ends := parallel(ctx, []int64{sarama.OffsetOldest, sarama.OffsetNewest}, ask)
	merged := make(map[int32]PartitionOffsets, len(ids))
	for _, id := range ids {
		start, end := ends[0][id], ends[1][id]
		o := PartitionOffsets{Start: start.Start, End: end.End, Err: start.Err}
		if o.Err == nil {
			o.Err = end.Err
		}
		if o.Err != nil {
			o.Start, o.End = -1, -1
		}
		merged[id] = o
	}
	return merged
}
