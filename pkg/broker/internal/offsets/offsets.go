package offsets

import (
	"context"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// offsetAttempts and OffsetPause are for partitions whose leader has just changed.
	offsetAttempts = 4
	OffsetPause    = 200 * time.Millisecond
	// maxOffsetPartitions bounds the partitions of one ListOffsets request.
	maxOffsetPartitions = 4000
)

// Offsets asks the leaders of partitions for the offsets that can be read.
type Offsets struct {
	*metadata.Metadata
	Leaders transport.Batchers[Target, Question, Answer]
}

func New(m *metadata.Metadata) *Offsets {
	c := &Offsets{Metadata: m}
	c.Leaders.Build = func(target Target) *transport.Batcher[Question, Answer] {
		return transport.NewBatcher(m.Cluster, offsetsRules, c.askLeader(target))
	}
	return c
}

// Offsets is that of broker.Cluster.
func (c *Offsets) Offsets(ctx context.Context, topic string, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	t, err := c.ReassignableTopic(ctx, kafkaerr.OpListOffsets, topic)
	if err != nil {
		return nil, err
	}
	return c.offsetsOf(ctx, t, isolation)
}

// OffsetsOf is that of broker.Cluster.
func (c *Offsets) OffsetsOf(ctx context.Context, topic metadata.Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.offsetsOf(ctx, topic, isolation)
}

// NeverUsed is that of broker.Cluster.
func (c *Offsets) NeverUsed(ctx context.Context, topic metadata.Topic) (bool, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.neverUsed(ctx, topic)
}

func (c *Offsets) neverUsed(ctx context.Context, topic metadata.Topic) (bool, error) {
	ends, err := c.offsetsAt(ctx, topic, logEnd, sarama.OffsetNewest)
	if err != nil {
		return false, err
	}
	for _, p := range topic.Partitions {
		end, told := ends[0][p.ID]
		switch {
		case end.err != nil:
			return false, end.err
		case !told || end.offset != 0:
			return false, nil
		}
	}
	return true, nil
}

func (c *Offsets) offsetsOf(ctx context.Context, t metadata.Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	ends, err := c.offsetsAt(ctx, t, isolation, sarama.OffsetOldest, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	merged := make(map[int32]PartitionOffsets, len(t.Partitions))
	for _, p := range t.Partitions {
		start, end := ends[0][p.ID], ends[1][p.ID]
		o := PartitionOffsets{Start: start.offset, End: end.offset, Epoch: end.epoch, Err: start.err}
		if o.Err == nil {
			o.Err = end.err
		}
		if o.Err != nil {
			o.Start, o.End, o.Epoch = -1, -1, -1
		}
		merged[p.ID] = o
	}
	return merged, nil
}

// leaderOffset is what the leader of a partition says of a timestamp.
type leaderOffset struct {
	// offset is of the first record at the timestamp or later; -1 when there is none, or with err. timestamp is that record's.
	offset, timestamp int64
	// epoch is that of the record, and for the end the leader's own; -1 when it is not known.
	epoch int32
	err   error
}

// offsetsAt asks the leaders, all at once, for a topic's offsets at some timestamps (milliseconds, or Kafka's -1 and -2): one answer
// by partition for each timestamp. A leader that has changed is looked up; the call fails only when the context ends before any
// partition has an answer.
func (c *Offsets) offsetsAt(ctx context.Context, t metadata.Topic, isolation Isolation, timestamps ...int64) ([]map[int32]leaderOffset, error) {
	answers := make([]map[int32]leaderOffset, len(timestamps))
	for i := range answers {
		answers[i] = make(map[int32]leaderOffset, len(t.Partitions))
	}
	asked := t.Partitions
	for attempt := 1; ; attempt++ {
		c.askLeaders(ctx, t.Name, asked, isolation, timestamps, answers)
		var todo []metadata.Partition
		for _, p := range asked {
			for _, answer := range answers {
				if RetriableOffset(answer[p.ID].err) {
					c.Contradicted(t, answer[p.ID].err)
					todo = append(todo, p)
					break
				}
			}
		}
		if len(todo) == 0 || attempt == offsetAttempts || c.Pause(ctx, OffsetPause) != nil {
			break
		}
		if asked = c.renewed(ctx, t, todo); asked == nil {
			break
		}
		for i := range asked {
			// A leader that has a higher epoch than any broker tells is asked for none.
			before := todo[i].LeaderEpoch
			fenced := slices.ContainsFunc(answers, func(answer map[int32]leaderOffset) bool {
				return kafkaerr.CodeOf(answer[asked[i].ID].err) == kafkaerr.FencedLeaderEpoch
			})
			if fenced && asked[i].LeaderEpoch <= before {
				asked[i].LeaderEpoch = -1
			}
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
		return nil, c.Failed(ctx, kafkaerr.OpListOffsets, t.Name, context.Cause(ctx))
	}
	return answers, nil
}

// renewed is partitions with their leaders as they are now, nil when those cannot be had. A topic that was deleted and created
// again is another one.
func (c *Offsets) renewed(ctx context.Context, topic metadata.Topic, partitions []metadata.Partition) []metadata.Partition {
	now, found, _, err := c.TopicAgain(ctx, topic)
	if err != nil || !found {
		return nil
	}
	byID := make(map[int32]metadata.Partition, len(now.Partitions))
	for _, p := range now.Partitions {
		byID[p.ID] = p
	}
	out := make([]metadata.Partition, 0, len(partitions))
	for _, p := range partitions {
		if newer, ok := byID[p.ID]; ok {
			p = newer
		}
		out = append(out, p)
	}
	return out
}

// RetriableOffset tells whether another look at the metadata may help.
func RetriableOffset(err error) bool {
	return kafkaerr.OfLeader(kafkaerr.CodeOf(err)) || kafkaerr.IsUnreachable(err)
}

// Target is a kind of question to one leader: a request has one isolation level, and names a partition once only, so each
// timestamp is a request of its own.
type Target struct {
	Leader    int32
	Isolation Isolation
	Timestamp int64
}

type Question struct {
	topic      string
	partitions []ledPartition
}

// ledPartition is a partition and the epoch of the leader that is asked about it, -1 for whichever it has.
type ledPartition struct{ id, epoch int32 }

// Answer is shared by all who asked: it is read only.
type Answer map[metadata.TopicPartition]leaderOffset

var offsetsRules = transport.BatchRules[Question]{
	API: kmsg.ListOffsets.Name(), MaxWeight: maxOffsetPartitions,
	Weigh: func(q Question) int { return len(q.partitions) },
}

// askLeaders fills in answers for the partitions given.
func (c *Offsets) askLeaders(ctx context.Context, topic string, partitions []metadata.Partition, isolation Isolation, timestamps []int64, answers []map[int32]leaderOffset) {
	const op = kafkaerr.OpListOffsets
	var questions []Question
	var leaders []int32
	current := map[int32]int{}
	for _, p := range partitions {
		if p.Leader < 0 {
			for _, answer := range answers {
				answer[p.ID] = leaderOffset{-1, -1, -1, kafkaerr.New(op, transport.PartitionObject(topic, p.ID), kafkaerr.LeaderNotAvailable, nil, 0)}
			}
			continue
		}
		i, ok := current[p.Leader]
		if !ok || len(questions[i].partitions) == maxOffsetPartitions {
			i = len(questions)
			current[p.Leader] = i
			questions, leaders = append(questions, Question{topic: topic}), append(leaders, p.Leader)
		}
		questions[i].partitions = append(questions[i].partitions, ledPartition{p.ID, p.LeaderEpoch})
	}
	var asked []*transport.Call[Question, Answer]
	for i, q := range questions {
		for _, timestamp := range timestamps {
			asked = append(asked, c.Leaders.Submit(ctx, Target{leaders[i], isolation, timestamp}, q))
		}
	}
	for i, k := range asked {
		said, err := k.Wait(ctx)
		err = c.OwnFailure(ctx, op, topic, err)
		into := answers[i%len(timestamps)]
		for _, p := range k.Query.partitions {
			into[p.id] = said.of(topic, p.id, err)
		}
	}
}

func (a Answer) of(topic string, id int32, err error) leaderOffset {
	if err != nil {
		return leaderOffset{-1, -1, -1, err}
	}
	if o, told := a[metadata.TopicPartition{Topic: topic, Partition: id}]; told {
		return o
	}
	return leaderOffset{-1, -1, -1, &kafkaerr.NotMentionedError{Op: kafkaerr.OpListOffsets, Object: transport.PartitionObject(topic, id)}}
}

// askLeader sends one ListOffsets request for all calls.
func (c *Offsets) askLeader(target Target) func(context.Context, []*transport.Call[Question, Answer]) error {
	return func(ctx context.Context, calls []*transport.Call[Question, Answer]) error {
		const op = kafkaerr.OpListOffsets
		resp, err := transport.AskBroker(ctx, c.Cluster, target.Leader, transport.Request[*kmsg.ListOffsetsResponse]{Op: op, Object: "", Key: int16(kmsg.ListOffsets), Lane: wire.LaneData,
			Send: wire.ByKmsg[*kmsg.ListOffsetsResponse](func() kmsg.Request { return ListOffsets(target, calls) }, minListOffsetsVersion)})
		if err != nil {
			return err
		}
		said := Answer{}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				o := leaderOffset{offset: p.Offset, timestamp: p.Timestamp, epoch: p.LeaderEpoch}
				if p.ErrorCode != 0 {
					o = leaderOffset{-1, -1, -1, kafkaerr.New(op, transport.PartitionObject(t.Topic, p.Partition), p.ErrorCode, nil, 0)}
				}
				said[metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = o
			}
		}
		for _, k := range calls {
			k.Answer(said, nil)
		}
		return nil
	}
}

// minListOffsetsVersion is the first that answers one offset for a timestamp.
const minListOffsetsVersion = 1

// ListOffsets asks about each partition once. Of the epochs that calls know of a leader the highest counts.
func ListOffsets(target Target, calls []*transport.Call[Question, Answer]) kmsg.Request {
	type place struct{ topic, partition int }
	req := kmsg.NewPtrListOffsetsRequest()
	if target.Isolation == logEnd {
		req.ReplicaID = target.Leader
	} else {
		req.IsolationLevel = int8(target.Isolation)
	}
	topics, places := map[string]int{}, map[metadata.TopicPartition]place{}
	for _, k := range calls {
		name := k.Query.topic
		at, known := topics[name]
		if !known {
			at = len(req.Topics)
			topics[name] = at
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = name
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[at]
		for _, p := range k.Query.partitions {
			if has, twice := places[metadata.TopicPartition{Topic: name, Partition: p.id}]; twice {
				epoch := &req.Topics[has.topic].Partitions[has.partition].CurrentLeaderEpoch
				*epoch = max(*epoch, p.epoch)
				continue
			}
			places[metadata.TopicPartition{Topic: name, Partition: p.id}] = place{at, len(t.Partitions)}
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp, part.CurrentLeaderEpoch = p.id, target.Timestamp, p.epoch
			t.Partitions = append(t.Partitions, part)
		}
	}
	return req
}
