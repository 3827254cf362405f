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

// Reassignments is that of broker.Cluster.
func (c *Topics) Reassignments(ctx context.Context, topic string) (map[int32]Reassignment, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	t, err := c.ReassignableTopic(ctx, kafkaerr.OpListReassignments, topic)
	if err != nil {
		return nil, err
	}
	moving, err := c.reassignmentsOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if moving[topic] == nil {
		return map[int32]Reassignment{}, nil
	}
	return moving[topic], nil
}

// ReassignmentsOf is that of broker.Cluster.
func (c *Topics) ReassignmentsOf(ctx context.Context, topics ...metadata.Topic) (map[string]map[int32]Reassignment, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.reassignmentsOf(ctx, topics...)
}

func (c *Topics) reassignmentsOf(ctx context.Context, topics ...metadata.Topic) (map[string]map[int32]Reassignment, error) {
	if len(topics) == 0 {
		return map[string]map[int32]Reassignment{}, nil
	}
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	said, err := transport.Share(ctx, c.Cluster, c.Moving, kafkaerr.OpListReassignments, transport.Objects(names), topics)
	if err != nil {
		return nil, err
	}
	moving := make(map[string]map[int32]Reassignment, len(topics))
	for _, name := range names {
		if moves := said[name]; moves != nil {
			moving[name] = moves
		}
	}
	return moving, nil
}

var reassignmentRules = transport.BatchRules[[]metadata.Topic]{
	API: kmsg.ListPartitionReassignments.Name(), Width: transport.SideBySide, MaxWeight: maxListed,
	Weigh: func(topics []metadata.Topic) int {
		partitions := 0
		for _, t := range topics {
			partitions += len(t.Partitions)
		}
		return partitions
	},
}

// maxListed bounds the partitions of a request that lists moves.
const maxListed = 10_000

// askReassignments sends one ListPartitionReassignments request for all calls. Partitions are named one by one: a KRaft controller
// answers nothing for an empty list.
func (c *Topics) askReassignments(ctx context.Context, calls []*transport.Call[[]metadata.Topic, map[string]map[int32]Reassignment]) error {
	type partition struct {
		topic string
		id    int32
	}
	var wanted []kmsg.ListPartitionReassignmentsRequestTopic
	index, asked := map[string]int{}, map[partition]bool{}
	for _, k := range calls {
		for _, t := range k.Query {
			i, ok := index[t.Name]
			if !ok {
				i = len(wanted)
				index[t.Name] = i
				topic := kmsg.NewListPartitionReassignmentsRequestTopic()
				topic.Topic = t.Name
				wanted = append(wanted, topic)
			}
			for _, p := range t.Partitions {
				if one := (partition{t.Name, p.ID}); !asked[one] {
					asked[one] = true
					wanted[i].Partitions = append(wanted[i].Partitions, p.ID)
				}
			}
		}
	}
	moving, err := c.listReassignments(ctx, wanted)
	if err != nil {
		return err
	}
	for _, k := range calls {
		k.Answer(moving, nil)
	}
	return nil
}

// AllReassignments is that of broker.Cluster.
func (c *Topics) AllReassignments(ctx context.Context) (map[string]map[int32]Reassignment, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	moving, err := c.listReassignments(ctx, nil)
	return moving, c.OwnFailure(ctx, kafkaerr.OpListReassignments, c.Label, err)
}

// listReassignments asks for some topics, or with nil for all, which sarama cannot encode. The answer's top-level error is looked
// at: taking it for "nothing moves" would end a rebalance early.
func (c *Topics) listReassignments(ctx context.Context, topics []kmsg.ListPartitionReassignmentsRequestTopic) (map[string]map[int32]Reassignment, error) {
	const op = kafkaerr.OpListReassignments
	resp, err := transport.AskController(ctx, c.Cluster, true, transport.Request[*kmsg.ListPartitionReassignmentsResponse]{Op: op, Object: "", Key: int16(kmsg.ListPartitionReassignments), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.ListPartitionReassignmentsResponse](func() kmsg.Request {
			req := kmsg.NewListPartitionReassignmentsRequest()
			req.TimeoutMillis = int32(listTimeout / time.Millisecond)
			req.Topics = topics
			return &req
		}, 0)},
		func(r *kmsg.ListPartitionReassignmentsResponse) []int16 { return []int16{r.ErrorCode} })
	if err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return nil, kafkaerr.New(op, "", resp.ErrorCode, resp.ErrorMessage, wire.Millis(resp.ThrottleMillis))
	}
	moving := map[string]map[int32]Reassignment{}
	for _, t := range resp.Topics {
		partitions := make(map[int32]Reassignment, len(t.Partitions))
		for _, p := range t.Partitions {
			partitions[p.Partition] = Reassignment{Replicas: p.Replicas, Adding: p.AddingReplicas, Removing: p.RemovingReplicas}
		}
		moving[t.Topic] = partitions
	}
	return moving, nil
}

// listTimeout is what a controller may take to list moves.
const listTimeout = 10 * time.Second

// Reassign is that of broker.Cluster.
func (c *Topics) Reassign(ctx context.Context, topic string, target map[int32][]int32) error {
	if len(target) == 0 {
		return nil
	}
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpReassignPartitions
	defer c.Invalidate()
	errs, err := c.alterReassignments(ctx, map[string]map[int32][]int32{topic: target})
	open := target
	var refused, doubts []error
	if err == nil {
		open = map[int32][]int32{}
		for _, id := range slices.Sorted(maps.Keys(target)) {
			switch refusal := errs[topic][id]; {
			case refusal == nil:
				c.Expected.Reassigned(c.Opts.Clock.Now(), topic, id, target[id])
			case transport.Uncertain(op, refusal):
				open[id], doubts = target[id], append(doubts, refusal)
			default:
				refused = append(refused, refusal)
			}
		}
		err = errors.Join(doubts...)
	}
	err = c.Confirm(ctx, op, topic, err, func(ctx context.Context) (bool, error) { return c.movingTo(ctx, topic, open) })
	return errors.Join(append(refused, err)...)
}

// alterReassignments goes through kmsg because sarama does not export the errors of partitions.
func (c *Topics) alterReassignments(ctx context.Context, topics map[string]map[int32][]int32) (map[string]map[int32]error, error) {
	const op = kafkaerr.OpReassignPartitions
	names := slices.Sorted(maps.Keys(topics))
	window, cancel, timeout := transport.WriteWindow(ctx)
	defer cancel()
	resp, err := transport.AskController(window, c.Cluster, false, transport.Request[*kmsg.AlterPartitionAssignmentsResponse]{Op: op, Object: transport.Objects(names), Key: int16(kmsg.AlterPartitionAssignments), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.AlterPartitionAssignmentsResponse](func() kmsg.Request {
			req := kmsg.NewAlterPartitionAssignmentsRequest()
			req.TimeoutMillis = int32(timeout / time.Millisecond)
			for _, name := range names {
				topic := kmsg.NewAlterPartitionAssignmentsRequestTopic()
				topic.Topic = name
				for _, id := range slices.Sorted(maps.Keys(topics[name])) {
					partition := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
					partition.Partition, partition.Replicas = id, topics[name][id]
					topic.Partitions = append(topic.Partitions, partition)
				}
				req.Topics = append(req.Topics, topic)
			}
			return &req
		}, 0)},
		func(r *kmsg.AlterPartitionAssignmentsResponse) []int16 { return []int16{r.ErrorCode} })
	if err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return nil, kafkaerr.New(op, transport.Objects(names), resp.ErrorCode, resp.ErrorMessage, wire.Millis(resp.ThrottleMillis))
	}
	errs := make(map[string]map[int32]error, len(names))
	for _, name := range names {
		errs[name] = make(map[int32]error, len(topics[name]))
		for id := range topics[name] {
			errs[name][id] = &kafkaerr.NotMentionedError{Op: op, Object: transport.PartitionObject(name, id)}
		}
	}
	for _, t := range resp.Topics {
		if errs[t.Topic] == nil {
			continue
		}
		for _, p := range t.Partitions {
			delete(errs[t.Topic], p.Partition)
			if p.ErrorCode == 0 || p.ErrorCode == kafkaerr.NoReassignmentInProgress && topics[t.Topic][p.Partition] == nil {
				continue
			}
			errs[t.Topic][p.Partition] = kafkaerr.New(op, transport.PartitionObject(t.Topic, p.Partition), p.ErrorCode, p.ErrorMessage, wire.Millis(resp.ThrottleMillis))
		}
	}
	return errs, nil
}

// movingTo tells whether each partition is on its way to, or at, its target; for a nil target whether it does not move.
func (c *Topics) movingTo(ctx context.Context, topic string, target map[int32][]int32) (bool, error) {
	t, err := c.ReassignableTopic(ctx, kafkaerr.OpReassignPartitions, topic)
	if err != nil {
		return false, err
	}
	moving, err := c.reassignmentsOf(ctx, t)
	if err != nil {
		return false, err
	}
	now := make(map[int32][]int32, len(t.Partitions))
	for _, p := range t.Partitions {
		now[p.ID] = p.Replicas
	}
	for id, want := range target {
		move, inProgress := moving[topic][id]
		switch {
		case want == nil && inProgress:
			return false, nil
		case want != nil && inProgress && !sameBrokers(move.Target(), want):
			return false, nil
		case want != nil && !inProgress && !slices.Equal(now[id], want):
			return false, nil
		}
	}
	return true, nil
}

// sameBrokers compares without order: the list of a move in progress begins with the replicas being added.
func sameBrokers(a, b []int32) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
