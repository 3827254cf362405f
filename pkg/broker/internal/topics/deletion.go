package topics

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// DeletesTopics is that of broker.Cluster.
func (c *Topics) DeletesTopics(ctx context.Context) (bool, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op, setting = kafkaerr.OpDescribeBrokerConfig, "delete.topic.enable"
	d, err := c.Directory(ctx, false)
	if err != nil {
		return false, err
	}
	id := d.Controller
	if _, alive := d.Brokers[id]; !alive {
		for id = range d.Brokers {
			break
		}
	}
	object := transport.IDObject("broker", id)
	resp, err := transport.AskBroker(ctx, c.Cluster, id, transport.Request[*kmsg.DescribeConfigsResponse]{Op: op, Object: object, Key: int16(kmsg.DescribeConfigs), Lane: wire.LaneMetadata,
		Send: wire.ByKmsg[*kmsg.DescribeConfigsResponse](func() kmsg.Request {
			resource := kmsg.NewDescribeConfigsRequestResource()
			resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id))
			resource.ConfigNames = []string{setting}
			req := kmsg.NewDescribeConfigsRequest()
			req.Resources = append(req.Resources, resource)
			return &req
		}, 1)})
	if err != nil {
		return false, err
	}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			return false, kafkaerr.New(op, object, r.ErrorCode, r.ErrorMessage, wire.Millis(resp.ThrottleMillis))
		}
		for _, e := range r.Configs {
			if e.Name == setting && e.Value != nil {
				return *e.Value != "false", nil
			}
		}
	}
	return true, nil
}
