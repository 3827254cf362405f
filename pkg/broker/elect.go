package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// ElectionType says which replicas may become leaders; the numbers are Kafka's.
type ElectionType int8

const (
	// PreferredElection makes the first replica the leader, if it is in sync.
	PreferredElection ElectionType = 0
	// UncleanElection makes a replica that is not in sync the leader of a partition without one. What it misses is lost.
	UncleanElection ElectionType = 1
)

// Election is what came of an election in one partition.
type Election struct {
	// Before and After are the leaders, -1 for none.
	Before int32
	After  int32
	// Needless tells that no election was needed, which is no failure.
	Needless bool
	// Err is why the controller did not elect a leader.
	Err error
}

const (
	codePreferredLeaderNotAvailable int16 = 80 // PREFERRED_LEADER_NOT_AVAILABLE
	codeEligibleLeadersNotAvailable int16 = 83 // ELIGIBLE_LEADERS_NOT_AVAILABLE
	codeElectionNotNeeded           int16 = 84 // ELECTION_NOT_NEEDED
)

// maxElections bounds the partitions of one ElectLeaders request.
const maxElections = 1000

// ElectLeaders has the controller elect leaders of some partitions of a topic whose metadata the caller has just read. The map has an
// entry for each; the call fails when the controller could not be asked about any, or when it is not known what it did. What fails later
// fails for the partitions that were left by then.
func (c *Cluster) ElectLeaders(ctx context.Context, topic Topic, kind ElectionType, partitions []int32) (map[int32]Election, error) {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpElectLeaders
	defer c.Invalidate()
	errs := map[int32]error{}
	var asked, failed bool
	for chunk := range slices.Chunk(partitions, maxElections) {
		if failed {
			for _, id := range chunk {
				errs[id] = errors.New(op + " " + partitionObject(topic.Name, id) + ": not asked for, because the request for other partitions failed")
			}
			continue
		}
		answer, err := c.electLeaders(ctx, topic.Name, kind, chunk)
		err = c.confirm(ctx, op, topic.Name, err, func(ctx context.Context) (bool, error) {
			now, err := c.reassignableTopic(ctx, op, topic.Name)
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
	result := make(map[int32]Election, len(partitions))
	for _, id := range partitions {
		e := Election{Before: leaderOf(topic, id), After: leaderOf(now, id), Err: errs[id]}
		if kafkaerr.CodeOf(e.Err) == codeElectionNotNeeded {
			e.Needless, e.Err = true, nil
		}
		result[id] = e
	}
	return result, nil
}

// electLeaders sends one request. The map has the refusals by partition. REQUEST_TIMED_OUT of a partition is an unknown outcome of all.
func (c *Cluster) electLeaders(ctx context.Context, topic string, kind ElectionType, partitions []int32) (map[int32]error, error) {
	const op = kafkaerr.OpElectLeaders
	minVersion := int16(0)
	if kind == UncleanElection {
		minVersion = 1
	}
	window, cancel, timeout := writeWindow(ctx)
	defer cancel()
	resp, err := askController(window, c, false, request[*kmsg.ElectLeadersResponse]{op, topic, int16(kmsg.ElectLeaders), laneControl,
		byKmsg[*kmsg.ElectLeadersResponse](func() kmsg.Request {
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
				codes = append(codes, codesOf(t.Partitions, func(p kmsg.ElectLeadersResponseTopicPartition) int16 { return p.ErrorCode })...)
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
		return nil, kafkaerr.New(op, topic, resp.ErrorCode, nil, millis(resp.ThrottleMillis))
	}
	errs := make(map[int32]error, len(partitions))
	for _, id := range partitions {
		errs[id] = &kafkaerr.NotMentionedError{Op: op, Object: partitionObject(topic, id)}
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			delete(errs, p.Partition)
			if p.ErrorCode == 0 {
				continue
			}
			refusal := kafkaerr.New(op, partitionObject(topic, p.Partition), p.ErrorCode, p.ErrorMessage, millis(resp.ThrottleMillis))
			if kafkaerr.StillOpen(p.ErrorCode) {
				return nil, refusal
			}
			errs[p.Partition] = refusal
		}
	}
	return errs, nil
}

// afterElection is the topic as soon as a broker knows of the leaders elected, or after settleTime as it is known then.
func (c *Cluster) afterElection(ctx context.Context, topic Topic, kind ElectionType, partitions []int32) Topic {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	now := topic
	for {
		if t, found, err := c.topicNow(ctx, topic.Name); err == nil && found && t.ID == topic.ID {
			now = t
		}
		if elected(now, kind, partitions) || c.pause(ctx, settlePause) != nil {
			return now
		}
	}
}

// elected tells whether the partitions have the leaders that an election gives them.
func elected(topic Topic, kind ElectionType, partitions []int32) bool {
	for _, p := range topic.Partitions {
		if !slices.Contains(partitions, p.ID) {
			continue
		}
		if preferred, _ := p.PreferredLeader(); p.Leader < 0 || kind == PreferredElection && p.Leader != preferred {
			return false
		}
	}
	return true
}

func leaderOf(topic Topic, partition int32) int32 {
	for _, p := range topic.Partitions {
		if p.ID == partition {
			return p.Leader
		}
	}
	return -1
}

// ForeseeElection is what an election would come to in each partition, as far as metadata tells: brokers have no way to try one.
func (t Topic) ForeseeElection(kind ElectionType) map[int32]Election {
	const op = kafkaerr.OpElectLeaders
	results := make(map[int32]Election, len(t.Partitions))
	for _, p := range t.Partitions {
		result := Election{Before: p.Leader, After: p.Leader}
		preferred, ready := p.PreferredLeader()
		serving := slices.DeleteFunc(slices.Clone(p.Replicas), func(id int32) bool { return slices.Contains(p.Offline, id) })
		switch {
		case kind == PreferredElection && p.Leader == preferred, kind == UncleanElection && p.Leader >= 0:
			result.Needless = true
		case kind == PreferredElection && ready:
			result.After = preferred
		case kind == PreferredElection:
			text := fmt.Sprintf("broker %d is not in sync", preferred)
			result.Err = kafkaerr.New(op, partitionObject(t.Name, p.ID), codePreferredLeaderNotAvailable, &text, 0)
		case len(serving) > 0:
			result.After = serving[0]
		default:
			text := fmt.Sprintf("none of the brokers %v serves", p.Replicas)
			result.Err = kafkaerr.New(op, partitionObject(t.Name, p.ID), codeEligibleLeadersNotAvailable, &text, 0)
		}
		results[p.ID] = result
	}
	return results
}
