package broker

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxNames bounds the topics of one Metadata request.
const maxNames = 500

// Topics asks for the live metadata of the topics named; it never creates any. A topic that does not exist is an absent key.
// Without names it answers an empty map and asks nobody. When brokers refuse to describe some of the topics the error joins
// their refusals and the map holds the others. A broker that has not yet heard of this gateway's own last write is asked again.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	ctx, done := c.begin(ctx)
	defer done()
	return c.topics(ctx, names)
}

// Topic is Topics for one name; false means that it does not exist.
func (c *Cluster) Topic(ctx context.Context, name string) (Topic, bool, error) {
	topics, err := c.Topics(ctx, name)
	if err != nil {
		return Topic{}, false, err
	}
	t, ok := topics[name]
	return t, ok, nil
}

func (c *Cluster) topics(ctx context.Context, names []string) (map[string]Topic, error) {
	all := make(map[string]Topic, len(names))
	var refused []error
	for chunk := range slices.Chunk(names, maxNames) {
		for {
			topics, errs, err := c.topicsOnce(ctx, chunk)
			if err != nil {
				return nil, err
			}
			if c.expected.met(c.opts.Clock.Now(), topics, chunk) {
				for name, t := range topics {
					all[name] = t
				}
				refused = append(refused, errs...)
				break
			}
			if err := c.pause(ctx, settlePause); err != nil {
				return nil, c.failed(ctx, "describe topics", "", err)
			}
		}
	}
	return all, errors.Join(refused...)
}

func (c *Cluster) topicsOnce(ctx context.Context, names []string) (map[string]Topic, []error, error) {
	answer, err := askAny(ctx, c, c.metadataOf(names))
	if err != nil {
		return nil, nil, err
	}
	topics := make(map[string]Topic, len(names))
	refused := answer.topics(topics)
	d := directoryOf(answer.resp, answer.kraft)
	c.learn(d)
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := topics[name]
		return ok || slices.ContainsFunc(refused, func(e error) bool { return objectOf(e) == name })
	})
	if len(missing) > 0 && c.secondHand(d, answer.addr) {
		answer, err = askController(ctx, c, true, c.metadataOf(missing), func(metadataAnswer) bool { return false })
		if err != nil {
			return nil, nil, err
		}
		refused = append(refused, answer.topics(topics)...)
	}
	return topics, refused, nil
}

// secondHand tells that a broker's word is not enough to say that a topic does not exist. In ZooKeeper mode brokers hear of topics from
// the controller alone; one that has created a topic and died leaves them without it until another is elected (seen on 3.9.2: for
// seven seconds). In KRaft mode they read the log themselves.
func (c *Cluster) secondHand(d directory, addr string) bool {
	return !d.kraft && d.brokers[d.controller].address() != addr
}

func objectOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Object
	}
	return ""
}

// metadataAnswer is an answer with who gave it, and in which mode that broker runs.
type metadataAnswer struct {
	resp  *sarama.MetadataResponse
	addr  string
	kraft bool
}

func (a metadataAnswer) throttle() time.Duration { return throttleOf(a.resp) }

// topics fills in the topics that exist and returns the refusals. A name that Kafka does not allow is one that no topic has.
func (a metadataAnswer) topics(into map[string]Topic) (refused []error) {
	for _, t := range a.resp.Topics {
		switch code := int16(t.Err); code {
		case 0:
			into[t.Name] = topicOf(t)
		case codeUnknownTopicOrPartition, codeInvalidTopic:
		default:
			refused = append(refused, newError("describe topic", t.Name, code, nil, 0))
		}
	}
	return refused
}

// metadataOf is one Metadata request, for all topics without names.
func (c *Cluster) metadataOf(names []string) request[metadataAnswer] {
	ask := bySarama(func() *sarama.MetadataRequest { return metadataRequest(names) }, (*sarama.Broker).GetMetadata)
	return request[metadataAnswer]{"describe topics", c.label, int16(kmsg.Metadata), laneMetadata, func(l *link) (metadataAnswer, error) {
		resp, err := ask(l)
		return metadataAnswer{resp, l.addr, l.offers.kraft()}, err
	}}
}

// metadataRequest never creates topics: AllowAutoTopicCreation is false.
func metadataRequest(names []string) *sarama.MetadataRequest {
	return sarama.NewMetadataRequest(sarama.MaxVersion, names)
}

func directoryOf(resp *sarama.MetadataResponse, kraft bool) directory {
	info := ClusterInfo{KRaft: kraft, Brokers: brokersOf(resp)}
	if resp.ClusterID != nil {
		info.ID = *resp.ClusterID
	}
	return newDirectory(info, resp.ControllerID)
}

func topicOf(t *sarama.TopicMetadata) Topic {
	topic := Topic{Name: t.Name, ID: TopicID(t.Uuid), Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.ID, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.Isr, Offline: p.OfflineReplicas}
		if p.Err != sarama.ErrNoError {
			partition.Err = newError("describe partition", partitionObject(t.Name, p.ID), int16(p.Err), nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return int(a.ID - b.ID) })
	return topic
}

// TopicByID asks for the live metadata of one topic by id; false means that no topic has that id.
func (c *Cluster) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	for {
		t, found, err := c.topicByIDOnce(ctx, id)
		if err != nil {
			return Topic{}, false, err
		}
		topics := map[string]Topic{}
		if found {
			topics[t.Name] = t
		}
		if c.expected.met(c.opts.Clock.Now(), topics, nil) {
			return t, found, nil
		}
		if err := c.pause(ctx, settlePause); err != nil {
			return Topic{}, false, c.failed(ctx, "describe topic", id.String(), err)
		}
	}
}

func (c *Cluster) topicByIDOnce(ctx context.Context, id TopicID) (Topic, bool, error) {
	const op = "describe topic"
	if id.IsZero() {
		return Topic{}, false, nil
	}
	d, err := c.directory(ctx, false)
	if err != nil {
		return Topic{}, false, err
	}
	// Brokers look up by id from version 12 on (Kafka 3.1).
	lookUp := request[*kmsg.MetadataResponse]{op, id.String(), int16(kmsg.Metadata), laneMetadata,
		byKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
			topic := kmsg.NewMetadataRequestTopic()
			topic.TopicID = id
			req := kmsg.NewMetadataRequest()
			req.Topics = append(req.Topics, topic)
			req.AllowAutoTopicCreation = false
			return &req
		}, 12)}
	var resp *kmsg.MetadataResponse
	if d.kraft {
		resp, err = askAny(ctx, c, lookUp)
	} else {
		// See secondHand.
		resp, err = askController(ctx, c, true, lookUp, func(*kmsg.MetadataResponse) bool { return false })
	}
	if err != nil {
		return Topic{}, false, err
	}
	for _, t := range resp.Topics {
		if TopicID(t.TopicID) != id {
			continue
		}
		switch t.ErrorCode {
		case 0:
			return topicOfKmsg(t), true, nil
		case codeUnknownTopicID, codeUnknownTopicOrPartition:
			return Topic{}, false, nil
		}
		return Topic{}, false, newError(op, id.String(), t.ErrorCode, nil, millis(resp.ThrottleMillis))
	}
	return Topic{}, false, nil
}

func topicOfKmsg(t kmsg.MetadataResponseTopic) Topic {
	topic := Topic{ID: TopicID(t.TopicID), Internal: t.IsInternal}
	if t.Topic != nil {
		topic.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR, Offline: p.OfflineReplicas}
		if p.ErrorCode != 0 {
			partition.Err = newError("describe partition", partitionObject(topic.Name, p.Partition), p.ErrorCode, nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	slices.SortFunc(topic.Partitions, func(a, b Partition) int { return int(a.ID - b.ID) })
	return topic
}

// settlePause is the time between two looks at a broker that has not yet heard of a write.
const settlePause = 50 * time.Millisecond
