package brokers

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Brokers tells of the brokers of a cluster: what each of them runs, its sizes on disk, the quorum.
type Brokers struct {
	*metadata.Metadata
	cache logDirCache
	Sized transport.Batchers[int32, map[string][]int32, *logDirsAnswer]
	sizes transport.Pending[string, LogDirs]
}

func New(m *metadata.Metadata) *Brokers {
	c := &Brokers{Metadata: m}
	c.Sized.Build = func(id int32) *transport.Batcher[map[string][]int32, *logDirsAnswer] {
		return transport.NewBatcher(m.Cluster, logDirsRules, c.askBrokerLogDirs(id))
	}
	m.OnForget(func(bool) { c.cache.clear() })
	return c
}

// Sweep lets go of answers that are too old to be told.
func (c *Brokers) Sweep() { c.cache.sweep(c.Opts.Clock.Now(), c.Opts.LogDirsTTL) }

// BrokerVersions is that of broker.Cluster.
func (c *Brokers) BrokerVersions(ctx context.Context) (map[int32]BrokerVersion, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	d, err := c.Directory(ctx, true)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, 0, len(d.Brokers))
	for id := range d.Brokers {
		ids = append(ids, id)
	}
	answers := transport.Parallel(ctx, ids, func(ctx context.Context, id int32) BrokerVersion {
		resp, err := transport.AskBroker(ctx, c.Cluster, id, c.VersionsRequest())
		if err != nil {
			return BrokerVersion{Err: err}
		}
		o, err := wire.NewOffers(resp)
		if err != nil {
			return BrokerVersion{Err: err}
		}
		return BrokerVersion{Release: o.Release(), KRaft: o.Mode().Kraft, MetadataVersion: o.MetadataVersion, FinalizedMetadataVersion: o.Finalized}
	})
	versions := make(map[int32]BrokerVersion, len(ids))
	for i, id := range ids {
		versions[id] = answers[i]
	}
	return versions, nil
}

// UnregisterBroker is that of broker.Cluster.
func (c *Brokers) UnregisterBroker(ctx context.Context, id int32) error {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpUnregisterBroker
	object := transport.IDObject("broker", id)
	if err := c.needKRaft(ctx, op, object); err != nil {
		return err
	}
	window, cancel, _ := transport.WriteWindow(ctx)
	defer cancel()
	// Brokers before Kafka 4.0 list those that live only (KIP-1073), so who was unregistered is not told from who is away. It is asked for again:
	// one that is not registered any more is what was wanted.
	return c.Confirm(ctx, op, object, c.unregister(window, object, id), func(ctx context.Context) (bool, error) {
		err := c.unregister(ctx, object, id)
		return err == nil, err
	})
}

func (c *Brokers) unregister(ctx context.Context, object string, id int32) error {
	const op = kafkaerr.OpUnregisterBroker
	resp, err := transport.AskController(ctx, c.Cluster, false, transport.Request[*kmsg.UnregisterBrokerResponse]{Op: op, Object: object, Key: int16(kmsg.UnregisterBroker), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.UnregisterBrokerResponse](func() kmsg.Request {
			req := kmsg.NewUnregisterBrokerRequest()
			req.BrokerID = id
			return &req
		}, 0)}, func(r *kmsg.UnregisterBrokerResponse) []int16 { return []int16{r.ErrorCode} })
	if err != nil || resp.ErrorCode == 0 || resp.ErrorCode == kafkaerr.BrokerIDNotRegistered {
		return err
	}
	return kafkaerr.New(op, object, resp.ErrorCode, resp.ErrorMessage, wire.Millis(resp.ThrottleMillis))
}

// needKRaft refuses what only KRaft has, in words of ours.
func (c *Brokers) needKRaft(ctx context.Context, op, object string) error {
	d, err := c.Directory(ctx, false)
	if err != nil {
		return err
	}
	if !d.Kraft {
		text := "this needs KRaft, and the cluster "
		if d.Zookeeper {
			text += "runs in ZooKeeper mode"
		} else {
			text += "does not say that it runs in that mode"
		}
		return kafkaerr.New(op, object, kafkaerr.UnsupportedVersion, &text, 0)
	}
	return nil
}

// Quorum is that of broker.Cluster.
func (c *Brokers) Quorum(ctx context.Context) (QuorumInfo, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpDescribeQuorum
	if err := c.needKRaft(ctx, op, c.Label); err != nil {
		return QuorumInfo{}, err
	}
	resp, err := transport.AskAny(ctx, c.Cluster, transport.Request[*kmsg.DescribeQuorumResponse]{Op: op, Object: c.Label, Key: int16(kmsg.DescribeQuorum), Lane: wire.LaneMetadata,
		Send: wire.ByKmsg[*kmsg.DescribeQuorumResponse](func() kmsg.Request {
			partition := kmsg.NewDescribeQuorumRequestTopicPartition()
			topic := kmsg.NewDescribeQuorumRequestTopic()
			topic.Topic, topic.Partitions = "__cluster_metadata", append(topic.Partitions, partition)
			req := kmsg.NewDescribeQuorumRequest()
			req.Topics = append(req.Topics, topic)
			return &req
		}, 0)})
	if err != nil {
		return QuorumInfo{}, err
	}
	if resp.ErrorCode != 0 {
		return QuorumInfo{}, kafkaerr.New(op, c.Label, resp.ErrorCode, resp.ErrorMessage, 0)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return QuorumInfo{}, errors.New(op + ": the answer names no partition")
	}
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return QuorumInfo{}, kafkaerr.New(op, c.Label, p.ErrorCode, p.ErrorMessage, 0)
	}
	return newQuorumInfo(p, resp.Nodes), nil
}
