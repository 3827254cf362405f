// Package testbed is what the tests with real brokers have in common that need no Kubernetes: an API server in a process of its own, and
// Kafkas that it knows.
package testbed

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/bench/process"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// Patience bounds what brokers do in seconds, on a machine that is busy with other things.
const Patience = 2 * time.Minute

// Main is the TestMain of a package that uses this one: the API server is its test binary, started once more.
func Main(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// Server is an API server in a process of its own.
type Server struct {
	typed.KafkaV1beta1Interface
	// Namespace is that of all objects.
	Namespace string
}

// Start starts a server, which ends with the test.
func Start(t *testing.T, namespace string) Server {
	t.Helper()
	api, err := process.StartAPIServer(t.Context(), filepath.Join(t.TempDir(), "api"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Stop(); err != nil {
			t.Error(err)
		}
	})
	return Server{api.Client.KafkaV1beta1(), namespace}
}

// Bed is a Kafka that a server knows by a name.
type Bed struct {
	Server
	Kafka *kafkaproc.Cluster
	Name  string
}

// Add makes a running Kafka known to the server. It ends with the test.
func (s Server) Add(t *testing.T, kafka *kafkaproc.Cluster, name string) *Bed {
	t.Helper()
	t.Cleanup(func() {
		if err := kafka.Kill(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Kafkas(s.Namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: kafka.Bootstrap()}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return &Bed{s, kafka, name}
}

// Topics are the topics in the namespace.
func (s Server) Topics() typed.KafkaTopicInterface { return s.KafkaTopics(s.Namespace) }

// Groups are the consumer groups in the namespace.
func (s Server) Groups() typed.KafkaConsumerGroupInterface { return s.KafkaConsumerGroups(s.Namespace) }

// NewTopic makes a topic on the brokers, named like its object.
func (b *Bed) NewTopic(t *testing.T, name string, partitions, replicas int32, config v1beta1.TopicConfig) *v1beta1.KafkaTopic {
	t.Helper()
	topic, err := b.Topics().Create(t.Context(), &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: b.Name}, Partitions: &partitions, Replicas: &replicas, Config: config}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// Client is another client of the brokers.
func (b *Bed) Client(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Kafka.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// Until waits for what brokers do; now tells what is missing, "" when nothing is.
func Until(t *testing.T, what string, now func() string) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := now()
		if missing == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: %s", what, missing)
		}
	}
}
