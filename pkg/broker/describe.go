package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Describe asks for the cluster's id, mode and registered brokers.
func (c *Cluster) Describe(ctx context.Context) (ClusterInfo, error) {
	ctx, done := c.begin(ctx)
	defer done()
	info, _, err := c.describe(ctx)
	return info, err
}

// describeAnswer holds one of two answers and the mode of the broker that gave it.
type describeAnswer struct {
	cluster *sarama.DescribeClusterResponse
	meta    *sarama.MetadataResponse
	mode    mode
}

func (a describeAnswer) throttle() time.Duration {
	if a.cluster != nil {
		return throttleOf(a.cluster)
	}
	return throttleOf(a.meta)
}

// describe also tells where requests for the controller go, and the mode.
func (c *Cluster) describe(ctx context.Context) (ClusterInfo, directory, error) {
	ask := bySarama(func() *sarama.DescribeClusterRequest { return sarama.NewDescribeClusterRequest(sarama.MaxVersion) },
		(*sarama.Broker).DescribeCluster)
	askOld := bySarama(func() *sarama.MetadataRequest { return metadataRequest([]string{noSuchTopic}) }, (*sarama.Broker).GetMetadata)
	got, err := askAny(ctx, c, request[describeAnswer]{kafkaerr.OpDescribeCluster, c.label, int16(kmsg.DescribeCluster), laneMetadata,
		func(l *link) (describeAnswer, error) {
			a := describeAnswer{mode: l.offers.mode()}
			var err error
			if l.offers.supports(int16(kmsg.DescribeCluster)) {
				a.cluster, err = ask(l)
			} else {
				a.meta, err = askOld(l)
			}
			return a, err
		}})
	if err != nil {
		return ClusterInfo{}, directory{}, err
	}
	info := ClusterInfo{ControllerID: -1, KRaft: got.mode.kraft}
	var controller int32
	if r := got.cluster; r != nil {
		if r.Err != sarama.ErrNoError {
			return ClusterInfo{}, directory{}, kafkaerr.New(kafkaerr.OpDescribeCluster, c.label, int16(r.Err), r.ErrorMessage, 0)
		}
		info.ID, controller = r.ClusterID, r.ControllerID
		for _, b := range r.Brokers {
			broker := BrokerInfo{ID: b.BrokerID, Host: b.Host, Port: b.Port, Fenced: b.IsFenced}
			if b.Rack != nil {
				broker.Rack = *b.Rack
			}
			info.Brokers = append(info.Brokers, broker)
		}
	} else {
		if got.meta.ClusterID != nil {
			info.ID = *got.meta.ClusterID
		}
		controller, info.Brokers = got.meta.ControllerID, brokersOf(got.meta)
	}
	if !info.KRaft {
		info.ControllerID = controller
	}
	slices.SortFunc(info.Brokers, func(a, b BrokerInfo) int { return int(a.ID - b.ID) })
	d := newDirectory(info, controller, got.mode)
	c.learn(d)
	return info, d, nil
}

// noSuchTopic makes a Metadata request that lists the brokers and no topics: sarama encodes an empty list as "all topics". The
// name is one that no topic can have.
const noSuchTopic = "."

func newDirectory(info ClusterInfo, controller int32, mode mode) directory {
	d := directory{clusterID: info.ID, controller: controller, mode: mode, brokers: make(map[int32]BrokerInfo, len(info.Brokers))}
	for _, b := range info.Brokers {
		if !b.Fenced {
			d.brokers[b.ID] = b
		}
	}
	return d
}

// SupportsAPI tells whether the cluster's brokers serve a request type, by Kafka's number.
func (c *Cluster) SupportsAPI(ctx context.Context, key int16) (bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	resp, err := askAny(ctx, c, c.versionsRequest())
	if err != nil {
		return false, err
	}
	o, err := newOffers(resp)
	return o.supports(key), err
}

func (c *Cluster) versionsRequest() request[*sarama.ApiVersionsResponse] {
	return request[*sarama.ApiVersionsResponse]{"ask for API versions", c.label, int16(kmsg.ApiVersions), laneMetadata,
		bySarama(apiVersionsRequest, (*sarama.Broker).ApiVersions)}
}

// BrokerVersions asks each live broker what it supports. A broker that does not answer has its Err set; the call fails only when
// the brokers could not be listed. Fenced brokers are left out.
func (c *Cluster) BrokerVersions(ctx context.Context) (map[int32]BrokerVersion, error) {
	ctx, done := c.begin(ctx)
	defer done()
	d, err := c.directory(ctx, true)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, 0, len(d.brokers))
	for id := range d.brokers {
		ids = append(ids, id)
	}
	answers := parallel(ctx, ids, func(ctx context.Context, id int32) BrokerVersion {
		resp, err := askBroker(ctx, c, id, c.versionsRequest())
		if err != nil {
			return BrokerVersion{Err: err}
		}
		o, err := newOffers(resp)
		if err != nil {
			return BrokerVersion{Err: err}
		}
		return BrokerVersion{Release: o.release(), KRaft: o.mode().kraft, MetadataVersion: o.metadataVersion, FinalizedMetadataVersion: o.finalized}
	})
	versions := make(map[int32]BrokerVersion, len(ids))
	for i, id := range ids {
		versions[id] = answers[i]
	}
	return versions, nil
}

// Reach asks brokers at the addresses that they advertise whether they answer, and returns why each of them is not reached, nil for one that is.
func (c *Cluster) Reach(ctx context.Context, ids ...int32) []error {
	ctx, done := c.begin(ctx)
	defer done()
	return parallel(ctx, ids, func(ctx context.Context, id int32) error {
		_, err := askBroker(ctx, c, id, c.versionsRequest())
		return err
	})
}

// parallel runs one call per item at the same time; the number of requests in flight is bounded by the pool.
func parallel[In, Out any](ctx context.Context, items []In, do func(context.Context, In) Out) []Out {
	outs := make([]Out, len(items))
	var asking crash.Group
	for i := range items {
		asking.Go(func() { outs[i] = do(ctx, items[i]) })
	}
	asking.Wait()
	return outs
}

// UnregisterBroker removes a broker that is gone from the cluster's metadata (KRaft). The controller checks neither that it is
// down nor that it hosts nothing: the caller must. An id that is not registered is a success. In ZooKeeper mode, where there is
// nothing to remove, the error satisfies kafkaerr.IsNotSupported.
func (c *Cluster) UnregisterBroker(ctx context.Context, id int32) error {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpUnregisterBroker
	object := idObject("broker", id)
	if err := c.needKRaft(ctx, op, object); err != nil {
		return err
	}
	writeCtx, cancel, _ := writeWindow(ctx)
	defer cancel()
	resp, err := askController(writeCtx, c, false, request[*kmsg.UnregisterBrokerResponse]{op, object, int16(kmsg.UnregisterBroker), laneControl,
		byKmsg[*kmsg.UnregisterBrokerResponse](func() kmsg.Request {
			req := kmsg.NewUnregisterBrokerRequest()
			req.BrokerID = id
			return &req
		}, 0)}, func(r *kmsg.UnregisterBrokerResponse) []int16 { return []int16{r.ErrorCode} })
	if err == nil {
		if resp.ErrorCode == 0 || resp.ErrorCode == kafkaerr.BrokerIDNotRegistered {
			return nil
		}
		err = kafkaerr.New(op, object, resp.ErrorCode, resp.ErrorMessage, millis(resp.ThrottleMillis))
	}
	return c.confirm(ctx, op, object, err, func(ctx context.Context) (bool, error) {
		info, _, err := c.describe(ctx)
		return err == nil && !slices.ContainsFunc(info.Brokers, func(b BrokerInfo) bool { return b.ID == id }), err
	})
}

// needKRaft refuses what only KRaft has, in words of ours.
func (c *Cluster) needKRaft(ctx context.Context, op, object string) error {
	d, err := c.directory(ctx, false)
	if err != nil {
		return err
	}
	if !d.kraft {
		text := "this needs KRaft, and the cluster "
		if d.zookeeper {
			text += "runs in ZooKeeper mode"
		} else {
			text += "does not say that it runs in that mode"
		}
		return kafkaerr.New(op, object, kafkaerr.UnsupportedVersion, &text, 0)
	}
	return nil
}

// Quorum asks for the KRaft metadata quorum. In ZooKeeper mode the error satisfies kafkaerr.IsNotSupported.
func (c *Cluster) Quorum(ctx context.Context) (QuorumInfo, error) {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpDescribeQuorum
	if err := c.needKRaft(ctx, op, c.label); err != nil {
		return QuorumInfo{}, err
	}
	resp, err := askAny(ctx, c, request[*kmsg.DescribeQuorumResponse]{op, c.label, int16(kmsg.DescribeQuorum), laneMetadata,
		byKmsg[*kmsg.DescribeQuorumResponse](func() kmsg.Request {
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
		return QuorumInfo{}, kafkaerr.New(op, c.label, resp.ErrorCode, resp.ErrorMessage, 0)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return QuorumInfo{}, errors.New(op + ": the answer names no partition")
	}
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return QuorumInfo{}, kafkaerr.New(op, c.label, p.ErrorCode, p.ErrorMessage, 0)
	}
	return newQuorumInfo(p, resp.Nodes), nil
}
