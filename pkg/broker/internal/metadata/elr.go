package metadata

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// EligibleLeaders are the replicas of a partition that may lead it although they are not in sync (KIP-966).
type EligibleLeaders struct {
	// ELR have every committed record.
	ELR []int32
	// LastKnown are the last ones of a partition that has none.
	LastKnown []int32
}

// maxDescribedPartitions is how many partitions one answer may hold; brokers lower it to their own limit.
const maxDescribedPartitions = 2000

// EligibleLeaders is that of broker.Cluster.
func (c *Metadata) EligibleLeaders(ctx context.Context, topic string) (map[int32]EligibleLeaders, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpDescribePartitions
	eligible := map[int32]EligibleLeaders{}
	var next *kmsg.DescribeTopicPartitionsResponseNextCursor
	for patience := c.patience(); ; {
		resp, source, err := transport.AskWho(ctx, c.Cluster, transport.Request[*kmsg.DescribeTopicPartitionsResponse]{Op: op, Object: topic, Key: int16(kmsg.DescribeTopicPartitions), Lane: wire.LaneMetadata,
			Send: wire.ByKmsg[*kmsg.DescribeTopicPartitionsResponse](func() kmsg.Request { return describePartitions(topic, next) }, 0)})
		if err != nil {
			return nil, err
		}
		if len(resp.Topics) == 1 && resp.Topics[0].ErrorCode == kafkaerr.UnknownTopicOrPartition && !c.Expected.Met(c.Opts.Clock.Now(), nil, []string{topic}) && !patience.ended() {
			// A broker that has not heard yet of a topic this gateway has just created.
			if err := patience.pause(ctx, source); err != nil {
				return nil, c.Failed(ctx, op, topic, err)
			}
			continue
		}
		for _, t := range resp.Topics {
			if t.ErrorCode != 0 {
				return nil, kafkaerr.New(op, topic, t.ErrorCode, nil, wire.Millis(resp.ThrottleMillis))
			}
			for _, p := range t.Partitions {
				if len(p.EligibleLeaderReplicas)+len(p.LastKnownELR) > 0 {
					eligible[p.Partition] = EligibleLeaders{ELR: p.EligibleLeaderReplicas, LastKnown: p.LastKnownELR}
				}
			}
		}
		// A cursor that does not move would be asked for again and again.
		if resp.NextCursor == nil || resp.NextCursor.Topic != topic || next != nil && resp.NextCursor.Partition <= next.Partition {
			return eligible, nil
		}
		next = resp.NextCursor
	}
}

func describePartitions(topic string, next *kmsg.DescribeTopicPartitionsResponseNextCursor) kmsg.Request {
	req := kmsg.NewDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = maxDescribedPartitions
	wanted := kmsg.NewDescribeTopicPartitionsRequestTopic()
	wanted.Topic = topic
	req.Topics = append(req.Topics, wanted)
	if next != nil {
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = next.Topic, next.Partition
		req.Cursor = &cursor
	}
	return &req
}

// PreferredLeader is the first replica, and whether it could lead now.
func (p Partition) PreferredLeader() (id int32, ready bool) {
	if len(p.Replicas) == 0 {
		return -1, false
	}
	id = p.Replicas[0]
	return id, slices.Contains(p.ISR, id) && !slices.Contains(p.Offline, id)
}
