package metadata

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// TopicByID is that of broker.Cluster.
func (c *Metadata) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	for patience := c.patience(); ; {
		t, found, err := c.TopicByIDOnce(ctx, id)
		if err != nil {
			return Topic{}, false, err
		}
		topics := map[string]Topic{}
		if found {
			topics[t.Name] = t
		}
		if c.Expected.Met(c.Opts.Clock.Now(), topics, nil) && (found || !c.controllerIsNew()) || patience.ended() {
			return t, found, nil
		}
		if err := patience.pause(ctx, t.Source); err != nil {
			return Topic{}, false, c.Failed(ctx, kafkaerr.OpDescribeTopic, id.String(), err)
		}
	}
}

func (c *Metadata) TopicByIDOnce(ctx context.Context, id TopicID) (Topic, bool, error) {
	if id.IsZero() {
		return Topic{}, false, nil
	}
	said, err := transport.Share(ctx, c.Cluster, c.TopicsByID, kafkaerr.OpDescribeTopic, id.String(), id)
	return said.topic, said.found, err
}

// Gone tells whether brokers have a topic no more. In ZooKeeper mode a new controller may not know of all topics yet, neither as the controller nor
// as a broker; others do, which have heard of them from the one before.
func (c *Metadata) Gone(ctx context.Context, id TopicID) (bool, error) {
	_, found, err := c.TopicByIDOnce(ctx, id)
	if err != nil || found || !c.KnownMode().Zookeeper {
		return err == nil && !found, err
	}
	if c.controllerIsNew() {
		return false, nil
	}
	d, err := c.Directory(ctx, false)
	if err != nil {
		return false, err
	}
	return !c.othersHave(ctx, d.Brokers[d.Controller].Address(), id), nil
}

// othersHave tells whether a broker beside the one at an address has a topic. When none answers in time the first one's word has to do.
func (c *Metadata) othersHave(ctx context.Context, addr string, id TopicID) bool {
	if !c.Others(addr) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, secondTime)
	defer cancel()
	said, err := transport.AskAnyBut(ctx, c.Cluster, c.metadataByID([]TopicID{id}), addr)
	if err == nil {
		return said.read()[id].Value.found
	}
	if !kafkaerr.IsNotSupported(err) {
		return false
	}
	all, _ := transport.AskAnyBut(ctx, c.Cluster, overviewOf(heedless), addr)
	for _, t := range all.topics {
		if t.ID == id {
			return true
		}
	}
	return false
}

type topicByID struct {
	topic Topic
	found bool
}

// askTopicsByID sends one Metadata request for all calls, or two to brokers that know ids and do not look up by them.
func (c *Metadata) askTopicsByID(ctx context.Context, calls []*transport.Call[TopicID, topicByID]) error {
	d, err := c.Directory(ctx, false)
	if err != nil {
		return err
	}
	asked := make(map[TopicID]bool, len(calls))
	for _, k := range calls {
		asked[k.Query] = true
	}
	var found byIDAnswer
	var older []Topic
	if d.Zookeeper {
		// See secondHand.
		found, err = transport.AskController(ctx, c.Cluster, true, c.metadataByID(slices.Collect(maps.Keys(asked))), nil)
	} else {
		found, older, err = newestOf(ctx, c, c.metadataByID(slices.Collect(maps.Keys(asked))), (*byIDAnswer).heard)
	}
	if kafkaerr.IsNotSupported(err) {
		return c.findTopicsByID(ctx, d, calls)
	}
	if err != nil {
		return err
	}
	said := found.read()
	for _, t := range older {
		said[t.ID] = transport.Answer[topicByID]{Err: tooOld(t.Name)}
	}
	for id := range asked {
		if s, told := said[id]; told && (s.Err != nil || s.Value.found) {
			delete(asked, id)
		}
	}
	if len(asked) > 0 && !d.Zookeeper {
		for _, k := range calls {
			if !asked[k.Query] {
				k.Answer(said[k.Query].Value, said[k.Query].Err)
			}
		}
		for _, t := range c.missing(ctx, found.addr, func(ctx context.Context) (map[string]Topic, error) {
			second, err := transport.AskAnyBut(ctx, c.Cluster, c.metadataByID(slices.Collect(maps.Keys(asked))), found.addr)
			if err != nil {
				return nil, err
			}
			has := map[string]Topic{}
			for _, s := range second.read() {
				if s.Value.found {
					has[s.Value.topic.Name] = s.Value.topic
				}
			}
			return has, nil
		}) {
			said[t.ID] = transport.Answer[topicByID]{Value: topicByID{t, true}}
		}
	}
	for _, k := range calls {
		k.Answer(said[k.Query].Value, said[k.Query].Err)
	}
	return nil
}

// byIDAnswer is an answer with who gave it.
type byIDAnswer struct {
	resp *kmsg.MetadataResponse
	addr string
	mode wire.Mode
}

func (a byIDAnswer) Throttle() time.Duration { return wire.ThrottleOf(a.resp) }

// metadataByID is one Metadata request about topics with some ids. Brokers look up by id from version 12 on (Kafka 3.1).
func (c *Metadata) metadataByID(ids []TopicID) transport.Request[byIDAnswer] {
	ask := wire.ByKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
		req := kmsg.NewMetadataRequest()
		for _, id := range ids {
			topic := kmsg.NewMetadataRequestTopic()
			topic.TopicID = id
			req.Topics = append(req.Topics, topic)
		}
		req.AllowAutoTopicCreation = false
		return &req
	}, 12)
	return transport.Request[byIDAnswer]{Op: kafkaerr.OpDescribeTopic, Object: "", Key: int16(kmsg.Metadata), Lane: wire.LaneMetadata, Send: func(l *wire.Link) (byIDAnswer, error) {
		resp, err := ask(l)
		return byIDAnswer{resp, l.Addr, l.Offers.Mode()}, err
	}}
}

// read makes sense of the answer; ids that no topic has are left out.
func (a byIDAnswer) read() map[TopicID]transport.Answer[topicByID] {
	said := make(map[TopicID]transport.Answer[topicByID], len(a.resp.Topics))
	for _, t := range a.resp.Topics {
		switch id := TopicID(t.TopicID); t.ErrorCode {
		case 0:
			topic, err := topicOfKmsg(t)
			topic.Source = a.addr
			said[id] = transport.Answer[topicByID]{Value: topicByID{topic, err == nil}, Err: err}
		case kafkaerr.UnknownTopicID, kafkaerr.UnknownTopicOrPartition:
		default:
			said[id] = transport.Answer[topicByID]{Err: kafkaerr.New(kafkaerr.OpDescribeTopic, id.String(), t.ErrorCode, nil, wire.Millis(a.resp.ThrottleMillis))}
		}
	}
	return said
}

// heard is who tells of which brokers and topics.
func (a *byIDAnswer) heard() (string, transport.Directory, []Topic) {
	var info transport.ClusterInfo
	if a.resp.ClusterID != nil {
		info.ID = *a.resp.ClusterID
	}
	for _, b := range a.resp.Brokers {
		one := transport.BrokerInfo{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			one.Rack = *b.Rack
		}
		info.Brokers = append(info.Brokers, one)
	}
	var topics []Topic
	for _, said := range a.read() {
		if said.Value.found {
			topics = append(topics, said.Value.topic)
		}
	}
	return a.addr, transport.NewDirectory(info, a.resp.ControllerID, a.mode), topics
}

// findTopicsByID looks for ids among all topics, and asks for those by their names.
func (c *Metadata) findTopicsByID(ctx context.Context, d *transport.Directory, calls []*transport.Call[TopicID, topicByID]) error {
	all, err := askAsFor(ctx, c, d, overviewOf(heedless))
	if err != nil {
		return err
	}
	found := make(map[TopicID]string, len(calls))
	refused := make(map[TopicID]error, len(all.refused))
	for _, k := range calls {
		found[k.Query] = ""
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
		if said, err = askAsFor(ctx, c, d, c.MetadataOf(names)); err != nil {
			return err
		}
		said.read()
	}
	for _, k := range calls {
		name := found[k.Query]
		t, there := said.topics[name]
		switch {
		case name == "":
			k.Answer(topicByID{}, refused[k.Query])
		case said.refused[name] != nil:
			k.Answer(topicByID{}, said.refused[name])
		default:
			// The name may be another topic's by now.
			there = there && t.ID == k.Query
			k.Answer(topicByID{t, there}, nil)
		}
	}
	return nil
}

// askAsFor asks who knows what topics there are: any broker, or in ZooKeeper mode the controller; see secondHand.
func askAsFor[T any](ctx context.Context, c *Metadata, d *transport.Directory, req transport.Request[T]) (T, error) {
	if d.Zookeeper {
		return transport.AskController(ctx, c.Cluster, true, req, nil)
	}
	return transport.AskAny(ctx, c.Cluster, req)
}

func topicOfKmsg(t kmsg.MetadataResponseTopic) (Topic, error) {
	topic := Topic{ID: TopicID(t.TopicID), Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	if t.Topic != nil {
		topic.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR, Offline: p.OfflineReplicas}
		if p.ErrorCode != 0 {
			partition.Err = kafkaerr.New("describe partition", transport.PartitionObject(topic.Name, p.Partition), p.ErrorCode, nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	return topic, topic.tidy()
}
