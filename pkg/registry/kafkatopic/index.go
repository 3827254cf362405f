package kafkatopic

import (
	"errors"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/tools/cache"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

const (
	// fieldCluster stands for both fields of a reference to a Kafka, which no client can select by. The watch cache finds the topics of one
	// cluster by it without looking at all others, and tells a watch of one cluster of no other's.
	fieldCluster = "spec.clusterRef"
	// fieldTopicID is for who looks for the objects that have a topic.
	fieldTopicID = "status.topicID"
)

// indexers and triggers are what the watch cache is built with.
func indexers() *cache.Indexers {
	by := func(values func(*kafka.KafkaTopic) []string) cache.IndexFunc {
		return func(obj any) ([]string, error) {
			topic, ok := obj.(*kafka.KafkaTopic)
			if !ok {
				return nil, errors.New("not a KafkaTopic")
			}
			return values(topic), nil
		}
	}
	return &cache.Indexers{
		storage.FieldIndex(fieldCluster): by(func(topic *kafka.KafkaTopic) []string { return []string{clusterOf(topic).String()} }),
		storage.FieldIndex(fieldTopicID): by(func(topic *kafka.KafkaTopic) []string {
			if topic.Status.TopicID == "" {
				return nil
			}
			return []string{topic.Status.TopicID}
		}),
	}
}

func triggers() storage.IndexerFuncs {
	return storage.IndexerFuncs{fieldCluster: func(obj runtime.Object) string {
		if topic, ok := obj.(*kafka.KafkaTopic); ok {
			return clusterOf(topic).String()
		}
		return ""
	}}
}

func matcher(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	predicate := storage.SelectionPredicate{Label: label, Field: field, GetAttrs: getAttrs, IndexFields: []string{fieldCluster}}
	name, named := field.RequiresExactMatch("spec.clusterRef.name")
	namespace, placed := field.RequiresExactMatch("spec.clusterRef.namespace")
	if named && placed {
		predicate.Field = indexed{field, fieldCluster, namespace + "/" + name}
	}
	return predicate
}

// havingTopic selects the objects whose topic has an id, where the watch cache is asked. Others have to be looked through.
func havingTopic(id string) storage.SelectionPredicate {
	return storage.SelectionPredicate{Label: labels.Everything(), Field: indexed{fields.Everything(), fieldTopicID, id}, GetAttrs: getAttrs, IndexFields: []string{fieldTopicID}}
}

// indexed is a selector that also says by the field of an index what it selects.
type indexed struct {
	fields.Selector
	field, value string
}

// RequiresExactMatch implements fields.Selector.
func (s indexed) RequiresExactMatch(field string) (string, bool) {
	if field == s.field {
		return s.value, true
	}
	return s.Selector.RequiresExactMatch(field)
}
