package kafkatopic

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/storage"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

// The topics of one cluster are found without a look at all others.
func TestTopicsAreIndexedByTheirCluster(t *testing.T) {
	topic := &kafka.KafkaTopic{Spec: kafka.KafkaTopicSpec{ClusterRef: kafka.ClusterReference{Name: "k"}}}
	topic.Namespace = "streams"
	index := (*indexers())[storage.FieldIndex(fieldCluster)]
	if values, err := index(topic); err != nil || !slices.Equal(values, []string{"streams/k"}) {
		t.Fatalf("indexed as %v, %v", values, err)
	}
	if value := triggers()[fieldCluster](topic); value != "streams/k" {
		t.Fatalf("watched as %q", value)
	}
	for selector, want := range map[string]string{
		"spec.clusterRef.name=k,spec.clusterRef.namespace=streams":                  "streams/k",
		"spec.clusterRef.name=k,spec.clusterRef.namespace=streams,metadata.name!=x": "streams/k",
		"spec.clusterRef.name=k":                                    "",
		"spec.clusterRef.name!=k,spec.clusterRef.namespace=streams": "",
		"": "",
	} {
		parsed, err := fields.ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		predicate := matcher(labels.Everything(), parsed)
		got := ""
		for _, value := range predicate.MatcherIndex(t.Context()) {
			if value.IndexName == storage.FieldIndex(fieldCluster) {
				got = value.Value
			}
		}
		if got != want {
			t.Errorf("%q is looked up as %q, want %q", selector, got, want)
		}
		if matches, err := predicate.Matches(topic); err != nil || matches != (want != "" || selector == "" || selector == "spec.clusterRef.name=k") {
			t.Errorf("%q matches: %t, %v", selector, matches, err)
		}
	}
}
