package groups

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// CommittedOffset is where a group goes on in a partition.
type CommittedOffset struct {
	Offset int64
	// Metadata is what the client wrote beside the offset.
	Metadata string
	// Err tells why the offset is not known; Offset is then -1.
	Err error
	// Lag is what the brokers count themselves, of a share group; nil when they do not.
	Lag *int64
}

// byNameVersion is the newest version of OffsetFetch and OffsetCommit that names topics: later ones carry topic ids, by which the
// offsets of a topic that was deleted could not be told apart.
const byNameVersion = 9

// CommittedOffsets is that of broker.Cluster.
func (c *Groups) CommittedOffsets(ctx context.Context, group string) (map[metadata.TopicPartition]CommittedOffset, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	if may, err := c.MayHaveGroups(ctx); err != nil || !may {
		return nil, err
	}
	return c.settled(ctx, group, c.committedOffsets)
}

// settled are a group's offsets, asked for again when the coordinator has had the time to know the newest, if the group was followed to it.
func (c *Groups) settled(ctx context.Context, group string, ask func(context.Context, string) (map[metadata.TopicPartition]CommittedOffset, seat, error)) (
	map[metadata.TopicPartition]CommittedOffset, error) {
	for {
		offsets, at, err := ask(ctx, group)
		if err != nil || !at.followed || c.Pause(ctx, takeOver) != nil {
			return offsets, err
		}
	}
}

func (c *Groups) committedOffsets(ctx context.Context, group string) (map[metadata.TopicPartition]CommittedOffset, seat, error) {
	resp, at, err := askCoordinator(ctx, c, group, true,
		transport.Request[*kmsg.OffsetFetchResponse]{Op: kafkaerr.OpFetchOffsets, Object: group, Key: int16(kmsg.OffsetFetch), Lane: wire.LaneData,
			Send: wire.ByKmsg[*kmsg.OffsetFetchResponse](func() kmsg.Request {
				one := kmsg.NewOffsetFetchRequestGroup()
				one.Group = group
				req := kmsg.NewPtrOffsetFetchRequest()
				req.Group, req.Groups = group, []kmsg.OffsetFetchRequestGroup{one}
				return upTo{req, byNameVersion}
			}, firstFetchOfAll)}, fetchCode)
	if err != nil {
		return nil, at, err
	}
	switch code := fetchCode(resp); code {
	case 0:
	case kafkaerr.GroupIDNotFound:
		return nil, at, nil
	default:
		return nil, at, kafkaerr.New(kafkaerr.OpFetchOffsets, group, code, nil, wire.Millis(resp.ThrottleMillis))
	}
	offsets := map[metadata.TopicPartition]CommittedOffset{}
	add := func(topic string, partition int32, offset int64, note *string, code int16) {
		committed := CommittedOffset{Offset: offset}
		if note != nil {
			committed.Metadata = *note
		}
		switch {
		case code != 0:
			committed = CommittedOffset{Offset: -1, Err: kafkaerr.New(kafkaerr.OpFetchOffsets, transport.PartitionObject(topic, partition), code, nil, 0)}
		case offset < 0:
			return
		}
		offsets[metadata.TopicPartition{Topic: topic, Partition: partition}] = committed
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			add(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode)
		}
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				add(t.Topic, p.Partition, p.Offset, p.Metadata, p.ErrorCode)
			}
		}
	}
	return offsets, at, nil
}

// firstFetchOfAll is the first version of OffsetFetch in which no topics means all of them.
const firstFetchOfAll = 2

func fetchCode(r *kmsg.OffsetFetchResponse) int16 {
	if len(r.Groups) == 1 {
		return r.Groups[0].ErrorCode
	}
	return r.ErrorCode
}

// maxCommitBytes bounds one commit: the coordinator appends it to its log as one batch, of a megabyte at most.
const maxCommitBytes = 512 << 10

// CommitOffsets is that of broker.Cluster.
func (c *Groups) CommitOffsets(ctx context.Context, group string, offsets map[metadata.TopicPartition]int64) (int, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	partitions := slices.SortedFunc(maps.Keys(offsets), metadata.TopicPartition.Compare)
	written := 0
	var refusals []error
	for len(partitions) > 0 {
		n, size := 0, 0
		for ; n < len(partitions) && (n == 0 || size < maxCommitBytes); n++ {
			size += len(group) + len(partitions[n].Topic) + 100
		}
		did, err := c.commit(ctx, group, partitions[:n], offsets)
		written += did
		if err != nil {
			refusals = append(refusals, err)
			if did == 0 || kafkaerr.IsUnknownOutcome(err) {
				break
			}
		}
		partitions = partitions[n:]
	}
	return written, errors.Join(refusals...)
}

// commit writes what fits in one request.
func (c *Groups) commit(ctx context.Context, group string, partitions []metadata.TopicPartition, offsets map[metadata.TopicPartition]int64) (int, error) {
	window, cancel, _ := transport.WriteWindow(ctx)
	defer cancel()
	resp, _, err := askCoordinator(window, c, group, false,
		transport.Request[*kmsg.OffsetCommitResponse]{Op: kafkaerr.OpCommitOffsets, Object: group, Key: int16(kmsg.OffsetCommit), Lane: wire.LaneControl,
			Send: wire.ByKmsg[*kmsg.OffsetCommitResponse](func() kmsg.Request { return upTo{commitRequest(group, partitions, offsets), byNameVersion} },
				firstSimpleCommit)}, commitCode)
	// open are the partitions of which it is not known that they are written, nor that they are not.
	open := make(map[metadata.TopicPartition]bool, len(partitions))
	for _, p := range partitions {
		open[p] = true
	}
	var refused, doubts []*kafkaerr.Error
	if err == nil {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				refusal := kafkaerr.New(kafkaerr.OpCommitOffsets, transport.PartitionObject(t.Topic, p.Partition), p.ErrorCode, nil, wire.Millis(resp.ThrottleMillis))
				switch {
				case p.ErrorCode != 0 && transport.Uncertain(kafkaerr.OpCommitOffsets, refusal):
					doubts = append(doubts, refusal)
					continue
				case p.ErrorCode != 0:
					refused = append(refused, refusal)
				}
				delete(open, metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition})
			}
		}
		err = commitRefusal(group, doubts, len(partitions))
		if len(open) > len(doubts) {
			err = errors.Join(&kafkaerr.NotMentionedError{Op: kafkaerr.OpCommitOffsets, Object: group}, err)
		}
	}
	err = c.Confirm(ctx, kafkaerr.OpCommitOffsets, group, err, func(ctx context.Context) (bool, error) {
		now, _, err := c.committedOffsets(ctx, group)
		if err != nil {
			return false, err
		}
		maps.DeleteFunc(open, func(p metadata.TopicPartition, _ bool) bool {
			have, ok := now[p]
			return ok && have.Err == nil && have.Offset == offsets[p]
		})
		return len(open) == 0, nil
	})
	return len(partitions) - len(refused) - len(open), errors.Join(err, commitRefusal(group, refused, len(partitions)))
}

// firstSimpleCommit is the first version of OffsetCommit that keeps offsets in Kafka and for as long as the brokers say.
const firstSimpleCommit = 2

// commitRequest has the generation and the member of a commit from outside of the group: -1 and none.
func commitRequest(group string, partitions []metadata.TopicPartition, offsets map[metadata.TopicPartition]int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.RetentionTimeMillis = group, -1, -1
	for _, p := range partitions {
		if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != p.Topic {
			topic := kmsg.NewOffsetCommitRequestTopic()
			topic.Topic = p.Topic
			req.Topics = append(req.Topics, topic)
		}
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		// A consumer that starts here does not check for a truncated log: the epoch of the offset is not known.
		partition.Partition, partition.Offset, partition.LeaderEpoch = p.Partition, offsets[p], -1
		none := ""
		partition.Metadata = &none
		topic := &req.Topics[len(req.Topics)-1]
		topic.Partitions = append(topic.Partitions, partition)
	}
	return req
}

// commitCode is the answer's error as far as it is about the coordinator. What brokers refuse of single topics themselves may stand before what
// the coordinator answers of the others (KafkaApis.handleOffsetCommitRequest).
func commitCode(r *kmsg.OffsetCommitResponse) int16 {
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if kafkaerr.OfCoordinator(p.ErrorCode) {
				return p.ErrorCode
			}
		}
	}
	return 0
}

// commitRefusal is one error when the group as a whole was refused, else one for each partition.
func commitRefusal(group string, refused []*kafkaerr.Error, asked int) error {
	if len(refused) == 0 {
		return nil
	}
	first := refused[0]
	if len(refused) == asked && !slices.ContainsFunc(refused, func(e *kafkaerr.Error) bool { return e.Code != first.Code }) {
		text := plural.All(asked, "partition is refused", "partitions are refused")
		return kafkaerr.New(kafkaerr.OpCommitOffsets, group, first.Code, &text, first.RetryAfter)
	}
	errs := make([]error, len(refused))
	for i, e := range refused {
		errs[i] = e
	}
	return errors.Join(errs...)
}
