package kafkatopic_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// A list and a watch of one cluster have its topics and no other's, whatever namespaces they are in.
func TestTopicsOfOneClusterAreSelected(t *testing.T) {
	t.Parallel()
	k, other := server.NewKafka(t, 3), server.NewKafka(t, 3)
	of := metav1.ListOptions{FieldSelector: "spec.clusterRef.name=" + k.Object.Name + ",spec.clusterRef.namespace=" + k.Object.Namespace}
	everywhere := server.Client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll)
	watching, err := everywhere.Watch(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	defer watching.Stop()
	mustCreate(t, newTopic(other, "theirs"))
	mustCreate(t, newTopic(k, "ours"))
	if event := <-watching.ResultChan(); event.Type != watch.Added || event.Object.(*v1beta1.KafkaTopic).Name != "ours" {
		t.Errorf("the first event is %+v", event)
	}
	list, err := everywhere.List(t.Context(), of)
	if err != nil || len(list.Items) != 1 || list.Items[0].Name != "ours" {
		t.Errorf("listed %+v, %v", list, err)
	}
}
