package topics

import (
	"context"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// AlterTopicConfig is that of broker.Cluster.
func (c *Topics) AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error {
	if len(set) == 0 && len(remove) == 0 {
		return nil
	}
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpAlterConfig
	values := make(map[string]*string, len(set)+len(remove))
	for _, name := range remove {
		values[name] = nil
	}
	for name, value := range set {
		if _, both := values[name]; both {
			text := "setting " + name + " is both set and removed"
			return kafkaerr.New(op, topic, kafkaerr.InvalidRequest, &text, 0)
		}
		values[name] = &value
	}
	if validateOnly {
		_, err := transport.Share(ctx, c.Cluster, c.ValidateAlter, op, topic, alteration{topic, values})
		return err
	}
	_, err := transport.ShareWrite(ctx, c.Cluster, c.Alter, op, topic, alteration{topic, values})
	err = c.Confirm(ctx, op, topic, err, func(ctx context.Context) (bool, error) {
		configs, err := c.TopicConfigs(ctx, topic)
		if err != nil {
			return false, err
		}
		got := metadata.TopicValues(configs[topic])
		for name, value := range values {
			if !metadata.SameValue(got, name, value) {
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil {
		c.Expected.Configured(c.Opts.Clock.Now(), topic, values)
	}
	return err
}

// alteration is what to write of a topic's settings; a nil value removes one.
type alteration struct {
	topic  string
	values map[string]*string
}

var alterRules = transport.BatchRules[alteration]{
	API: kmsg.IncrementalAlterConfigs.Name(), Width: transport.SideBySide, MaxWeight: transport.MaxRecords,
	Key:   func(a alteration) string { return a.topic },
	Weigh: func(a alteration) int { return len(a.values) },
}

// alterTopicConfigs sends one IncrementalAlterConfigs request.
func (c *Topics) alterTopicConfigs(validateOnly bool) func(context.Context, []alteration) ([]transport.Answer[struct{}], error) {
	const op = kafkaerr.OpAlterConfig
	return func(ctx context.Context, topics []alteration) ([]transport.Answer[struct{}], error) {
		resources := make([]*sarama.IncrementalAlterConfigsResource, 0, len(topics))
		for _, a := range topics {
			r := &sarama.IncrementalAlterConfigsResource{Type: sarama.TopicResource, Name: a.topic,
				ConfigEntries: make(map[string]sarama.IncrementalAlterConfigsEntry, len(a.values))}
			for name, value := range a.values {
				operation := sarama.IncrementalAlterConfigsOperationSet
				if value == nil {
					operation = sarama.IncrementalAlterConfigsOperationDelete
				}
				r.ConfigEntries[name] = sarama.IncrementalAlterConfigsEntry{Operation: operation, Value: value}
			}
			resources = append(resources, r)
		}
		resp, err := transport.AskController(ctx, c.Cluster, validateOnly, transport.Request[*sarama.IncrementalAlterConfigsResponse]{Op: op, Object: "", Key: int16(kmsg.IncrementalAlterConfigs), Lane: wire.LaneControl,
			Send: wire.BySarama(func() *sarama.IncrementalAlterConfigsRequest {
				return &sarama.IncrementalAlterConfigsRequest{Version: 1, Resources: resources, ValidateOnly: validateOnly}
			}, (*sarama.Broker).IncrementalAlterConfigs)},
			func(r *sarama.IncrementalAlterConfigsResponse) []int16 {
				return transport.CodesOf(r.Resources, func(r *sarama.AlterConfigsResourceResponse) int16 { return r.ErrorCode })
			})
		if err != nil {
			return nil, err
		}
		said := make(map[string]*sarama.AlterConfigsResourceResponse, len(resp.Resources))
		for _, r := range resp.Resources {
			said[r.Name] = r
		}
		answers := make([]transport.Answer[struct{}], len(topics))
		for i, a := range topics {
			r, ok := said[a.topic]
			switch {
			case !ok:
				answers[i].Err = &kafkaerr.NotMentionedError{Op: op, Object: a.topic}
			case r.ErrorCode != 0:
				answers[i].Err = kafkaerr.New(op, a.topic, r.ErrorCode, &r.ErrorMsg, resp.ThrottleTime)
			}
		}
		return answers, nil
	}
}
