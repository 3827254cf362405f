//go:build integration

// Package integration tests kafka-apiserver behind a real kube-apiserver, with a real kube-controller-manager, real etcds
// and real Apache Kafka, all of them processes on loopback.
package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const topicCommand = "org.apache.kafka.tools.TopicCommand"

// cluster is shared by all tests; each has a namespace of its own.
var cluster *harness.Cluster

func TestMain(m *testing.M) {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
		defer cancel()
		var err error
		if cluster, err = harness.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		code := m.Run()
		cluster.Close(code != 0)
		return code
	}())
}

// newKafka makes a Kafka object my-cluster for brokers that run.
func newKafka(t *testing.T, namespace string, kafka *kafkaproc.Cluster) {
	t.Helper()
	_, err := cluster.Client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec:       v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: kafka.Bootstrap()}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// newTopic is a topic of one partition on my-cluster in a namespace. Brokers are shared, so its name begins with the namespace.
func newTopic(namespace, name string) *v1beta1.KafkaTopic {
	return &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "my-cluster"},
			Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1)},
	}
}

func mustCreate(t *testing.T, topic *v1beta1.KafkaTopic) *v1beta1.KafkaTopic {
	t.Helper()
	created, err := cluster.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Create(t.Context(), topic, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// topicTool runs Kafka's own TopicCommand.
func topicTool(t *testing.T, kafka *kafkaproc.Cluster, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{"--bootstrap-server", strings.Join(kafka.Bootstrap(), ",")}, strings.Fields(line)...)
	out, err := kafka.Tool(ctx, topicCommand, args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// kubectl runs a command line that has to succeed, and returns what it prints.
func kubectl(t *testing.T, stdin, line string) string {
	t.Helper()
	r := cluster.Kubectl(t, stdin, line)
	if r.ExitCode != 0 {
		t.Fatalf("kubectl %s: exit code %d, status %d\n%s%s", line, r.ExitCode, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// refused runs a command line that has to be answered with a status code and all of the words given.
func refused(t *testing.T, stdin, line string, code int, words ...string) {
	t.Helper()
	expectRefused(t, line, cluster.Kubectl(t, stdin, line), code, words...)
}

func expectRefused(t *testing.T, line string, r harness.Result, code int, words ...string) {
	t.Helper()
	if r.ExitCode == 0 || r.Code != code {
		t.Errorf("kubectl %s: exit code %d, status %d, want a refusal with %d\n%s%s", line, r.ExitCode, r.Code, code, r.Stdout, r.Stderr)
		return
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("kubectl %s: refused without %q:\n%s", line, word, r.Stderr)
		}
	}
}

func expectWords(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s does not say %q:\n%s", what, word, text)
		}
	}
}
