package topics

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// DeleteTopic is that of broker.Cluster.
func (c *Topics) DeleteTopic(ctx context.Context, id metadata.TopicID) error {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpDeleteTopic
	if id.IsZero() {
		text := "no topic id given"
		return kafkaerr.New(op, id.String(), kafkaerr.InvalidRequest, &text, 0)
	}
	err := c.Confirm(ctx, op, id.String(), c.deleteByID(ctx, id), func(ctx context.Context) (bool, error) { return c.Gone(ctx, id) })
	if err == nil {
		c.Expected.Deleted(c.Opts.Clock.Now(), c.SettleTime(), id)
	}
	c.Outdated(err)
	return err
}

// deleteByID has a topic deleted, or finds that there is none. A controller in ZooKeeper mode may say so of one that is there: its context is not
// read yet (UNKNOWN_TOPIC_ID), or its metadata cache lacks the topic (UNKNOWN_TOPIC_OR_PARTITION, both of KafkaApis.handleDeleteTopicsRequest).
func (c *Topics) deleteByID(ctx context.Context, id metadata.TopicID) error {
	const op = kafkaerr.OpDeleteTopic
	for start := c.Opts.Clock.Now(); ; {
		_, err := transport.ShareWrite(ctx, c.Cluster, c.Delete, op, id.String(), id)
		if kafkaerr.ClassOf(kafkaerr.CodeOf(err)) != kafkaerr.NotFound {
			return err
		}
		if !c.KnownMode().Zookeeper {
			return nil
		}
		gone, err := c.Gone(ctx, id)
		switch {
		case err != nil || gone:
			return err
		case c.Opts.Clock.Since(start) > 2*c.SettleTime() || c.Pause(ctx, metadata.SettlePause) != nil:
			text := "the controller does not know of the topic yet, and another broker has it"
			return kafkaerr.New(op, id.String(), kafkaerr.NotController, &text, 0)
		}
	}
}

var deleteRules = transport.BatchRules[metadata.TopicID]{
	API: kmsg.DeleteTopics.Name(), Width: transport.SideBySide,
	Key: func(id metadata.TopicID) string { return string(id[:]) },
}

// deleteTopics sends one DeleteTopics request by id, which sarama cannot encode.
func (c *Topics) deleteTopics(ctx context.Context, ids []metadata.TopicID) ([]transport.Answer[struct{}], error) {
	const op = kafkaerr.OpDeleteTopic
	timeout := transport.BrokerTimeout(ctx)
	resp, err := transport.AskController(ctx, c.Cluster, false, transport.Request[*kmsg.DeleteTopicsResponse]{Op: op, Object: "", Key: int16(kmsg.DeleteTopics), Lane: wire.LaneControl,
		Send: wire.ByKmsg[*kmsg.DeleteTopicsResponse](func() kmsg.Request {
			req := kmsg.NewDeleteTopicsRequest()
			req.TimeoutMillis = int32(timeout / time.Millisecond)
			for _, id := range ids {
				topic := kmsg.NewDeleteTopicsRequestTopic()
				topic.TopicID = id
				req.Topics = append(req.Topics, topic)
			}
			return &req
		}, 6)},
		func(r *kmsg.DeleteTopicsResponse) []int16 {
			return transport.CodesOf(r.Topics, func(t kmsg.DeleteTopicsResponseTopic) int16 { return t.ErrorCode })
		})
	if err != nil {
		return nil, err
	}
	said := make(map[metadata.TopicID]kmsg.DeleteTopicsResponseTopic, len(resp.Topics))
	for _, t := range resp.Topics {
		said[t.TopicID] = t
	}
	answers := make([]transport.Answer[struct{}], len(ids))
	for i, id := range ids {
		t, ok := said[id]
		switch {
		case !ok:
			answers[i].Err = &kafkaerr.NotMentionedError{Op: op, Object: id.String()}
		case t.ErrorCode != 0:
			answers[i].Err = kafkaerr.New(op, id.String(), t.ErrorCode, t.ErrorMessage, wire.Millis(resp.ThrottleMillis))
		}
	}
	return answers, nil
}
