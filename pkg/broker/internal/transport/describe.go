package transport

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Describe is that of broker.Cluster.
func (c *Cluster) Describe(ctx context.Context) (ClusterInfo, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	info, _, err := c.describe(ctx)
	return info, err
}

// DescribeWithRights is that of broker.Cluster.
func (c *Cluster) DescribeWithRights(ctx context.Context) (ClusterInfo, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	info, _, err := c.describeWith(ctx, true)
	return info, err
}

// describeAnswer holds one of two answers and the mode of the broker that gave it.
type describeAnswer struct {
	cluster *sarama.DescribeClusterResponse
	meta    *sarama.MetadataResponse
	mode    wire.Mode
}

func (a describeAnswer) Throttle() time.Duration {
	if a.cluster != nil {
		return wire.ThrottleOf(a.cluster)
	}
	return wire.ThrottleOf(a.meta)
}

// describe also tells where requests for the controller go, and the mode. What the account may do is not asked: brokers log that they
// refuse to tell it.
func (c *Cluster) describe(ctx context.Context) (ClusterInfo, Directory, error) {
	return c.describeWith(ctx, false)
}

func (c *Cluster) describeWith(ctx context.Context, authorized bool) (ClusterInfo, Directory, error) {
	ask := wire.BySarama(func() *sarama.DescribeClusterRequest {
		req := sarama.NewDescribeClusterRequest(sarama.MaxVersion)
		req.IncludeClusterAuthorizedOperations = authorized
		return req
	}, (*sarama.Broker).DescribeCluster)
	askOld := wire.BySarama(func() *sarama.MetadataRequest {
		req := MetadataRequest([]string{noSuchTopic})
		req.IncludeClusterAuthorizedOperations = authorized
		return req
	}, (*sarama.Broker).GetMetadata)
	got, err := AskAny(ctx, c, Request[describeAnswer]{kafkaerr.OpDescribeCluster, c.Label, int16(kmsg.DescribeCluster), wire.LaneMetadata,
		func(l *wire.Link) (describeAnswer, error) {
			a := describeAnswer{mode: l.Offers.Mode()}
			var err error
			if l.Offers.Supports(int16(kmsg.DescribeCluster)) {
				a.cluster, err = ask(l)
			} else {
				a.meta, err = askOld(l)
			}
			return a, err
		}})
	if err != nil {
		return ClusterInfo{}, Directory{}, err
	}
	info := ClusterInfo{ControllerID: -1, KRaft: got.mode.Kraft}
	var controller int32
	if r := got.cluster; r != nil {
		if r.Err != sarama.ErrNoError {
			return ClusterInfo{}, Directory{}, kafkaerr.New(kafkaerr.OpDescribeCluster, c.Label, int16(r.Err), r.ErrorMessage, 0)
		}
		info.ID, controller = r.ClusterID, r.ControllerID
		info.Authorized = operationsOf(authorized, r.ClusterAuthorizedOperations)
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
		controller, info.Brokers, info.Before28 = got.meta.ControllerID, BrokersOf(got.meta), true
		// Versions 8 to 10 tell it (KIP-430, KIP-700).
		info.Authorized = operationsOf(authorized && got.meta.Version >= 8 && got.meta.Version <= 10, got.meta.ClusterAuthorizedOperations)
	}
	if !info.KRaft {
		info.ControllerID = controller
	}
	slices.SortFunc(info.Brokers, func(a, b BrokerInfo) int { return int(a.ID - b.ID) })
	d := NewDirectory(info, controller, got.mode)
	c.Learn(d)
	return info, d, nil
}

// operationsOf is what brokers that tell it say an account may do; nil of others.
func operationsOf(told bool, is int32) *kafkaerr.Operations {
	may := kafkaerr.Operations(is)
	if !told || may == kafkaerr.OperationsNotTold {
		return nil
	}
	return &may
}

// noSuchTopic makes a Metadata request that lists the brokers and no topics: sarama encodes an empty list as "all topics". The
// name is one that no topic can have.
const noSuchTopic = "."

func NewDirectory(info ClusterInfo, controller int32, mode wire.Mode) Directory {
	d := Directory{ClusterID: info.ID, Controller: controller, Mode: mode, Brokers: make(map[int32]BrokerInfo, len(info.Brokers))}
	for _, b := range info.Brokers {
		if !b.Fenced {
			d.Brokers[b.ID] = b
		}
	}
	return d
}

// SupportsAPI is that of broker.Cluster.
func (c *Cluster) SupportsAPI(ctx context.Context, key int16) (bool, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	resp, err := AskAny(ctx, c, c.VersionsRequest())
	if err != nil {
		return false, err
	}
	o, err := wire.NewOffers(resp)
	return o.Supports(key), err
}

func (c *Cluster) VersionsRequest() Request[*sarama.ApiVersionsResponse] {
	return Request[*sarama.ApiVersionsResponse]{"ask for API versions", c.Label, int16(kmsg.ApiVersions), wire.LaneMetadata,
		wire.BySarama(wire.ApiVersionsRequest, (*sarama.Broker).ApiVersions)}
}

// MetadataRequest never creates topics: AllowAutoTopicCreation is false.
func MetadataRequest(names []string) *sarama.MetadataRequest {
	return sarama.NewMetadataRequest(sarama.MaxVersion, names)
}

func BrokersOf(resp *sarama.MetadataResponse) []BrokerInfo {
	brokers := make([]BrokerInfo, 0, len(resp.Brokers))
	for _, b := range resp.Brokers {
		host, portText, err := net.SplitHostPort(b.Addr())
		if err != nil {
			continue
		}
		port, err := strconv.ParseInt(portText, 10, 32)
		if err != nil {
			continue
		}
		brokers = append(brokers, BrokerInfo{ID: b.ID(), Host: host, Port: int32(port), Rack: b.Rack()})
	}
	return brokers
}
