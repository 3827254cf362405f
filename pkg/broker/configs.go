package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaconfig"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// maxConfigTopics bounds the topics of one DescribeConfigs request; each brings some thirty settings with synonyms.
const maxConfigTopics = 200

// TopicConfig asks for the effective configuration of a topic, sorted by name. It is shared between callers: treat it as read only.
func (c *Cluster) TopicConfig(ctx context.Context, topic string) ([]ConfigEntry, error) {
	configs, err := c.TopicConfigs(ctx, topic)
	return configs[topic], err
}

// TopicConfigs is TopicConfig for many topics. When some are refused the error joins the refusals and the map holds the others.
func (c *Cluster) TopicConfigs(ctx context.Context, topics ...string) (map[string][]ConfigEntry, error) {
	ctx, done := c.begin(ctx)
	defer done()
	return c.topicConfigs(ctx, topics)
}

func (c *Cluster) topicConfigs(ctx context.Context, topics []string) (map[string][]ConfigEntry, error) {
	const op = kafkaerr.OpDescribeConfig
	all := make(map[string][]ConfigEntry, len(topics))
	var refused []error
	for chunk := range slices.Chunk(topics, maxConfigTopics) {
		for patience := c.patience(); ; {
			answer, err := share(ctx, c, c.shared.configs, op, objects(chunk), chunk)
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
			if err := patience.pause(ctx, ""); err != nil {
				return nil, c.failed(ctx, op, objects(chunk), err)
			}
		}
	}
	return all, errors.Join(refused...)
}

// configsSettled tells whether the answer knows of this gateway's last writes.
func (c *Cluster) configsSettled(topics []string, answer *configsAnswer) bool {
	now := c.opts.Clock.Now()
	for _, topic := range topics {
		err := answer.errs[topic]
		if kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition && !c.expected.met(now, nil, []string{topic}) {
			return false
		}
		if err == nil && !c.expected.metConfig(now, topic, answer.configs[topic]) {
			return false
		}
	}
	return true
}

// configsAnswer is shared by all who asked: it is read only.
type configsAnswer struct {
	configs map[string][]ConfigEntry
	errs    map[string]error
}

// askConfigs sends one DescribeConfigs request for all calls. It goes through kmsg because sarama reads a null value as "".
func (c *Cluster) askConfigs(ctx context.Context, calls []*call[[]string, *configsAnswer]) error {
	const op = kafkaerr.OpDescribeConfig
	topics := namesIn(calls)
	resp, err := askAny(ctx, c, request[*kmsg.DescribeConfigsResponse]{op, "", int16(kmsg.DescribeConfigs), laneMetadata,
		byKmsg[*kmsg.DescribeConfigsResponse](func() kmsg.Request {
			req := kmsg.NewDescribeConfigsRequest()
			req.IncludeSynonyms = true
			for _, topic := range topics {
				resource := kmsg.NewDescribeConfigsRequestResource()
				resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
				req.Resources = append(req.Resources, resource)
			}
			return &req
		}, 1)})
	if err != nil {
		return err
	}
	said := &configsAnswer{make(map[string][]ConfigEntry, len(topics)), map[string]error{}}
	c.mu.Lock()
	unmanaged := c.unmanaged
	c.mu.Unlock()
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			said.errs[r.ResourceName] = kafkaerr.New(op, r.ResourceName, r.ErrorCode, r.ErrorMessage, millis(resp.ThrottleMillis))
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
		k.answer(said, nil)
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

// AlterTopicConfig sets and removes single settings of a topic and leaves all others alone. With nothing to do it asks nobody.
func (c *Cluster) AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error {
	if len(set) == 0 && len(remove) == 0 {
		return nil
	}
	ctx, done := c.begin(ctx)
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
		_, err := share(ctx, c, c.shared.validateAlter, op, topic, alteration{topic, values})
		return err
	}
	_, err := shareWrite(ctx, c, c.shared.alter, op, topic, alteration{topic, values})
	err = c.confirm(ctx, op, topic, err, func(ctx context.Context) (bool, error) {
		configs, err := c.topicConfigs(ctx, []string{topic})
		if err != nil {
			return false, err
		}
		got := topicValues(configs[topic])
		for name, value := range values {
			if !sameValue(got, name, value) {
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil {
		c.expected.configured(c.opts.Clock.Now(), topic, values)
	}
	return err
}

// alteration is what to write of a topic's settings; a nil value removes one.
type alteration struct {
	topic  string
	values map[string]*string
}

var alterRules = batchRules[alteration]{
	api: kmsg.IncrementalAlterConfigs.Name(), width: sideBySide, maxWeight: maxRecords,
	key:   func(a alteration) string { return a.topic },
	weigh: func(a alteration) int { return len(a.values) },
}

// alterTopicConfigs sends one IncrementalAlterConfigs request.
func (c *Cluster) alterTopicConfigs(validateOnly bool) func(context.Context, []alteration) ([]answer[struct{}], error) {
	const op = kafkaerr.OpAlterConfig
	return func(ctx context.Context, topics []alteration) ([]answer[struct{}], error) {
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
		resp, err := askController(ctx, c, validateOnly, request[*sarama.IncrementalAlterConfigsResponse]{op, "", int16(kmsg.IncrementalAlterConfigs), laneControl,
			bySarama(func() *sarama.IncrementalAlterConfigsRequest {
				return &sarama.IncrementalAlterConfigsRequest{Version: 1, Resources: resources, ValidateOnly: validateOnly}
			}, (*sarama.Broker).IncrementalAlterConfigs)},
			func(r *sarama.IncrementalAlterConfigsResponse) []int16 {
				return codesOf(r.Resources, func(r *sarama.AlterConfigsResourceResponse) int16 { return r.ErrorCode })
			})
		if err != nil {
			return nil, err
		}
		said := make(map[string]*sarama.AlterConfigsResourceResponse, len(resp.Resources))
		for _, r := range resp.Resources {
			said[r.Name] = r
		}
		answers := make([]answer[struct{}], len(topics))
		for i, a := range topics {
			r, ok := said[a.topic]
			switch {
			case !ok:
				answers[i].err = &kafkaerr.NotMentionedError{Op: op, Object: a.topic}
			case r.ErrorCode != 0:
				answers[i].err = kafkaerr.New(op, a.topic, r.ErrorCode, &r.ErrorMsg, resp.ThrottleTime)
			}
		}
		return answers, nil
	}
}
