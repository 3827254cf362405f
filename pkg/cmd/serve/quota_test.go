package serve

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

func TestCountedByAQuota(t *testing.T) {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for namespace, name := range map[string]corev1.ResourceName{
		"team-a": "count/kafkatopics.kafka.openshift.io", "team-b": "count/configmaps", "team-c": "count/kafkas.kafka.openshift.io",
	} {
		if err := store.Add(&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "quota"},
			Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{name: resource.MustParse("5")}}}); err != nil {
			t.Fatal(err)
		}
	}
	has := counted(kafka.Resource("kafkatopics"), corelisters.NewResourceQuotaLister(store))
	for namespace, want := range map[string]bool{"team-a": true, "team-b": false, "team-c": false, "team-d": false} {
		if got := has(namespace); got != want {
			t.Errorf("topics of %s are counted: %v, want %v", namespace, got, want)
		}
	}
}
