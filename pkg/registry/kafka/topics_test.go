package kafka_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// Objects are named to whom a list would name them. An authorizer that denies one by its name, or a namespace, denies nobody all of them.
func TestWhoIsToldWhatManagesATopic(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	tenant := server.Namespace()
	manifest := []byte(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},"spec":{"clusterRef":{"name":"k","namespace":"` +
		fake.Object.Namespace + `"},"partitions":1,"replicas":1}}`)
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(tenant).Patch(t.Context(), "orders", types.ApplyPatchType, manifest, metav1.PatchOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
	for who, tc := range map[string]struct {
		may  func(authorizer.Attributes) bool
		told bool
	}{
		"who may get all but this one":        {func(a authorizer.Attributes) bool { return a.GetVerb() == "get" && a.GetName() != "orders" }, false},
		"who may get all but its namespace's": {func(a authorizer.Attributes) bool { return a.GetVerb() == "get" && a.GetNamespace() != tenant }, false},
		"who may list its namespace":          {func(a authorizer.Attributes) bool { return a.GetVerb() == "list" && a.GetNamespace() == tenant }, true},
		"who may list another namespace": {func(a authorizer.Attributes) bool {
			return a.GetVerb() == "list" && a.GetNamespace() == fake.Object.Namespace
		}, false},
		"who may list everywhere": {func(a authorizer.Attributes) bool { return a.GetVerb() == "list" && a.GetNamespace() == "" }, true},
	} {
		client, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetResource() == "kafkas" || tc.may(a) })
		apiservertest.Eventually(t, who+" sees the topic", func() bool {
			view, err := client.KafkaV1beta1().Kafkas(fake.Object.Namespace).GetTopics(t.Context(), "k", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, topic := range view.Topics {
				if told := topic.ManagedBy != nil; !topic.Managed || told != tc.told {
					t.Errorf("%s: %+v", who, topic)
				}
			}
			return len(view.Topics) == 1
		})
	}
}
