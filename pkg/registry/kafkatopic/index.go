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

// fieldCluster stands for both fields of a reference to a Kafka, which no client can select by. The watch cache finds the topics of one
// cluster by it without looking at all others, and tells a watch of one cluster of no other's.
const fieldCluster = "spec.clusterRef"

// indexers and triggers are what the watch cache is built with.
func indexers() *cache.Indexers {
	return &cache.Indexers{storage.FieldIndex(fieldCluster): func(obj any) ([]string, error) {
		topic, ok := obj.(*kafka.KafkaTopic)
		if !ok {
			return nil, errors.New("not a KafkaTopic")
		}
		return []string{clusterOf(topic).String()}, nil
	}}
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
		predicate.Field = ofCluster{field, namespace + "/" + name}
	}
	return predicate
}

// ofCluster is a selector of the topics of one cluster, which says so by the field of the index.
type ofCluster struct {
	fields.Selector
	cluster string
}

// RequiresExactMatch implements fields.Selector.
func (s ofCluster) RequiresExactMatch(field string) (string, bool) {
	if field == fieldCluster {
		return s.cluster, true
	}
	return s.Selector.RequiresExactMatch(field)
}
