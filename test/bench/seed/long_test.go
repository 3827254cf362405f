//go:build long

package seed

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/bench/process"
)

// A server starts on a hundred thousand topics, and lists all of them in pages.
func TestAHundredThousandTopics(t *testing.T) {
	const many = 100_000
	dir := t.TempDir()
	server := startServer(t, dir)
	if _, err := server.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "k"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"127.0.0.1:1"}}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(namespace).Create(t.Context(), newTopic("template"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	etcd, prefix := process.StorageIn(dir)
	storage, err := Open(t.Context(), etcd, prefix)
	if err != nil {
		t.Fatal(err)
	}
	topics := make([]Topic, many)
	for i := range topics {
		topics[i].Name = fmt.Sprintf("topic-%d", i)
	}
	if err := storage.Copy(t.Context(), types.NamespacedName{Namespace: namespace, Name: "template"}, topics); err != nil {
		t.Fatal(err)
	}
	if err := storage.Close(); err != nil {
		t.Fatal(err)
	}
	server = startServer(t, dir)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	names := map[string]bool{}
	for next := ""; ; {
		page, err := server.Client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll).List(t.Context(), metav1.ListOptions{Limit: 500, Continue: next})
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Items {
			names[page.Items[i].Name] = true
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	if len(names) != many+1 {
		t.Errorf("%d topics are listed, want %d", len(names), many+1)
	}
}
