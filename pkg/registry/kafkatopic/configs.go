package kafkatopic

import (
	"cmp"
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// ConfigsREST is kafkatopics/configs: which settings apply to a topic and where they come from, asked at request time.
type ConfigsREST struct {
	plane *plane
}

var (
	_ rest.Getter         = &ConfigsREST{}
	_ rest.TableConvertor = &ConfigsREST{}
	_ rest.Storage        = &ConfigsREST{}
)

// New implements rest.Storage.
func (*ConfigsREST) New() runtime.Object { return &kafka.KafkaTopicConfigs{} }

// Destroy implements rest.Storage.
func (*ConfigsREST) Destroy() {}

// ConvertToTable implements rest.TableConvertor.
func (*ConfigsREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return configs.ConvertToTable(ctx, object, options)
}

// codeUnknownTopicOrPartition is Kafka's error code for a topic that is not there.
const codeUnknownTopicOrPartition = 3

// Get implements rest.Getter.
func (r *ConfigsREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, err := r.plane.reach(ctx, name)
	if err != nil {
		return nil, err
	}
	entries, err := cluster.TopicConfig(ctx, topic.TopicName())
	switch {
	case broker.CodeOf(err) == codeUnknownTopicOrPartition:
		return nil, notOnBrokers(topic)
	case err != nil:
		return nil, refusal(err, topic)
	}
	return configsView(topic, entries), nil
}

// configsView never tells a sensitive value, whatever the brokers have told.
func configsView(topic *kafka.KafkaTopic, entries []broker.ConfigEntry) *kafka.KafkaTopicConfigs {
	view := &kafka.KafkaTopicConfigs{ObjectMeta: metaOf(topic), Configs: make([]kafka.EffectiveConfig, 0, len(entries))}
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
