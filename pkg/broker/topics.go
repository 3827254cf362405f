package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// maxNames bounds the topics of one Metadata request.
const maxNames = 500

// Topics asks for the live metadata of the topics named; it never creates any. A topic that does not exist is an absent key. What it
// returns may be shared between callers: treat it as read only.
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
		for pause := settlePause; ; pause = min(2*pause, maxSettlePause) {
			topics, errs, err := c.topicsOnce(ctx, chunk)
			if err != nil {
				return nil, err
			}
			complete := len(topics)+len(errs) >= len(chunk)
			if c.expected.met(c.opts.Clock.Now(), topics, chunk) && (complete || !c.controllerIsNew()) {
				for name, t := range topics {
					all[name] = t
				}
				refused = append(refused, errs...)
				break
			}
			if err := c.pause(ctx, pause); err != nil {
				return nil, c.failed(ctx, "describe topics", "", err)
			}
		}
	}
	return all, errors.Join(refused...)
}

func (c *Cluster) topicsOnce(ctx context.Context, names []string) (map[string]Topic, []error, error) {
	const op = "describe topics"
	topics := make(map[string]Topic, len(names))
	said, err := share(ctx, c, c.shared.topics, op, objects(names), names)
	if err != nil {
		return nil, nil, err
	}
	missing, refused := said.pick(names, topics)
	if len(missing) > 0 && said.secondHand() {
		if said, err = share(ctx, c, c.shared.controllerTopics, op, objects(missing), missing); err != nil {
			return nil, nil, err
		}
		_, more := said.pick(missing, topics)
		refused = append(refused, more...)
	}
	return topics, refused, nil
}

// askTopics sends one Metadata request for all calls.
func (c *Cluster) askTopics(ctx context.Context, calls []*call[[]string, *metadataAnswer]) error {
	said, err := askAny(ctx, c, c.metadataOf(namesIn(calls)))
	return c.tellTopics(calls, said, err)
}

// askControllerForTopics asks the controller, which in ZooKeeper mode alone knows that a topic does not exist. Its callers do not
// share with those of askTopics, who need not wait for a controller to be elected.
func (c *Cluster) askControllerForTopics(ctx context.Context, calls []*call[[]string, *metadataAnswer]) error {
	said, err := askController(ctx, c, true, c.metadataOf(namesIn(calls)), func(metadataAnswer) bool { return false })
	return c.tellTopics(calls, said, err)
}

func (c *Cluster) tellTopics(calls []*call[[]string, *metadataAnswer], said metadataAnswer, err error) error {
	if err != nil {
		return err
	}
	said.read()
	c.learn(said.directory)
	for _, k := range calls {
		k.answer(&said, nil)
	}
	return nil
}

// namesIn are the names that some calls ask about, each once.
func namesIn[A any](calls []*call[[]string, A]) []string {
	if len(calls) == 1 {
		return calls[0].query
	}
	seen := make(map[string]bool, len(calls))
	names := make([]string, 0, len(calls))
	for _, k := range calls {
		for _, name := range k.query {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// metadataAnswer is an answer with who gave it, and in which mode that broker runs. It is shared by all who asked: it is read only.
type metadataAnswer struct {
	resp  *sarama.MetadataResponse
	addr  string
	kraft bool

	directory directory
	topics    map[string]Topic
	refused   map[string]error
}

func (a metadataAnswer) throttle() time.Duration { return throttleOf(a.resp) }

// read makes sense of the answer. A name that Kafka does not allow is one that no topic has.
func (a *metadataAnswer) read() {
	a.directory = directoryOf(a.resp, a.kraft)
	a.topics, a.refused = make(map[string]Topic, len(a.resp.Topics)), map[string]error{}
	for _, t := range a.resp.Topics {
		switch code := int16(t.Err); code {
		case 0:
			topic, err := topicOf(t)
			if err != nil {
				a.refused[t.Name] = err
				continue
			}
			a.topics[t.Name] = topic
		case kafkaerr.UnknownTopicOrPartition, kafkaerr.InvalidTopicException:
		default:
			a.refused[t.Name] = kafkaerr.New("describe topic", t.Name, code, nil, 0)
		}
	}
	a.resp = nil
}

// pick fills in those of some topics that exist.
func (a *metadataAnswer) pick(names []string, into map[string]Topic) (missing []string, refused []error) {
	for _, name := range names {
		if t, ok := a.topics[name]; ok {
			into[name] = t
		} else if err := a.refused[name]; err != nil {
			refused = append(refused, err)
		} else {
			missing = append(missing, name)
		}
	}
	return missing, refused
}

// secondHand tells that a broker's word is not enough to say that a topic does not exist. In ZooKeeper mode brokers hear of topics from
// the controller alone; one that has created a topic and died leaves them without it until another is elected (seen on 3.9.2: for
// seven seconds). In KRaft mode they read the log themselves.
func (a *metadataAnswer) secondHand() bool {
	d := a.directory
	return !d.kraft && d.brokers[d.controller].address() != a.addr
}

// metadataOf is one Metadata request, for all topics without names.
func (c *Cluster) metadataOf(names []string) request[metadataAnswer] {
	ask := bySarama(func() *sarama.MetadataRequest { return metadataRequest(names) }, (*sarama.Broker).GetMetadata)
	return request[metadataAnswer]{"describe topics", "", int16(kmsg.Metadata), laneMetadata, func(l *link) (metadataAnswer, error) {
		resp, err := ask(l)
		return metadataAnswer{resp: resp, addr: l.addr, kraft: l.offers.kraft()}, err
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

// tidy sorts the partitions of a topic as a broker tells of it, and refuses one that cannot be: each id is there once, and there is one at
// least. Brokers of external clusters are whoever answers there. Ids may be missing: in ZooKeeper mode brokers do not hear of partitions
// that have never had a leader (seen on 3.9.2).
func (t *Topic) tidy() error {
	slices.SortFunc(t.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	for i, p := range t.Partitions {
		if p.ID < 0 || i > 0 && p.ID == t.Partitions[i-1].ID {
			return fmt.Errorf("describe topic %s: the broker's answer has a partition %d too many", t.Name, p.ID)
		}
	}
	if len(t.Partitions) == 0 {
		return fmt.Errorf("describe topic %s: the broker's answer has no partitions", t.Name)
	}
	return nil
}

func topicOf(t *sarama.TopicMetadata) (Topic, error) {
	topic := Topic{Name: t.Name, ID: TopicID(t.Uuid), Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.ID, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.Isr, Offline: p.OfflineReplicas}
		if p.Err != sarama.ErrNoError {
			partition.Err = kafkaerr.New("describe partition", partitionObject(t.Name, p.ID), int16(p.Err), nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	return topic, topic.tidy()
}

// TopicByID asks for the live metadata of one topic by id; false means that no topic has that id.
func (c *Cluster) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	for pause := settlePause; ; pause = min(2*pause, maxSettlePause) {
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
		if err := c.pause(ctx, pause); err != nil {
			return Topic{}, false, c.failed(ctx, "describe topic", id.String(), err)
		}
	}
}

func (c *Cluster) topicByIDOnce(ctx context.Context, id TopicID) (Topic, bool, error) {
	if id.IsZero() {
		return Topic{}, false, nil
	}
	said, err := share(ctx, c, c.shared.topicByID, "describe topic", id.String(), id)
	return said.topic, said.found, err
}

type topicByID struct {
	topic Topic
	found bool
}

// askTopicsByID sends one Metadata request for all calls, or two to brokers that know ids and do not look up by them.
func (c *Cluster) askTopicsByID(ctx context.Context, calls []*call[TopicID, topicByID]) error {
	const op = "describe topic"
	d, err := c.directory(ctx, false)
	if err != nil {
		return err
	}
	// Brokers look up by id from version 12 on (Kafka 3.1).
	lookUp := request[*kmsg.MetadataResponse]{op, "", int16(kmsg.Metadata), laneMetadata,
		byKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
			req := kmsg.NewMetadataRequest()
			asked := make(map[TopicID]bool, len(calls))
			for _, k := range calls {
				if !asked[k.query] {
					asked[k.query] = true
					topic := kmsg.NewMetadataRequestTopic()
					topic.TopicID = k.query
					req.Topics = append(req.Topics, topic)
				}
			}
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
	if kafkaerr.IsNotSupported(err) {
		return c.findTopicsByID(ctx, d, calls)
	}
	if err != nil {
		return err
	}
	said := make(map[TopicID]answer[topicByID], len(resp.Topics))
	for _, t := range resp.Topics {
		switch id := TopicID(t.TopicID); t.ErrorCode {
		case 0:
			topic, err := topicOfKmsg(t)
			said[id] = answer[topicByID]{value: topicByID{topic, err == nil}, err: err}
		case kafkaerr.UnknownTopicID, kafkaerr.UnknownTopicOrPartition:
		default:
			said[id] = answer[topicByID]{err: kafkaerr.New(op, id.String(), t.ErrorCode, nil, millis(resp.ThrottleMillis))}
		}
	}
	for _, k := range calls {
		k.answer(said[k.query].value, said[k.query].err)
	}
	return nil
}

// findTopicsByID looks for ids among all topics.
func (c *Cluster) findTopicsByID(ctx context.Context, d *directory, calls []*call[TopicID, topicByID]) error {
	var said metadataAnswer
	var err error
	if all := c.metadataOf(nil); d.kraft {
		said, err = askAny(ctx, c, all)
	} else {
		said, err = askController(ctx, c, true, all, func(metadataAnswer) bool { return false })
	}
	if err != nil {
		return err
	}
	byID := make(map[TopicID]*sarama.TopicMetadata, len(said.resp.Topics))
	for _, t := range said.resp.Topics {
		byID[TopicID(t.Uuid)] = t
	}
	for _, k := range calls {
		t, found := byID[k.query]
		switch {
		case !found:
			k.answer(topicByID{}, nil)
		case t.Err != sarama.ErrNoError:
			k.answer(topicByID{}, kafkaerr.New("describe topic", k.query.String(), int16(t.Err), nil, said.throttle()))
		default:
			topic, err := topicOf(t)
			k.answer(topicByID{topic, err == nil}, err)
		}
	}
	return nil
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

// settlePause and maxSettlePause are the times between two looks at a broker that has not yet heard of a write, which grow: it has
// enough to do.
const settlePause, maxSettlePause = 50 * time.Millisecond, 250 * time.Millisecond
