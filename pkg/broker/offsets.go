package broker

import (
	"context"
	"slices"
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
func (c *Cluster) offsetsAt(ctx context.Context, t Topic, isolation Isolation, timestamps ...int64) ([]map[int32]leaderOffset, error) {
	answers := make([]map[int32]leaderOffset, len(timestamps))
	for i := range answers {
		answers[i] = make(map[int32]leaderOffset, len(t.Partitions))
	}
	asked := t.Partitions
	for attempt := 1; ; attempt++ {
		c.askLeaders(ctx, t.Name, asked, isolation, timestamps, answers)
		var todo []Partition
		for _, p := range asked {
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
	partitions []ledPartition
}

// ledPartition is a partition and the epoch of the leader that is asked about it, -1 for whichever it has.
type ledPartition struct{ id, epoch int32 }

// offsetsAnswer is shared by all who asked: it is read only.
type offsetsAnswer map[TopicPartition]leaderOffset

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
				answer[p.ID] = leaderOffset{-1, -1, -1, kafkaerr.New(op, partitionObject(topic, p.ID), kafkaerr.LeaderNotAvailable, nil, 0)}
			}
			continue
		}
		i, ok := current[p.Leader]
		if !ok || len(questions[i].partitions) == maxOffsetPartitions {
			i = len(questions)
			current[p.Leader] = i
			questions, leaders = append(questions, offsetsQuestion{topic: topic}), append(leaders, p.Leader)
		}
		questions[i].partitions = append(questions[i].partitions, ledPartition{p.ID, p.LeaderEpoch})
	}
	var asked []*call[offsetsQuestion, offsetsAnswer]
	for i, q := range questions {
		for _, timestamp := range timestamps {
			asked = append(asked, c.shared.offsets.submit(ctx, offsetsTarget{leaders[i], isolation, timestamp}, q))
		}
	}
	for i, k := range asked {
		said, err := k.wait(ctx)
		err = c.ownFailure(ctx, op, topic, err)
		into := answers[i%len(timestamps)]
		for _, p := range k.query.partitions {
			into[p.id] = said.of(topic, p.id, err)
		}
	}
}

func (a offsetsAnswer) of(topic string, id int32, err error) leaderOffset {
	if err != nil {
		return leaderOffset{-1, -1, -1, err}
	}
	if o, told := a[TopicPartition{topic, id}]; told {
		return o
	}
	return leaderOffset{-1, -1, -1, &kafkaerr.NotMentionedError{Op: kafkaerr.OpListOffsets, Object: partitionObject(topic, id)}}
}

// askLeader sends one ListOffsets request for all calls.
func (c *Cluster) askLeader(target offsetsTarget) func(context.Context, []*call[offsetsQuestion, offsetsAnswer]) error {
	return func(ctx context.Context, calls []*call[offsetsQuestion, offsetsAnswer]) error {
		const op = kafkaerr.OpListOffsets
		resp, err := askBroker(ctx, c, target.leader, request[*kmsg.ListOffsetsResponse]{op, "", int16(kmsg.ListOffsets), laneData,
			byKmsg[*kmsg.ListOffsetsResponse](func() kmsg.Request { return listOffsets(target, calls) }, minListOffsetsVersion)})
		if err != nil {
			return err
		}
		said := offsetsAnswer{}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				o := leaderOffset{offset: p.Offset, timestamp: p.Timestamp, epoch: p.LeaderEpoch}
				if p.ErrorCode != 0 {
					o = leaderOffset{-1, -1, -1, kafkaerr.New(op, partitionObject(t.Topic, p.Partition), p.ErrorCode, nil, 0)}
				}
				said[TopicPartition{t.Topic, p.Partition}] = o
			}
		}
		for _, k := range calls {
			k.answer(said, nil)
		}
		return nil
	}
}

// minListOffsetsVersion is the first that answers one offset for a timestamp.
const minListOffsetsVersion = 1

// listOffsets asks about each partition once. Of the epochs that calls know of a leader the highest counts.
func listOffsets(target offsetsTarget, calls []*call[offsetsQuestion, offsetsAnswer]) kmsg.Request {
	type place struct{ topic, partition int }
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = int8(target.isolation)
	topics, places := map[string]int{}, map[TopicPartition]place{}
	for _, k := range calls {
		name := k.query.topic
		at, known := topics[name]
		if !known {
			at = len(req.Topics)
			topics[name] = at
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = name
			req.Topics = append(req.Topics, t)
		}
		t := &req.Topics[at]
		for _, p := range k.query.partitions {
			if has, twice := places[TopicPartition{name, p.id}]; twice {
				epoch := &req.Topics[has.topic].Partitions[has.partition].CurrentLeaderEpoch
				*epoch = max(*epoch, p.epoch)
				continue
			}
			places[TopicPartition{name, p.id}] = place{at, len(t.Partitions)}
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition, part.Timestamp, part.CurrentLeaderEpoch = p.id, target.timestamp, p.epoch
			t.Partitions = append(t.Partitions, part)
		}
	}
	return req
}
