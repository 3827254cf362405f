//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// within runs a kubectl and checks how long it waited for answers.
func within(t *testing.T, limit time.Duration, line string) harness.Result {
	t.Helper()
	r := cluster.Kubectl(t, "", line)
	if r.Waited > limit {
		t.Errorf("kubectl %s waited for %s, want at most %s", line, r.Waited, limit)
	}
	return r
}

// A sick Kafka never makes a sick API, whether its brokers are dead or only frozen.
func TestBrokersThatAreAway(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	n := cluster.Namespace(t)
	newKafka(t, n, kafka)
	mustCreate(t, newTopic(n, "orders"))
	broker := kafka.Broker(0)
	for _, tc := range []struct {
		name     string
		away     func() error
		back     func() error
		deadline time.Duration
	}{
		{"frozen", broker.Suspend, broker.Resume, 6 * time.Second},
		{"dead", broker.Kill, func() error { return broker.Start(t.Context()) }, 6 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.away(); err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{
				"get kafkatopic orders --subresource=partitions",
				"get kafkatopic orders --subresource=scale",
				"get kafka my-cluster --subresource=brokers",
				"scale kafkatopic/orders --replicas=9",
				"get kafkaconsumergroup my-cluster.billing",
				"get kafkaconsumergroup my-cluster.billing --subresource=offsets",
			} {
				line += " -n " + n
				expectRefused(t, line, within(t, tc.deadline, line), 503)
			}
			for _, line := range []string{"get kafkas,kafkatopics -A", "get kafkatopic orders -o yaml -n " + n} {
				if r := within(t, 3*time.Second, line); r.ExitCode != 0 {
					t.Errorf("kubectl %s: %s", line, r.Stderr)
				}
			}
			r := cluster.Kubectl(t, topicManifest(n, "later-"+tc.name, "", oneOfEach), "create -f -")
			// Brokers that are frozen may have got the request, which is told otherwise than that they are away.
			expectWords(t, "a create", r.Stdout+r.Stderr, "created", "Warning: stored, ", "is not reachable: no broker answers")
			expectReadyz(t)
			if err := tc.back(); err != nil {
				t.Fatal(err)
			}
			harness.Eventually(t, 30*time.Second, "the brokers are asked again", func() string {
				r := cluster.Kubectl(t, "", "get kafkatopic orders --subresource=partitions -n "+n)
				return r.Stderr
			})
		})
	}
}

// expectReadyz checks the aggregated server as kube-apiserver and its own probes see it.
func expectReadyz(t *testing.T) {
	t.Helper()
	service, err := cluster.Aggregation.ApiregistrationV1().APIServices().Get(t.Context(), "v1beta1.kafka.openshift.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, condition := range service.Status.Conditions {
		if condition.Type == "Available" && condition.Status != "True" {
			t.Errorf("the group is not available: %s", condition.Message)
		}
	}
	code, body := cluster.Server.Readyz(t)
	if code != 200 {
		t.Errorf("readyz answers %d: %s", code, body)
	}
}

func TestANamespaceWithTopicsGoesWhileKafkaIsDown(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	n, tenant := cluster.Namespace(t), cluster.Namespace(t)
	newKafka(t, n, kafka)
	const topics = 200
	names := make([]string, topics)
	var creating sync.WaitGroup
	for worker := range 10 {
		creating.Go(func() {
			for i := worker; i < topics; i += 10 {
				topic := newTopic(tenant, fmt.Sprintf("orders-%d", i))
				topic.Spec.ClusterRef.Namespace = n
				created, err := cluster.Client.KafkaV1beta1().KafkaTopics(tenant).Create(t.Context(), topic, metav1.CreateOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				names[i] = created.Status.TopicName
			}
		})
	}
	creating.Wait()
	kept := newTopic(tenant, "kept")
	kept.Spec.ClusterRef.Namespace, kept.Spec.DeletionPolicy = n, v1beta1.TopicRetain
	mustCreate(t, kept)
	before, err := topicIDs(t, kafka)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < topics+1 {
		t.Fatalf("the brokers have %d topics", len(before))
	}
	if err := kafka.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Kubernetes.CoreV1().Namespaces().Delete(t.Context(), tenant, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 30*time.Second, "the namespace is gone", func() string {
		namespace, err := cluster.Kubernetes.CoreV1().Namespaces().Get(t.Context(), tenant, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint(err, namespace.Status)
	})
	if err := kafka.Broker(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 60*time.Second, "the topics are deleted", func() string {
		left, err := topicIDs(t, kafka)
		if err != nil {
			return err.Error() // the tool fails over a topic that goes while it looks
		}
		for _, name := range names {
			if left[name] != "" {
				return "the brokers still have " + name
			}
		}
		if name := tenant + ".kept"; left[name] != before[name] {
			t.Fatalf("the retained topic was %s and is %q", before[name], left[name])
		}
		return ""
	})
}

// topicIDs asks Kafka's own tool for all topics.
func topicIDs(t *testing.T, kafka *kafkaproc.Cluster) (map[string]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := kafka.Tool(ctx, topicCommand, "--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), "--describe")
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var name, id string
		for field := range strings.SplitSeq(line, "\t") {
			if value, ok := strings.CutPrefix(field, "Topic: "); ok {
				name = value
			}
			if value, ok := strings.CutPrefix(field, "TopicId: "); ok {
				id = value
			}
		}
		if id != "" {
			ids[name] = id
		}
	}
	return ids, nil
}

// Also with the Kafka in the same namespace, whichever goes first.
func TestANamespaceGoesWithItsKafka(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	if _, err := cluster.Client.KafkaV1beta1().Kafkas(n).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"127.0.0.1:1"}}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		mustCreate(t, newTopic(n, fmt.Sprintf("orders-%d", i)))
	}
	if err := cluster.Kubernetes.CoreV1().Namespaces().Delete(t.Context(), n, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 30*time.Second, "the namespace is gone", func() string {
		if _, err := cluster.Kubernetes.CoreV1().Namespaces().Get(t.Context(), n, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Sprint(err)
		}
		return ""
	})
}
