package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// maxNames bounds the topics of one Metadata request.
const maxNames = 500

// Topics is that of broker.Cluster.
func (c *Metadata) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.topics(ctx, names)
}

// Topic is that of broker.Cluster.
func (c *Metadata) Topic(ctx context.Context, name string) (Topic, bool, error) {
	topics, err := c.Topics(ctx, name)
	if err != nil {
		return Topic{}, false, err
	}
	t, ok := topics[name]
	return t, ok, nil
}

func (c *Metadata) topics(ctx context.Context, names []string) (map[string]Topic, error) {
	all := make(map[string]Topic, len(names))
	var refused []error
	for chunk := range slices.Chunk(names, maxNames) {
		for patience := c.patience(); ; {
			topics, errs, source, err := c.topicsOnce(ctx, chunk)
			if err != nil {
				return nil, err
			}
			complete := len(topics)+len(errs) >= len(chunk)
			if c.Expected.Met(c.Opts.Clock.Now(), topics, chunk) && (complete || !c.controllerIsNew()) || patience.ended() {
				maps.Copy(all, topics)
				refused = append(refused, errs...)
				break
			}
			if err := patience.pause(ctx, source); err != nil {
				return nil, c.Failed(ctx, kafkaerr.OpDescribeTopics, "", err)
			}
		}
	}
	return all, errors.Join(refused...)
}

// topicsOnce also tells who was asked.
func (c *Metadata) topicsOnce(ctx context.Context, names []string) (topics map[string]Topic, refused []error, source string, err error) {
	const op = kafkaerr.OpDescribeTopics
	topics = make(map[string]Topic, len(names))
	said, err := transport.Share(ctx, c.Cluster, c.TopicsByName, op, transport.Objects(names), names)
	if err != nil {
		return nil, nil, "", err
	}
	missing, refused := said.pick(names, topics)
	if len(missing) > 0 && said.secondHand() {
		if said, err = transport.Share(ctx, c.Cluster, c.ControllerTopics, op, transport.Objects(missing), missing); err != nil {
			return nil, nil, "", err
		}
		_, more := said.pick(missing, topics)
		refused = append(refused, more...)
	}
	return topics, refused, said.addr, nil
}

// askTopics sends one Metadata request for all calls, and another to a second broker about what the first does not know: it may have lost
// its controllers. Where brokers hear of topics from one of them, topicsOnce asks that one.
func (c *Metadata) askTopics(ctx context.Context, calls []*transport.Call[[]string, *metadataAnswer]) error {
	names := namesIn(calls)
	said, err := c.newestMetadata(ctx, names)
	if err != nil {
		return err
	}
	unknown := said.unknown(names)
	if len(unknown) == 0 || said.directory.Zookeeper {
		tellTopics(calls, said)
		return nil
	}
	// Who asked for others only does not wait for it.
	var rest []*transport.Call[[]string, *metadataAnswer]
	for _, k := range calls {
		if len(said.unknown(k.Query)) > 0 {
			rest = append(rest, k)
		} else {
			k.Answer(said, nil)
		}
	}
	there := c.missing(ctx, said.addr, func(ctx context.Context) (map[string]Topic, error) {
		second, err := transport.AskAnyBut(ctx, c.Cluster, c.MetadataOf(unknown), said.addr)
		if err != nil {
			return nil, err
		}
		second.read()
		return second.topics, nil
	})
	if len(there) > 0 {
		// What was answered is read by others.
		settled := *said
		settled.topics = maps.Clone(said.topics)
		maps.Copy(settled.topics, there)
		said = &settled
	}
	tellTopics(rest, said)
	return nil
}

// askControllerForTopics asks the controller, which in ZooKeeper mode alone knows that a topic does not exist. Its callers do not
// share with those of askTopics, who need not wait for a controller to be elected.
func (c *Metadata) askControllerForTopics(ctx context.Context, calls []*transport.Call[[]string, *metadataAnswer]) error {
	said, err := transport.AskController(ctx, c.Cluster, true, c.MetadataOf(namesIn(calls)), nil)
	if err != nil {
		return err
	}
	said.read()
	c.Learn(said.directory)
	tellTopics(calls, &said)
	return nil
}

func tellTopics(calls []*transport.Call[[]string, *metadataAnswer], said *metadataAnswer) {
	for _, k := range calls {
		k.Answer(said, nil)
	}
}

// namesIn are the names that some calls ask about, each once.
func namesIn[A any](calls []*transport.Call[[]string, A]) []string {
	if len(calls) == 1 {
		return calls[0].Query
	}
	seen := make(map[string]bool, len(calls))
	names := make([]string, 0, len(calls))
	for _, k := range calls {
		for _, name := range k.Query {
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
	resp *sarama.MetadataResponse
	addr string
	mode wire.Mode

	directory transport.Directory
	topics    map[string]Topic
	refused   map[string]error
}

func (a metadataAnswer) Throttle() time.Duration { return wire.ThrottleOf(a.resp) }

// read makes sense of the answer. A name that Kafka does not allow is one that no topic has.
func (a *metadataAnswer) read() {
	a.directory = directoryOf(a.resp, a.mode)
	a.topics, a.refused = make(map[string]Topic, len(a.resp.Topics)), map[string]error{}
	for _, t := range a.resp.Topics {
		switch code := int16(t.Err); code {
		case 0:
			topic, err := topicOf(t)
			if err != nil {
				a.refused[t.Name] = err
				continue
			}
			topic.Source = a.addr
			a.topics[t.Name] = topic
		case kafkaerr.UnknownTopicOrPartition, kafkaerr.InvalidTopicException:
		default:
			a.refused[t.Name] = kafkaerr.New(kafkaerr.OpDescribeTopic, t.Name, code, nil, 0)
		}
	}
	a.resp = nil
}

// unknown are the names that it says nothing of.
func (a *metadataAnswer) unknown(names []string) []string {
	missing, _ := a.pick(names, map[string]Topic{})
	return missing
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
	return d.Zookeeper && d.Brokers[d.Controller].Address() != a.addr
}

// MetadataOf is one Metadata request about some topics.
func (c *Metadata) MetadataOf(names []string) transport.Request[metadataAnswer] {
	ask := wire.BySarama(func() *sarama.MetadataRequest { return transport.MetadataRequest(names) }, (*sarama.Broker).GetMetadata)
	return transport.Request[metadataAnswer]{Op: kafkaerr.OpDescribeTopics, Object: "", Key: int16(kmsg.Metadata), Lane: wire.LaneMetadata, Send: func(l *wire.Link) (metadataAnswer, error) {
		resp, err := ask(l)
		return metadataAnswer{resp: resp, addr: l.Addr, mode: l.Offers.Mode()}, err
	}}
}

func directoryOf(resp *sarama.MetadataResponse, mode wire.Mode) transport.Directory {
	info := transport.ClusterInfo{Brokers: transport.BrokersOf(resp)}
	if resp.ClusterID != nil {
		info.ID = *resp.ClusterID
	}
	return transport.NewDirectory(info, resp.ControllerID, mode)
}

// tidy sorts the partitions of a topic as a broker tells of it, and refuses one that cannot be: each id is there once, and there is one at
// least. Brokers of external clusters are whoever answers there. Ids may be missing: in ZooKeeper mode brokers do not hear of partitions
// that have never had a leader (seen on 3.9.2).
func (t *Topic) tidy() error {
	slices.SortFunc(t.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
	if err := checkPartitions(t.epochs()); err != nil {
		return fmt.Errorf("describe topic %s: %w", t.Name, err)
	}
	return nil
}

// epochs are those of the leaders, by partition.
func (t *Topic) epochs() []partitionEpoch {
	epochs := make([]partitionEpoch, len(t.Partitions))
	for i, p := range t.Partitions {
		epochs[i] = partitionEpoch{p.ID, p.LeaderEpoch}
	}
	return epochs
}

func topicOf(t *sarama.TopicMetadata) (Topic, error) {
	topic := Topic{Name: t.Name, ID: TopicID(t.Uuid), Internal: t.IsInternal, Partitions: make([]Partition, 0, len(t.Partitions))}
	for _, p := range t.Partitions {
		partition := Partition{ID: p.ID, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.Isr, Offline: p.OfflineReplicas}
		if p.Err != sarama.ErrNoError {
			partition.Err = kafkaerr.New("describe partition", transport.PartitionObject(t.Name, p.ID), int16(p.Err), nil, 0)
		}
		topic.Partitions = append(topic.Partitions, partition)
	}
	return topic, topic.tidy()
}

// TopicNow is Topic inside another call.
func (c *Metadata) TopicNow(ctx context.Context, name string) (Topic, bool, error) {
	topics, err := c.topics(ctx, []string{name})
	t, ok := topics[name]
	return t, ok, err
}

// TopicAgain is a topic as it is now. replaced says that it is not found because another one has its name.
func (c *Metadata) TopicAgain(ctx context.Context, topic Topic) (now Topic, found, replaced bool, err error) {
	now, found, err = c.TopicNow(ctx, topic.Name)
	if !found || err != nil {
		return Topic{}, false, false, err
	}
	now, found = topic.Again(now)
	return now, found, !found, nil
}

// ReassignableTopic is a topic that must exist.
func (c *Metadata) ReassignableTopic(ctx context.Context, op, name string) (Topic, error) {
	t, ok, err := c.TopicNow(ctx, name)
	if err == nil && !ok {
		text := "there is no such topic on the brokers"
		err = kafkaerr.New(op, name, kafkaerr.UnknownTopicOrPartition, &text, 0)
	}
	return t, err
}

func LeaderOf(topic Topic, partition int32) int32 {
	for _, p := range topic.Partitions {
		if p.ID == partition {
			return p.Leader
		}
	}
	return -1
}
