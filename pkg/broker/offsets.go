package broker

import (
	"context"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
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
	t, err := c.reassignableTopic(ctx, kafkaerr.OpListOffsets, topic)
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

// NeverUsed tells whether no partition of a topic ever held a record.
func (c *Cluster) NeverUsed(ctx context.Context, topic Topic) (bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	return c.neverUsed(ctx, topic)
}

func (c *Cluster) neverUsed(ctx context.Context, topic Topic) (bool, error) {
	offsets, err := c.offsetsOf(ctx, topic, ReadUncommitted)
	if err != nil {
		return false, err
	}
	for _, p := range topic.Partitions {
		at, told := offsets[p.ID]
		switch {
		case at.Err != nil:
			return false, at.Err
		case !told || at.End != 0:
			return false, nil
		}
	}
	return true, nil
}

func (c *Cluster) offsetsOf(ctx context.Context, t Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ends, err := c.offsetsAt(ctx, t, isolation, sarama.OffsetOldest, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	merged := make(map[int32]PartitionOffsets, len(t.Partitions))
	for _, p := range t.Partitions {
		start, end := ends[0][p.ID], ends[1][p.ID]
		o := PartitionOffsets{Start: start.offset, End: end.offset, Err: start.err}
		if o.Err == nil {
			o.Err = end.err
		}
		if o.Err != nil {
			o.Start, o.End = -1, -1
		}
		merged[p.ID] = o
	}
	return merged, nil
}

// leaderOffset is what the leader of a partition says of a timestamp.
type leaderOffset struct {
	// offset is of the first record at the timestamp or later; -1 when there is none, or with err. timestamp is that record's.
	offset, timestamp int64
	err               error
}

// offsetsAt asks the leaders, all at once, for a topic's offsets at some timestamps (milliseconds, or Kafka's -1 and -2): one answer
// by partition for each timestamp. A leader that has changed is looked up; the call fails only when the context ends before any
// partition has an answer.
func (c *Cluster) offsetsAt(ctx context.Context, t Topic, isolation Isolation, timestamps ...int64) ([]map[int32]leaderOffset, error) {
	answers := make([]map[int32]leaderOffset, len(timestamps))
	for i := range answers {
		answers[i] = make(map[int32]leaderOffset, len(t.Partitions))
	}
	todo := t.Partitions
	for attempt := 1; ; attempt++ {
		c.askLeaders(ctx, t.Name, todo, isolation, timestamps, answers)
		todo = nil
		for _, p := range t.Partitions {
			for _, answer := range answers {
				if retriableOffset(answer[p.ID].err) {
					c.contradicted(t, answer[p.ID].err)
					todo = append(todo, p)
					break
				}
			}
		}
		if len(todo) == 0 || attempt == offsetAttempts || c.pause(ctx, offsetPause) != nil {
			break
		}
		if todo = c.renewed(ctx, t, todo); todo == nil {
			break
		}
	}
	if ctx.Err() != nil {
		for _, answer := range answers {
			for _, o := range answer {
				if o.err == nil {
					return answers, nil
				}
			}
		}
		return nil, c.failed(ctx, kafkaerr.OpListOffsets, t.Name, context.Cause(ctx))
	}
	return answers, nil
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

// retriableOffset tells whether another look at the metadata may help.
func retriableOffset(err error) bool {
	switch kafkaerr.CodeOf(err) {
	case kafkaerr.NotLeaderOrFollower, kafkaerr.FencedLeaderEpoch, kafkaerr.UnknownLeaderEpoch, kafkaerr.OffsetNotAvailable, kafkaerr.UnknownTopicOrPartition,
		kafkaerr.LeaderNotAvailable, kafkaerr.ReplicaNotAvailable:
		return true
	}
	return kafkaerr.IsUnreachable(err)
}

// offsetsTarget is a kind of question to one leader: a request has one isolation level, and names a partition once only, so each
// timestamp is a request of its own.
type offsetsTarget struct {
	leader    int32
	isolation Isolation
	timestamp int64
}

type offsetsQuestion struct {
	topic      string
	partitions []int32
}

// offsetsAnswer is shared by all who asked: it is read only.
type offsetsAnswer struct{ resp *sarama.OffsetResponse }

var offsetsRules = batchRules[offsetsQuestion]{
	api: kmsg.ListOffsets.Name(), maxWeight: maxOffsetPartitions,
	weigh: func(q offsetsQuestion) int { return len(q.partitions) },
}

// askLeaders fills in answers for the partitions given.
func (c *Cluster) askLeaders(ctx context.Context, topic string, partitions []Partition, isolation Isolation, timestamps []int64, answers []map[int32]leaderOffset) {
	const op = kafkaerr.OpListOffsets
	var questions []offsetsQuestion
	var leaders []int32
	current := map[int32]int{}
	for _, p := range partitions {
		if p.Leader < 0 {
			for _, answer := range answers {
				answer[p.ID] = leaderOffset{-1, -1, kafkaerr.New(op, partitionObject(topic, p.ID), kafkaerr.LeaderNotAvailable, nil, 0)}
			}
			continue
		}
		i, ok := current[p.Leader]
		if !ok || len(questions[i].partitions) == maxOffsetPartitions {
			i = len(questions)
			current[p.Leader] = i
			questions, leaders = append(questions, offsetsQuestion{topic: topic}), append(leaders, p.Leader)
		}
		questions[i].partitions = append(questions[i].partitions, p.ID)
	}
	var asked []*call[offsetsQuestion, *offsetsAnswer]
	for i, q := range questions {
		for _, timestamp := range timestamps {
			asked = append(asked, c.shared.offsets.submit(ctx, offsetsTarget{leaders[i], isolation, timestamp}, q))
		}
	}
	for i, k := range asked {
		said, err := k.wait(ctx)
		err = c.ownFailure(ctx, op, topic, err)
		into := answers[i%len(timestamps)]
		for _, id := range k.query.partitions {
			into[id] = said.of(topic, id, err)
		}
	}
}

func (a *offsetsAnswer) of(topic string, id int32, err error) leaderOffset {
	o := leaderOffset{offset: -1, timestamp: -1, err: err}
	if err != nil {
		return o
	}
	block := a.resp.GetBlock(topic, id)
	switch {
	case block == nil:
		o.err = notMentioned(kafkaerr.OpListOffsets, partitionObject(topic, id))
	case block.Err != sarama.ErrNoError:
		o.err = kafkaerr.New(kafkaerr.OpListOffsets, partitionObject(topic, id), int16(block.Err), nil, 0)
	default:
		o.offset, o.timestamp = block.Offset, block.Timestamp
	}
	return o
}

// askLeader sends one ListOffsets request for all calls.
func (c *Cluster) askLeader(target offsetsTarget) func(context.Context, []*call[offsetsQuestion, *offsetsAnswer]) error {
	return func(ctx context.Context, calls []*call[offsetsQuestion, *offsetsAnswer]) error {
		resp, err := askBroker(ctx, c, target.leader, request[*sarama.OffsetResponse]{kafkaerr.OpListOffsets, "", int16(kmsg.ListOffsets), laneData,
			bySarama(func() *sarama.OffsetRequest {
				req := sarama.NewOffsetRequest(sarama.MaxVersion)
				req.IsolationLevel = sarama.IsolationLevel(target.isolation)
				for _, k := range calls {
					for _, id := range k.query.partitions {
						req.AddBlock(k.query.topic, id, target.timestamp, 1)
					}
				}
				return req
			}, (*sarama.Broker).GetAvailableOffsets)})
		if err != nil {
			return err
		}
		for _, k := range calls {
			k.answer(&offsetsAnswer{resp}, nil)
		}
		return nil
	}
}
