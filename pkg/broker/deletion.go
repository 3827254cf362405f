package broker

import (
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// DeletesTopics tells whether a cluster deletes topics when it is asked to (delete.topic.enable). It is the word of one broker: in
// ZooKeeper mode of the controller, which decides. In KRaft mode the controllers decide, which have the same setting unless somebody
// gave nodes of their own another one.
func (c *Cluster) DeletesTopics(ctx context.Context) (bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	const op, setting = kafkaerr.OpDescribeBrokerConfig, "delete.topic.enable"
	d, err := c.directory(ctx, false)
	if err != nil {
		return false, err
	}
	id := d.controller
	if _, alive := d.brokers[id]; !alive {
		for id = range d.brokers {
			break
		}
	}
	object := idObject("broker", id)
	resp, err := askBroker(ctx, c, id, request[*kmsg.DescribeConfigsResponse]{op, object, int16(kmsg.DescribeConfigs), laneMetadata,
		byKmsg[*kmsg.DescribeConfigsResponse](func() kmsg.Request {
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
			return false, kafkaerr.New(op, object, r.ErrorCode, r.ErrorMessage, millis(resp.ThrottleMillis))
		}
		for _, e := range r.Configs {
			if e.Name == setting && e.Value != nil {
				return *e.Value != "false", nil
			}
		}
	}
	return true, nil
}
