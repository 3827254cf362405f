package broker

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// TopicByID asks for the live metadata of one topic by id; false means that no topic has that id.
func (c *Cluster) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	for patience := c.patience(); ; {
		t, found, err := c.topicByIDOnce(ctx, id)
		if err != nil {
			return Topic{}, false, err
		}
		topics := map[string]Topic{}
		if found {
			topics[t.Name] = t
		}
		if c.expected.met(c.opts.Clock.Now(), topics, nil) || patience.ended() {
			return t, found, nil
		}
		if err := patience.pause(ctx, t.source); err != nil {
			return Topic{}, false, c.failed(ctx, kafkaerr.OpDescribeTopic, id.String(), err)
		}
	}
}

func (c *Cluster) topicByIDOnce(ctx context.Context, id TopicID) (Topic, bool, error) {
	if id.IsZero() {
		return Topic{}, false, nil
	}
	said, err := share(ctx, c, c.shared.topicByID, kafkaerr.OpDescribeTopic, id.String(), id)
	return said.topic, said.found, err
}

type topicByID struct {
	topic Topic
	found bool
}

// askTopicsByID sends one Metadata request for all calls, or two to brokers that know ids and do not look up by them.
func (c *Cluster) askTopicsByID(ctx context.Context, calls []*call[TopicID, topicByID]) error {
	d, err := c.directory(ctx, false)
	if err != nil {
		return err
	}
	asked := make(map[TopicID]bool, len(calls))
	for _, k := range calls {
		asked[k.query] = true
	}
	var found byIDAnswer
	if d.zookeeper {
		// See secondHand.
		found, err = askController(ctx, c, true, c.metadataByID(slices.Collect(maps.Keys(asked))), nil)
	} else {
		found, err = askAny(ctx, c, c.metadataByID(slices.Collect(maps.Keys(asked))))
	}
	if kafkaerr.IsNotSupported(err) {
		return c.findTopicsByID(ctx, d, calls)
	}
	if err != nil {
		return err
	}
	said := found.read()
	for id := range asked {
		if s, told := said[id]; told && (s.err != nil || s.value.found) {
			delete(asked, id)
		}
	}
	if len(asked) > 0 && !d.zookeeper {
		for _, k := range calls {
			if !asked[k.query] {
				k.answer(said[k.query].value, said[k.query].err)
			}
		}
		for _, t := range c.missing(ctx, found.addr, func(ctx context.Context) (map[string]Topic, error) {
			second, err := askAnyBut(ctx, c, c.metadataByID(slices.Collect(maps.Keys(asked))), found.addr)
			if err != nil {
				return nil, err
			}
			has := map[string]Topic{}
			for _, s := range second.read() {
				if s.value.found {
					has[s.value.topic.Name] = s.value.topic
				}
			}
			return has, nil
		}) {
			said[t.ID] = answer[topicByID]{value: topicByID{t, true}}
		}
	}
	for _, k := range calls {
		k.answer(said[k.query].value, said[k.query].err)
	}
	return nil
}

// byIDAnswer is an answer with who gave it.
type byIDAnswer struct {
	resp *kmsg.MetadataResponse
	addr string
}

func (a byIDAnswer) throttle() time.Duration { return throttleOf(a.resp) }

// metadataByID is one Metadata request about topics with some ids. Brokers look up by id from version 12 on (Kafka 3.1).
func (c *Cluster) metadataByID(ids []TopicID) request[byIDAnswer] {
	ask := byKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
		req := kmsg.NewMetadataRequest()
		for _, id := range ids {
			topic := kmsg.NewMetadataRequestTopic()
			topic.TopicID = id
			req.Topics = append(req.Topics, topic)
		}
		req.AllowAutoTopicCreation = false
		return &req
	}, 12)
	return request[byIDAnswer]{kafkaerr.OpDescribeTopic, "", int16(kmsg.Metadata), laneMetadata, func(l *link) (byIDAnswer, error) {
		resp, err := ask(l)
		return byIDAnswer{resp, l.addr}, err
	}}
}

// read makes sense of the answer; ids that no topic has are left out.
func (a byIDAnswer) read() map[TopicID]answer[topicByID] {
	said := make(map[TopicID]answer[topicByID], len(a.resp.Topics))
	for _, t := range a.resp.Topics {
		switch id := TopicID(t.TopicID); t.ErrorCode {
		case 0:
			topic, err := topicOfKmsg(t)
			topic.source = a.addr
			said[id] = answer[topicByID]{value: topicByID{topic, err == nil}, err: err}
		case kafkaerr.UnknownTopicID, kafkaerr.UnknownTopicOrPartition:
		default:
			said[id] = answer[topicByID]{err: kafkaerr.New(kafkaerr.OpDescribeTopic, id.String(), t.ErrorCode, nil, millis(a.resp.ThrottleMillis))}
		}
	}
	return said
}

// findTopicsByID looks for ids among all topics, and asks for those by their names.
func (c *Cluster) findTopicsByID(ctx context.Context, d *directory, calls []*call[TopicID, topicByID]) error {
	all, err := askAsFor(ctx, c, d, overviewOf(heedless))
	if err != nil {
		return err
	}
	found := make(map[TopicID]string, len(calls))
	refused := make(map[TopicID]error, len(all.refused))
	for _, k := range calls {
		found[k.query] = ""
	}
	for name, t := range all.topics {
		if _, asked := found[t.ID]; asked {
			found[t.ID] = name
		}
	}
	for _, r := range all.refused {
		refused[r.id] = r.err
	}
	names := slices.DeleteFunc(slices.Collect(maps.Values(found)), func(name string) bool { return name == "" })
	var said metadataAnswer
	if len(names) > 0 {
		if said, err = askAsFor(ctx, c, d, c.metadataOf(names)); err != nil {
			return err
		}
		said.read()
	}
	for _, k := range calls {
		name := found[k.query]
		t, there := said.topics[name]
		switch {
		case name == "":
			k.answer(topicByID{}, refused[k.query])
		case said.refused[name] != nil:
			k.answer(topicByID{}, said.refused[name])
		default:
			// The name may be another topic's by now.
			there = there && t.ID == k.query
			k.answer(topicByID{t, there}, nil)
		}
	}
	return nil
}

// askAsFor asks who knows what topics there are: any broker, or in ZooKeeper mode the controller; see secondHand.
func askAsFor[T any](ctx context.Context, c *Cluster, d *directory, req request[T]) (T, error) {
	if d.zookeeper {
		return askController(ctx, c, true, req, nil)
	}
	return askAny(ctx, c, req)
}

func topicOfKmsg(t kmsg.MetadataResponseTopic) (Topic, error) {
	topic := Topic{ID: TopicID(t.TopicID), Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	if t.Topic != nil {
		topic.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR, Offline: p.OfflineReplicas}
		if p.ErrorCode != 0 {
			partition.Err = kafkaerr.New("describe partition", partitionObject(topic.Name, p.Partition), p.ErrorCode, nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	return topic, topic.tidy()
}
