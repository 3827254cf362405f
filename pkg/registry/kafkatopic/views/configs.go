// Package views is what can be looked at of a topic, as its brokers say it at request time.
package views

import (
	"cmp"
	"context"
	"slices"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Configs is kafkatopics/configs: which settings apply to a topic and where they come from.
type Configs = sub.View[resolver.Target, *kafka.KafkaTopicConfigs]

// NewConfigs builds the view.
func NewConfigs(r *resolver.Resolver) *Configs {
	return &Configs{
		Type: sub.TypeOf("KafkaTopicConfigs", func() *kafka.KafkaTopicConfigs { return &kafka.KafkaTopicConfigs{} }, configs),
		Find: r.Find,
		Show: showConfigs,
	}
}

func showConfigs(ctx context.Context, t resolver.Target) (*kafka.KafkaTopicConfigs, error) {
	entries, err := t.Cluster.TopicConfig(ctx, t.Topic.TopicName())
	switch {
	case kafkaerr.CodeOf(err) == kafkaerr.UnknownTopicOrPartition:
		return nil, resolver.NotOnBrokers(t.Topic)
	case err != nil:
		return nil, resolver.Refusal(err, t.Topic)
	}
	return configsView(t, entries), nil
}

// configsView never tells a sensitive value, whatever the brokers have told.
func configsView(t resolver.Target, entries []broker.ConfigEntry) *kafka.KafkaTopicConfigs {
	view := &kafka.KafkaTopicConfigs{ObjectMeta: t.Meta(), Configs: make([]kafka.EffectiveConfig, 0, len(entries))}
	for _, entry := range entries {
		value := func(value string, null bool) *string {
			if null || entry.Sensitive {
				return nil
			}
			return ptr.To(value)
		}
		config := kafka.EffectiveConfig{Name: entry.Name, Value: value(entry.Value, entry.Null), Source: entry.Source.String(),
			IsDefault: entry.Default, ReadOnly: entry.ReadOnly, Sensitive: entry.Sensitive}
		for _, synonym := range entry.Synonyms {
			config.Synonyms = append(config.Synonyms, kafka.ConfigSynonym{
				Name: synonym.Name, Value: value(synonym.Value, synonym.Null), Source: synonym.Source.String()})
		}
		view.Configs = append(view.Configs, config)
	}
	own := broker.SourceTopic.String()
	slices.SortStableFunc(view.Configs, func(a, b kafka.EffectiveConfig) int {
		rank := map[bool]int{true: -1}
		return cmp.Or(rank[a.Source == own]-rank[b.Source == own], cmp.Compare(a.Name, b.Name))
	})
	return view
}
