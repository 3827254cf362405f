package broker

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxConfigTopics bounds the topics of one DescribeConfigs request; each brings some thirty settings with synonyms.
const maxConfigTopics = 200

// TopicConfig asks for the effective configuration of a topic, sorted by name.
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
	all := make(map[string][]ConfigEntry, len(topics))
	var refused []error
	for chunk := range slices.Chunk(topics, maxConfigTopics) {
		for {
			configs, errs, err := c.topicConfigsOnce(ctx, chunk)
			if err != nil {
				return nil, err
			}
			if c.configsSettled(chunk, configs, errs) {
				for topic, entries := range configs {
					all[topic] = entries
				}
				for _, topic := range chunk {
					if errs[topic] != nil {
						refused = append(refused, errs[topic])
					}
				}
				break
			}
			if err := c.pause(ctx, settlePause); err != nil {
				return nil, c.failed(ctx, "describe configuration", objects(chunk), err)
			}
		}
	}
	return all, errors.Join(refused...)
}

// configsSettled tells whether the answer knows of this gateway's last writes.
func (c *Cluster) configsSettled(topics []string, configs map[string][]ConfigEntry, errs map[string]error) bool {
	now := c.opts.Clock.Now()
	for _, topic := range topics {
		if CodeOf(errs[topic]) == codeUnknownTopicOrPartition && !c.expected.met(now, nil, []string{topic}) {
			return false
		}
		if errs[topic] == nil && !c.expected.metConfig(now, topic, configs[topic]) {
			return false
		}
	}
	return true
}

// topicConfigsOnce goes through kmsg because sarama reads a null value as "".
func (c *Cluster) topicConfigsOnce(ctx context.Context, topics []string) (map[string][]ConfigEntry, map[string]error, error) {
	const op = "describe configuration"
	resp, err := askAny(ctx, c, request[*kmsg.DescribeConfigsResponse]{op, objects(topics), int16(kmsg.DescribeConfigs), laneMetadata,
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
		return nil, nil, err
	}
	configs, errs := map[string][]ConfigEntry{}, map[string]error{}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			errs[r.ResourceName] = newError(op, r.ResourceName, r.ErrorCode, r.ErrorMessage, millis(resp.ThrottleMillis))
			continue
		}
		entries := make([]ConfigEntry, 0, len(r.Configs))
		for _, e := range r.Configs {
			entries = append(entries, configEntry(e))
		}
		slices.SortFunc(entries, func(a, b ConfigEntry) int { return cmp.Compare(a.Name, b.Name) })
		configs[r.ResourceName] = entries
	}
	return configs, errs, nil
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
	const op = "alter configuration"
	values := make(map[string]*string, len(set)+len(remove))
	for _, name := range remove {
		values[name] = nil
	}
	for name, value := range set {
		if _, both := values[name]; both {
			text := "setting " + name + " is both set and removed"
			return newError(op, topic, codeInvalidRequest, &text, 0)
		}
		values[name] = &value
	}
	errs, err := c.alterTopicConfigs(ctx, map[string]map[string]*string{topic: values}, validateOnly)
	if err == nil {
		err = errs[topic]
	}
	if validateOnly {
		return err
	}
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

// alterTopicConfigs sends one IncrementalAlterConfigs request; a nil value removes a setting.
func (c *Cluster) alterTopicConfigs(ctx context.Context, topics map[string]map[string]*string, validateOnly bool) (map[string]error, error) {
	const op = "alter configuration"
	var resources []*sarama.IncrementalAlterConfigsResource
	var names []string
	for topic, values := range topics {
		names = append(names, topic)
		r := &sarama.IncrementalAlterConfigsResource{Type: sarama.TopicResource, Name: topic, ConfigEntries: map[string]sarama.IncrementalAlterConfigsEntry{}}
		for name, value := range values {
			operation := sarama.IncrementalAlterConfigsOperationSet
			if value == nil {
				operation = sarama.IncrementalAlterConfigsOperationDelete
			}
			r.ConfigEntries[name] = sarama.IncrementalAlterConfigsEntry{Operation: operation, Value: value}
		}
		resources = append(resources, r)
	}
	slices.Sort(names)
	window, cancel, _ := writeWindow(ctx)
	defer cancel()
	resp, err := askController(window, c, validateOnly, request[*sarama.IncrementalAlterConfigsResponse]{op, objects(names),
		int16(kmsg.IncrementalAlterConfigs), laneControl,
		bySarama(func() *sarama.IncrementalAlterConfigsRequest {
			return &sarama.IncrementalAlterConfigsRequest{Version: 1, Resources: resources, ValidateOnly: validateOnly}
		}, (*sarama.Broker).IncrementalAlterConfigs)},
		func(r *sarama.IncrementalAlterConfigsResponse) bool {
			return slices.ContainsFunc(r.Resources, func(r *sarama.AlterConfigsResourceResponse) bool { return r.ErrorCode == codeNotController })
		})
	if err != nil {
		return nil, err
	}
	errs := map[string]error{}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 {
			errs[r.Name] = newError(op, r.Name, r.ErrorCode, &r.ErrorMsg, resp.ThrottleTime)
		}
	}
	return errs, nil
}
