//go:build integration

package integration

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The garbage collector knows our kinds both as what is owned and as owners.
func TestGarbageCollection(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	configMaps, topics := cluster.Kubernetes.CoreV1().ConfigMaps(n), cluster.Client.KafkaV1beta1().KafkaTopics(n)
	owner, err := configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := newTopic(n, "owned."+n)
	owned.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}
	mustCreate(t, owned)
	parent := mustCreate(t, newTopic(n, "parent."+n))
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "child", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "kafka.openshift.io/v1beta1", Kind: "KafkaTopic", Name: parent.Name, UID: parent.UID}}}}
	if _, err := configMaps.Create(t.Context(), child, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if err := configMaps.Delete(t.Context(), owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 60*time.Second, "the owned topic goes", func() string {
		if _, err := topics.Get(t.Context(), owned.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return "its object is there"
		}
		return ""
	})
	if out := topicTool(t, cluster.Kafka, "--list"); strings.Contains(out, owned.Name) {
		t.Errorf("the brokers still have %s", owned.Name)
	}
	if _, err := configMaps.Get(t.Context(), child.Name, metav1.GetOptions{}); err != nil {
		t.Fatalf("the child went before its owner: %v", err)
	}
	foreground := metav1.DeletePropagationForeground
	if err := topics.Delete(t.Context(), parent.Name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 60*time.Second, "child and parent go", func() string {
		if _, err := configMaps.Get(t.Context(), child.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return "the child is there"
		}
		if _, err := topics.Get(t.Context(), parent.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return "the parent is there"
		}
		return ""
	})
	harness.Eventually(t, 30*time.Second, "the parent's topic goes", func() string {
		if out := topicTool(t, cluster.Kafka, "--list"); strings.Contains(out, parent.Name) {
			return "the brokers still have it"
		}
		return ""
	})
}
