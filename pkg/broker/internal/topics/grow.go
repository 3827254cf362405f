package topics

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// CreatePartitions is that of broker.Cluster.
func (c *Topics) CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpCreatePartitions
	before, err := c.ReassignableTopic(ctx, op, topic)
	if err != nil {
		return err
	}
	if len(before.Partitions) == int(total) && len(assignments) == 0 {
		return nil
	}
	moving, err := c.reassignmentsOf(ctx, before)
	if err != nil && !(kafkaerr.OfAccount(err) && settled(before)) {
		return err
	}
	if len(moving[topic]) > 0 {
		text := plural.Of(len(moving[topic]), "partition of the topic is", "partitions of the topic are") + " being reassigned; more can be added when that has ended"
		return kafkaerr.New(op, topic, kafkaerr.ReassignmentInProgress, &text, 0)
	}
	if err := c.checkAssignments(ctx, op, topic, assignments); err != nil {
		return err
	}
	grow := growth{topic, total, max(1, int(total)-len(before.Partitions)), assignments}
	if validateOnly {
		_, err = transport.Share(ctx, c.Cluster, c.validateGrow, op, topic, grow)
	} else {
		_, err = transport.ShareWrite(ctx, c.Cluster, c.Grow, op, topic, grow)
	}
	if kafkaerr.CodeOf(err) == kafkaerr.InvalidPartitions && len(before.Partitions) < int(total) {
		// Somebody was faster: the controller says that there are as many, or more. Other brokers may not have heard of them yet.
		c.Expected.Created(c.Opts.Clock.Now(), c.SettleTime(), topic, before.ID, int(total))
		if t, ok, lookErr := c.TopicNow(ctx, topic); lookErr == nil && ok && grow.doneIn(t) {
			return nil
		}
	}
	err = c.waitsForBrokers(ctx, op, topic, before.ReplicationFactor(), err)
	if validateOnly {
		return err
	}
	err = c.Confirm(ctx, op, topic, err, func(ctx context.Context) (bool, error) {
		t, ok, err := c.TopicNow(ctx, topic)
		return ok && grow.doneIn(t), err
	})
	if err == nil {
		c.Expected.Created(c.Opts.Clock.Now(), c.SettleTime(), topic, before.ID, int(total))
	}
	c.Outdated(err)
	return err
}

// settled tells of a topic that no partition of it is being reassigned, for an account that may not list reassignments. A reassignment is over in the
// moment in which all replicas that it leads to are in sync (PartitionReassignmentReplicas, KafkaController), so that there is none where all
// replicas are. With KRaft the brokers do not look themselves, and give new partitions as many replicas as one has that moves.
func settled(topic metadata.Topic) bool {
	return !slices.ContainsFunc(topic.Partitions, func(p metadata.Partition) bool { return p.Err != nil || !sameBrokers(p.Replicas, p.ISR) })
}

// growth is a topic's new number of partitions.
type growth struct {
	topic       string
	total       int32
	added       int
	assignments [][]int32
}

// doneIn tells whether a topic has as many partitions as are wanted, the new ones on the replicas that were asked for.
func (g growth) doneIn(t metadata.Topic) bool {
	if len(t.Partitions) != int(g.total) {
		return false
	}
	first := int(g.total) - len(g.assignments)
	for _, p := range t.Partitions {
		if at := int(p.ID) - first; at >= 0 && at < len(g.assignments) && !slices.Equal(p.Replicas, g.assignments[at]) {
			return false
		}
	}
	return true
}

var growRules = transport.BatchRules[growth]{
	API: kmsg.CreatePartitions.Name(), Width: transport.SideBySide, MaxWeight: transport.MaxRecords,
	Key:   func(g growth) string { return g.topic },
	Weigh: func(g growth) int { return g.added },
}

// createPartitions sends one CreatePartitions request.
func (c *Topics) createPartitions(validateOnly bool) func(context.Context, []growth) ([]transport.Answer[struct{}], error) {
	const op = kafkaerr.OpCreatePartitions
	return func(ctx context.Context, topics []growth) ([]transport.Answer[struct{}], error) {
		wanted := make(map[string]*sarama.TopicPartition, len(topics))
		for _, g := range topics {
			wanted[g.topic] = &sarama.TopicPartition{Count: g.total, Assignment: g.assignments}
		}
		timeout := transport.BrokerTimeout(ctx)
		resp, err := transport.AskController(ctx, c.Cluster, validateOnly, transport.Request[*sarama.CreatePartitionsResponse]{Op: op, Object: "", Key: int16(kmsg.CreatePartitions), Lane: wire.LaneControl,
			Send: wire.BySarama(func() *sarama.CreatePartitionsRequest {
				return &sarama.CreatePartitionsRequest{Version: createPartitionsVersion, TopicPartitions: wanted, Timeout: timeout, ValidateOnly: validateOnly}
			}, (*sarama.Broker).CreatePartitions)},
			func(r *sarama.CreatePartitionsResponse) []int16 {
				return transport.CodesOf(slices.Collect(maps.Values(r.TopicPartitionErrors)), func(e *sarama.TopicPartitionError) int16 { return int16(e.Err) })
			})
		if err != nil {
			return nil, err
		}
		answers := make([]transport.Answer[struct{}], len(topics))
		for i, g := range topics {
			e, ok := resp.TopicPartitionErrors[g.topic]
			switch {
			case !ok:
				answers[i].Err = &kafkaerr.NotMentionedError{Op: op, Object: g.topic}
			case e.Err != sarama.ErrNoError:
				answers[i].Err = kafkaerr.New(op, g.topic, int16(e.Err), e.ErrMsg, resp.ThrottleTime)
			}
		}
		return answers, nil
	}
}

// createPartitionsVersion is the first that tells a controller's quota error (KIP-599).
const createPartitionsVersion = 3

// checkAssignments refuses replicas on brokers that do not live, in ZooKeeper mode: there a controller accepts a topic with any broker
// ids, even for validateOnly, and the partitions are offline from the start (seen on 3.9.2).
func (c *Topics) checkAssignments(ctx context.Context, op, object string, assignments [][]int32) error {
	if len(assignments) == 0 {
		return nil
	}
	d, err := c.Directory(ctx, false)
	if err != nil || !d.Zookeeper {
		return err
	}
	if d, err = c.Directory(ctx, true); err != nil {
		return err
	}
	for _, replicas := range assignments {
		for _, id := range replicas {
			if _, alive := d.Brokers[id]; !alive {
				text := fmt.Sprintf("the replica assignment names broker %d, which is not alive", id)
				return kafkaerr.New(op, object, kafkaerr.InvalidReplicaAssignment, &text, 0)
			}
		}
	}
	return nil
}
