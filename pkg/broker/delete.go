package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// DeleteTopic deletes a topic by id. An id that no topic has is a success. Brokers remove the data some time later.
func (c *Cluster) DeleteTopic(ctx context.Context, id TopicID) error {
	ctx, done := c.begin(ctx)
	defer done()
	const op = kafkaerr.OpDeleteTopic
	if id.IsZero() {
		text := "no topic id given"
		return kafkaerr.New(op, id.String(), kafkaerr.InvalidRequest, &text, 0)
	}
	_, err := shareWrite(ctx, c, c.shared.delete, op, id.String(), id)
	err = c.confirm(ctx, op, id.String(), err, func(ctx context.Context) (bool, error) {
		_, found, err := c.topicByIDOnce(ctx, id)
		return err == nil && !found, err
	})
	if err == nil {
		c.expected.deleted(c.opts.Clock.Now(), c.settleTime(), id)
	}
	c.outdated(err)
	return err
}

var deleteRules = batchRules[TopicID]{
	api: kmsg.DeleteTopics.Name(), width: sideBySide,
	key: func(id TopicID) string { return string(id[:]) },
}

// deleteTopics sends one DeleteTopics request by id, which sarama cannot encode.
func (c *Cluster) deleteTopics(ctx context.Context, ids []TopicID) ([]answer[struct{}], error) {
	const op = kafkaerr.OpDeleteTopic
	timeout := brokerTimeout(ctx)
	resp, err := askController(ctx, c, false, request[*kmsg.DeleteTopicsResponse]{op, "", int16(kmsg.DeleteTopics), laneControl,
		byKmsg[*kmsg.DeleteTopicsResponse](func() kmsg.Request {
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
			return codesOf(r.Topics, func(t kmsg.DeleteTopicsResponseTopic) int16 { return t.ErrorCode })
		})
	if err != nil {
		return nil, err
	}
	said := make(map[TopicID]kmsg.DeleteTopicsResponseTopic, len(resp.Topics))
	for _, t := range resp.Topics {
		said[t.TopicID] = t
	}
	answers := make([]answer[struct{}], len(ids))
	for i, id := range ids {
		t, ok := said[id]
		switch {
		case !ok:
			answers[i].err = &kafkaerr.NotMentionedError{Op: op, Object: id.String()}
		case t.ErrorCode == 0, t.ErrorCode == kafkaerr.UnknownTopicID, t.ErrorCode == kafkaerr.UnknownTopicOrPartition:
		default:
			answers[i].err = kafkaerr.New(op, id.String(), t.ErrorCode, t.ErrorMessage, millis(resp.ThrottleMillis))
		}
	}
	return answers, nil
}
