package topics

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// MaxElections bounds the partitions of one ElectLeaders request.
const MaxElections = 1000

// ElectLeaders is that of broker.Cluster.
func (c *Topics) ElectLeaders(ctx context.Context, topic metadata.Topic, kind metadata.ElectionType, partitions []int32) (map[int32]metadata.Election, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpElectLeaders
	defer c.Invalidate()
	errs := map[int32]error{}
	var asked, failed bool
	for chunk := range slices.Chunk(partitions, MaxElections) {
		if failed {
			for _, id := range chunk {
				errs[id] = errors.New(op + " " + transport.PartitionObject(topic.Name, id) + ": not asked for, because the request for other partitions failed")
			}
			continue
		}
		answer, err := c.electLeaders(ctx, topic.Name, kind, chunk)
		err = c.Confirm(ctx, op, topic.Name, err, func(ctx context.Context) (bool, error) {
			now, err := c.ReassignableTopic(ctx, op, topic.Name)
			return err == nil && elected(now, kind, chunk), err
		})
		switch {
		case err == nil:
			maps.Copy(errs, answer)
			asked = true
		case !asked:
			return nil, err
		default:
			failed = true
			for _, id := range chunk {
				errs[id] = err
			}
		}
	}
	now := c.afterElection(ctx, topic, kind, slices.DeleteFunc(slices.Clone(partitions), func(id int32) bool { return errs[id] != nil }))
	result := make(map[int32]metadata.Election, len(partitions))
	for _, id := range partitions {
		e := metadata.Election{Before: metadata.LeaderOf(topic, id), After: metadata.LeaderOf(now, id), Err: errs[id]}
		if kafkaerr.CodeOf(e.Err) == kafkaerr.ElectionNotNeeded {
			e.Needless, e.Err = true, nil
		}
		result[id] = e
	}
	return result, nil
}

// electLeaders sends one request. The map has the refusals by partition. REQUEST_TIMED_OUT of a partition is an unknown outcome of all.
func (c *Topics) electLeaders(ctx context.Context, topic string, kind metadata.ElectionType, partitions []int32) (map[int32]error, error) {
	const op = kafkaerr.OpElectLeaders
	minVersion := int16(0)
	if kind == metadata.UncleanElection {
		minVersion = 1
	}
	window, cancel, timeout := transport.WriteWindow(ctx)
	defer cancel()
	resp, err := transport.AskController(window, c.Cluster, false, transport.Request[*kmsg.ElectLeadersResponse]{Op: op, Object: topic, Key: int16(kmsg.ElectLeaders), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.ElectLeadersResponse](func() kmsg.Request {
			wanted := kmsg.NewElectLeadersRequestTopic()
			wanted.Topic, wanted.Partitions = topic, partitions
			req := kmsg.NewElectLeadersRequest()
			req.ElectionType, req.TimeoutMillis = int8(kind), int32(timeout/time.Millisecond)
			req.Topics = append(req.Topics, wanted)
			return &req
		}, minVersion)},
		func(r *kmsg.ElectLeadersResponse) []int16 {
			if r.ErrorCode != 0 {
				return []int16{r.ErrorCode}
			}
			var codes []int16
			for _, t := range r.Topics {
				codes = append(codes, transport.CodesOf(t.Partitions, func(p kmsg.ElectLeadersResponseTopicPartition) int16 { return p.ErrorCode })...)
			}
			if slices.Contains(codes, kafkaerr.NotController) {
				// One is enough: it lost office meanwhile.
				return []int16{kafkaerr.NotController}
			}
			return codes
		})
	if err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return nil, kafkaerr.New(op, topic, resp.ErrorCode, nil, wire.Millis(resp.ThrottleMillis))
	}
	errs := make(map[int32]error, len(partitions))
	for _, id := range partitions {
		errs[id] = &kafkaerr.NotMentionedError{Op: op, Object: transport.PartitionObject(topic, id)}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			delete(errs, p.Partition)
			if p.ErrorCode == 0 {
				continue
			}
			refusal := kafkaerr.New(op, transport.PartitionObject(topic, p.Partition), p.ErrorCode, p.ErrorMessage, wire.Millis(resp.ThrottleMillis))
			if kafkaerr.StillOpen(p.ErrorCode) {
				return nil, refusal
			}
			errs[p.Partition] = refusal
		}
	}
	return errs, nil
}

// afterElection is the topic as soon as a broker knows of the leaders elected, or after SettleTime as it is known then.
func (c *Topics) afterElection(ctx context.Context, topic metadata.Topic, kind metadata.ElectionType, partitions []int32) metadata.Topic {
	ctx, cancel := context.WithTimeout(ctx, metadata.SettleTime)
	defer cancel()
	now := topic
	for {
		if t, found, _, err := c.TopicAgain(ctx, topic); err == nil && found {
			now = t
		}
		if elected(now, kind, partitions) || c.Pause(ctx, metadata.SettlePause) != nil {
			return now
		}
	}
}

// elected tells whether the partitions have the leaders that an election gives them.
func elected(topic metadata.Topic, kind metadata.ElectionType, partitions []int32) bool {
	for _, p := range topic.Partitions {
		if !slices.Contains(partitions, p.ID) {
			continue
		}
		if preferred, _ := p.PreferredLeader(); p.Leader < 0 || kind == metadata.PreferredElection && p.Leader != preferred {
			return false
		}
	}
	return true
}
