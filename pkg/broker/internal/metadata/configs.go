package metadata

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// maxConfigTopics bounds the topics of one DescribeConfigs request; each brings some thirty settings with synonyms.
const maxConfigTopics = 200

// maxSettingTopics bounds those of one that asks for a single setting.
const maxSettingTopics = 2000

// TopicConfig is that of broker.Cluster.
func (c *Metadata) TopicConfig(ctx context.Context, topic string) ([]ConfigEntry, error) {
	configs, err := c.TopicConfigs(ctx, topic)
	return configs[topic], err
}

// TopicConfigs is that of broker.Cluster.
func (c *Metadata) TopicConfigs(ctx context.Context, topics ...string) (map[string][]ConfigEntry, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.topicConfigs(ctx, topics)
}

func (c *Metadata) topicConfigs(ctx context.Context, topics []string) (map[string][]ConfigEntry, error) {
	const op = kafkaerr.OpDescribeConfig
	all := make(map[string][]ConfigEntry, len(topics))
	var refused []error
	for chunk := range slices.Chunk(topics, maxConfigTopics) {
		for patience := c.patience(); ; {
			answer, err := transport.Share(ctx, c.Cluster, c.Configs, op, transport.Objects(chunk), chunk)
			if err != nil {
				return nil, err
			}
			if c.configsSettled(chunk, answer) || patience.ended() {
				for _, topic := range chunk {
					if entries, ok := answer.configs[topic]; ok {
						all[topic] = entries
					}
					if err := answer.errs[topic]; err != nil {
						refused = append(refused, err)
					}
				}
				break
			}
			if err := patience.pause(ctx, answer.source); err != nil {
				return nil, c.Failed(ctx, op, transport.Objects(chunk), err)
			}
		}
	}
	return all, errors.Join(refused...)
}

// TopicSetting is that of broker.Cluster.
func (c *Metadata) TopicSetting(ctx context.Context, name string, topics ...string) (map[string]string, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	all := make(map[string]string, len(topics))
	for chunk := range slices.Chunk(topics, maxSettingTopics) {
		resp, err := transport.AskAny(ctx, c.Cluster, describeConfigs(chunk, func(req *kmsg.DescribeConfigsRequest) {
			for i := range req.Resources {
				req.Resources[i].ConfigNames = []string{name}
			}
		}))
		if err != nil {
			return nil, err
		}
		for _, r := range resp.Resources {
			err := kafkaerr.New(kafkaerr.OpDescribeConfig, r.ResourceName, r.ErrorCode, r.ErrorMessage, wire.Millis(resp.ThrottleMillis))
			if r.ErrorCode != 0 && kafkaerr.CodeOf(err) != kafkaerr.UnknownTopicOrPartition {
				return nil, err
			}
			for _, e := range r.Configs {
				if e.Name == name && e.Value != nil {
					all[r.ResourceName] = *e.Value
				}
			}
		}
	}
	return all, nil
}

// describeConfigs is a request for the settings of topics. It goes through kmsg because sarama reads a null value as "".
func describeConfigs(topics []string, change func(*kmsg.DescribeConfigsRequest)) transport.Request[*kmsg.DescribeConfigsResponse] {
	return transport.Request[*kmsg.DescribeConfigsResponse]{Op: kafkaerr.OpDescribeConfig, Object: "", Key: int16(kmsg.DescribeConfigs), Lane: wire.LaneMetadata,
		Send: wire.ByKmsg[*kmsg.DescribeConfigsResponse](func() kmsg.Request {
			req := kmsg.NewDescribeConfigsRequest()
			for _, topic := range topics {
				resource := kmsg.NewDescribeConfigsRequestResource()
				resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
				req.Resources = append(req.Resources, resource)
			}
			change(&req)
			return &req
		}, 1)}
}

// ConfigOpinions is that of broker.Cluster. In ZooKeeper mode all brokers read settings in one place (ZkConfigRepository), so that one is enough.
func (c *Metadata) ConfigOpinions(ctx context.Context, topic string) ([][]ConfigEntry, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	const op = kafkaerr.OpDescribeConfig
	names := []string{topic}
	first, err := transport.Share(ctx, c.Cluster, c.Configs, op, topic, names)
	if err == nil {
		err = first.errs[topic]
	}
	if err != nil {
		return nil, err
	}
	opinions := [][]ConfigEntry{first.configs[topic]}
	if c.KnownMode().Zookeeper || !c.Others(first.source) {
		return opinions, nil
	}
	asking, cancel := context.WithTimeout(ctx, secondTime)
	defer cancel()
	if second, err := c.otherConfigs.Submit(asking, first.source, names).Wait(asking); err == nil && second.errs[topic] == nil {
		opinions = append(opinions, second.configs[topic])
	}
	return opinions, nil
}

// configsSettled tells whether the answer knows of this gateway's last writes.
func (c *Metadata) configsSettled(topics []string, answer *configsAnswer) bool {
	now := c.Opts.Clock.Now()
	for _, topic := range topics {
		err := answer.errs[topic]
		if kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition && !c.Expected.Met(now, nil, []string{topic}) {
			return false
		}
		if err == nil && !c.Expected.MetConfig(now, topic, answer.configs[topic]) {
			return false
		}
	}
	return true
}

// configsAnswer is shared by all who asked: it is read only.
type configsAnswer struct {
	configs map[string][]ConfigEntry
	errs    map[string]error
	// source is the address of the broker that gave it.
	source string
}

// askConfigs sends one DescribeConfigs request for all calls, to any broker but some.
func (c *Metadata) askConfigs(ctx context.Context, calls []*transport.Call[[]string, *configsAnswer], but ...string) error {
	const op = kafkaerr.OpDescribeConfig
	topics := namesIn(calls)
	resp, source, err := transport.AskWho(ctx, c.Cluster, describeConfigs(topics, func(req *kmsg.DescribeConfigsRequest) { req.IncludeSynonyms = true }), but...)
	if err != nil {
		return err
	}
	said := &configsAnswer{make(map[string][]ConfigEntry, len(topics)), map[string]error{}, source}
	c.mu.Lock()
	unmanaged := c.unmanaged
	c.mu.Unlock()
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			said.errs[r.ResourceName] = kafkaerr.New(op, r.ResourceName, r.ErrorCode, r.ErrorMessage, wire.Millis(resp.ThrottleMillis))
			continue
		}
		entries := make([]ConfigEntry, 0, len(r.Configs))
		names := make([]string, 0, len(r.Configs))
		for _, e := range r.Configs {
			entries, names = append(entries, configEntry(e)), append(names, e.Name)
		}
		for i := range entries {
			// Only what is set on the topic itself is anybody's.
			entries[i].Unmanaged = entries[i].Source == SourceTopic && kafkaconfig.IsUnmanaged(entries[i].Name, names, unmanaged)
		}
		slices.SortFunc(entries, func(a, b ConfigEntry) int { return cmp.Compare(a.Name, b.Name) })
		said.configs[r.ResourceName] = entries
	}
	for _, k := range calls {
		k.Answer(said, nil)
	}
	return nil
}

func configEntry(e kmsg.DescribeConfigsResponseResourceConfig) ConfigEntry {
	entry := ConfigEntry{Name: e.Name, Null: e.Value == nil, Source: ConfigSource(e.Source), ReadOnly: e.ReadOnly, Sensitive: e.IsSensitive}
	entry.Default = entry.Source == SourceDefault
	if e.Value != nil {
		entry.Value = *e.Value
	}
	for _, s := range e.ConfigSynonyms {
		synonym := ConfigSynonym{Name: s.Name, Null: s.Value == nil, Source: ConfigSource(s.Source)}
		if s.Value != nil {
			synonym.Value = *s.Value
		}
		entry.Synonyms = append(entry.Synonyms, synonym)
	}
	return entry
}
