package seed

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/bench/fleet"
	"kafka.openshift.io/kafka-apiserver/test/bench/process"
)

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

const namespace = "seeded"

func newTopic(name string) *v1beta1.KafkaTopic {
	return &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "k"}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1)},
	}
}

func startServer(t *testing.T, dir string) *process.APIServer {
	t.Helper()
	server, err := process.StartAPIServer(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// What is seeded is, to a server that starts on it, what it would have stored itself: objects, and claims on their names.
func TestCopy(t *testing.T) {
	names := []string{"template"}
	for i := range 3*chunk - 1 {
		names = append(names, fmt.Sprintf("topic-%d", i))
	}
	brokers, err := fleet.Start(fleet.Options{Clusters: 1, Brokers: 1, Host: "127.0.0.1", Topics: names[1:], Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	ids, err := brokers.Clusters[0].TopicIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server := startServer(t, dir)
	if _, err := server.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "k"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: brokers.Clusters[0].Addresses()}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	template, err := server.Client.KafkaV1beta1().KafkaTopics(namespace).Create(t.Context(), newTopic("template"), metav1.CreateOptions{})
	if err != nil {
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
	var topics []Topic
	for _, name := range names[1:] {
		topics = append(topics, Topic{Name: name, ID: ids[name]})
	}
	begin := time.Now()
	if err := storage.Copy(t.Context(), types.NamespacedName{Namespace: namespace, Name: "template"}, topics); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d topics took %v", len(topics), time.Since(begin))
	if err := storage.Copy(t.Context(), types.NamespacedName{Namespace: namespace, Name: "nobody"}, topics); err == nil {
		t.Error("a template that is not stored is copied")
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
	client := server.Client.KafkaV1beta1().KafkaTopics(namespace)
	list, err := client.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != len(names) {
		t.Fatalf("there are %d topics, %v, want %d", len(list.Items), err, len(names))
	}
	uids := map[types.UID]bool{}
	for i := range list.Items {
		topic := &list.Items[i]
		uids[topic.UID] = true
		if topic.Name == template.Name {
			continue
		}
		if topic.Status.TopicID != ids[topic.Name] || topic.Status.TopicName != topic.Name || len(topic.Status.Conditions) != len(template.Status.Conditions) {
			t.Fatalf("topic %s has the status %+v, want the id %s, its name, and the conditions of\n%+v", topic.Name, topic.Status, ids[topic.Name], template.Status)
		}
	}
	if len(uids) != len(names) {
		t.Errorf("%d topics have %d uids", len(names), len(uids))
	}
	// Its name on the brokers is another object's.
	second := newTopic("second")
	second.Spec.TopicName = names[7]
	if _, err := client.Create(t.Context(), second, metav1.CreateOptions{}); err == nil || apierrors.IsInternalError(err) {
		t.Errorf("a second object for topic %s: %v, want a refusal", names[7], err)
	}
	// Deleting one deletes its topic by the id that is in its claim.
	if err := client.Delete(t.Context(), names[8], metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	left, err := brokers.Clusters[0].TopicIDs(t.Context())
	if _, there := left[names[8]]; err != nil || there {
		t.Errorf("topic %s is still on the brokers, %v", names[8], err)
	}
	if _, err := os.Stat(filepath.Join(etcd, "member")); err != nil {
		t.Errorf("the server keeps its etcd elsewhere: %v", err)
	}
}
