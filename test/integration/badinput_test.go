//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// kafkaManifest is a Kafka that is run here, with a spec.
func kafkaManifest(namespace, name, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":%q,"namespace":%q},"spec":%s}`, name, namespace, spec)
}

// topicManifest is a KafkaTopic, with a spec besides its clusterRef and topicName.
func topicManifest(namespace, name, topic, spec string) string {
	return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":%q,"namespace":%q},
		"spec":{"clusterRef":{"name":"my-cluster"},"topicName":%q,%s}}`, name, namespace, topic, spec)
}

const (
	claims    = `"storage":{"size":"1Gi"}`
	brokers   = `"brokers":{"replicas":3,` + claims + `}`
	oneOfEach = `"partitions":1,"replicas":1`
)

func TestBadInputOfAKafka(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	for _, tc := range []struct {
		name, spec string
		words      []string
	}{
		{"unknown version", `{"version":"2.8.0",` + brokers + `}`, []string{"spec.version", "3.9.2", "4.3.1"}},
		{"ZooKeeper with 4.x", `{"version":"4.3.1",` + brokers + `,"zookeeper":{` + claims + `}}`, []string{"spec.zookeeper", "3.9.2"}},
		{"ZooKeeper and controllers", `{"version":"3.9.2",` + brokers + `,"zookeeper":{` + claims + `},"controllers":{` + claims + `}}`, []string{"spec.controllers", "zookeeper or controllers"}},
		{"an even quorum", `{` + brokers + `,"controllers":{"replicas":2,` + claims + `}}`, []string{"spec.controllers.replicas", "1, 3 or 5"}},
		{"no quorum", `{` + brokers + `,"controllers":{"replicas":0,` + claims + `}}`, []string{"spec.controllers.replicas", "1, 3 or 5"}},
		{"an even ensemble", `{` + brokers + `,"zookeeper":{"replicas":4,` + claims + `}}`, []string{"spec.zookeeper.replicas", "1, 3 or 5"}},
		{"no brokers", `{"brokers":{"replicas":0,` + claims + `}}`, []string{"spec.brokers.replicas", "from 1 to 1000"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, kafkaManifest(n, "bad", tc.spec), "create -f -", 422, tc.words...)
		})
	}
	kubectl(t, kafkaManifest(n, "good", `{`+brokers+`}`), "create -f -")
	for _, tc := range []struct {
		name, patch string
		words       []string
	}{
		{"a smaller claim", `{"spec":{"brokers":{"storage":{"size":"1Mi"}}}}`, []string{"spec.brokers.storage.size", "1Gi"}},
		{"another type of storage", `{"spec":{"brokers":{"storage":{"type":"Ephemeral"}}}}`, []string{"spec.brokers.storage.type", "immutable"}},
		{"another class", `{"spec":{"brokers":{"storage":{"class":"fast"}}}}`, []string{"spec.brokers.storage.class", "immutable"}},
		{"another mode", `{"spec":{"controllers":{` + claims + `}}}`, []string{"spec.controllers", "mode"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, "", "patch kafka good --type=merge -n "+n+" -p "+tc.patch, 422, tc.words...)
		})
	}
	refused(t, "", "get kafkas --field-selector spec.version=4.3.1 -n "+n, 400, "not supported", "metadata.name")
	if out := kubectl(t, "", "get kafkas -o name -n "+n); out != "kafka.kafka.openshift.io/good\n" {
		t.Errorf("there are %s", out)
	}
}

func TestBadInputOfATopic(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	for _, tc := range []struct {
		name, manifest string
		code           int
		words          []string
	}{
		{"more replicas than brokers", topicManifest(n, "bad", n+".bad", `"partitions":1,"replicas":4`), 422, []string{"spec.replicas", "only 3 broker(s) are registered"}},
		{"no partitions", topicManifest(n, "bad", n+".bad", `"partitions":0`), 422, []string{"spec.partitions", "at least 1 partition"}},
		{"a long name", topicManifest(n, "bad", strings.Repeat("a", 250), oneOfEach), 422, []string{"spec.topicName", "at most 249 characters"}},
		{"a name with other characters", topicManifest(n, "bad", "a/b", oneOfEach), 422, []string{"spec.topicName", "ASCII letters"}},
		{"the name .", topicManifest(n, ".", "", oneOfEach), 422, []string{"metadata.name"}},
		{"the name ..", topicManifest(n, "..", "", oneOfEach), 422, []string{"metadata.name"}},
		{"an internal topic", topicManifest(n, "__consumer_offsets", "", oneOfEach), 422, []string{"internal topics"}},
		{"an internal topic by another name", topicManifest(n, "bad", "__cluster_metadata", oneOfEach), 422, []string{"internal topics"}},
		{"an unknown setting", topicManifest(n, "bad", n+".bad", oneOfEach+`,"config":{"retention.hours":"1"}`), 422, []string{"spec.config", "Unknown topic config name: retention.hours"}},
		{"a wrong value", topicManifest(n, "bad", n+".bad", oneOfEach+`,"config":{"retention.ms":"soon"}`), 422, []string{"spec.config", "Invalid value soon for configuration retention.ms"}},
		{"a Kafka that does not exist", strings.Replace(topicManifest(n, "bad", "", oneOfEach), "my-cluster", "no-such", 1), 422, []string{"spec.clusterRef.name", "no-such"}},
		{"a namespace that does not exist", topicManifest("no-such", "bad", "", oneOfEach), 404, []string{"no-such"}},
		{"a field that does not exist", topicManifest(n, "bad", n+".bad", `"partition":1`), 400, []string{`unknown field "spec.partition"`}},
	} {
		t.Run(tc.name, func(t *testing.T) { refused(t, tc.manifest, "create -f -", tc.code, tc.words...) })
	}
	kubectl(t, topicManifest(n, "orders", n+".or_ders", `"partitions":2,"replicas":1`), "create -f -")
	refused(t, topicManifest(n, "orders", n+".or_ders", oneOfEach), "create -f -", 409, "already exists")
	refused(t, topicManifest(n, "bad", n+".or_ders", oneOfEach), "create -f -", 422, "spec.topicName", "Duplicate value", "managed by")
	refused(t, topicManifest(n, "bad", n+".or.ders", oneOfEach), "create -f -", 422, "spec.topicName", "Duplicate value", "collides")
	for _, tc := range []struct {
		name, patch string
		words       []string
	}{
		{"another Kafka", `{"spec":{"clusterRef":{"name":"other"}}}`, []string{"spec.clusterRef.name", "immutable"}},
		{"another topic", `{"spec":{"topicName":"other"}}`, []string{"spec.topicName", "immutable"}},
		{"fewer partitions", `{"spec":{"partitions":1}}`, []string{"spec.partitions", "2 partitions", "only grow"}},
		{"an unknown setting of a topic", `{"spec":{"config":{"retention.hours":"1"}}}`, []string{"spec.config", "retention.hours"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, "", "patch kafkatopic orders --type=merge -n "+n+" -p "+tc.patch, 422, tc.words...)
		})
	}
	refused(t, "", "get kafkatopics --field-selector status.topicID=x -n "+n, 400, "not supported", "spec.clusterRef.name")
	if out := kubectl(t, "", "get kafkatopics -o name -n "+n); out != "kafkatopic.kafka.openshift.io/orders\n" {
		t.Errorf("there are %s", out)
	}
	out := topicTool(t, cluster.Kafka, "--list")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, n+".") && strings.TrimSpace(line) != n+".or_ders" {
			t.Errorf("the brokers have %s", line)
		}
	}
}

func TestBadInputOfSubresources(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	kubectl(t, topicManifest(n, "orders", n+".orders", `"partitions":2,"replicas":2`), "create -f -")
	path := "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkatopics/orders"
	scale := func(name, version string) string {
		return fmt.Sprintf(`{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":%q,"namespace":%q,"resourceVersion":%q},"spec":{"replicas":5}}`, name, n, version)
	}
	partitions := func(name, version, spec string) string {
		return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicPartitions","metadata":{"name":%q,"namespace":%q,"resourceVersion":%q},"spec":{"partitions":%s}}`, name, n, version, spec)
	}
	for _, tc := range []struct {
		name, subresource, body string
		code                    int
		words                   []string
	}{
		{"a Scale for another name", "/scale", scale("other", ""), 400, []string{"other"}},
		{"a stale Scale", "/scale", scale("orders", "1"), 409, []string{"modified"}},
		{"partitions for another name", "/partitions", partitions("other", "", `[{"partition":0,"replicas":[0,1]},{"partition":1,"replicas":[0,1]}]`), 400, []string{"other"}},
		{"stale partitions", "/partitions", partitions("orders", "1", `[{"partition":0,"replicas":[0,1]},{"partition":1,"replicas":[0,1]}]`), 409, []string{"modified"}},
		{"partitions with a gap", "/partitions", partitions("orders", "", `[{"partition":0,"replicas":[0,1]},{"partition":2,"replicas":[0,1]}]`), 422, []string{"without gaps"}},
		{"fewer partitions", "/partitions", partitions("orders", "", `[{"partition":0,"replicas":[0,1]}]`), 422, []string{"only grow"}},
		{"partitions on a broker that does not exist", "/partitions", partitions("orders", "", `[{"partition":0,"replicas":[0,9]},{"partition":1,"replicas":[0,1]}]`), 422, []string{"brokers [0 1 2]"}},
		{"a topic for another name", "", topicManifest(n, "other", n+".orders", oneOfEach), 400, []string{"other"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			refused(t, tc.body, "replace --raw "+path+tc.subresource+" -f -", tc.code, tc.words...)
		})
	}
	if out := topicTool(t, cluster.Kafka, "--describe --topic "+n+".orders"); !strings.Contains(out, "PartitionCount: 2") {
		t.Errorf("the brokers have %s", out)
	}
}

// What the brokers were told through /partitions is where the partitions are in the end.
func TestPlacement(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	kubectl(t, topicManifest(n, "orders", n+".orders", `"partitions":1,"replicas":2`), "create -f -")
	topics := cluster.Client.KafkaV1beta1().KafkaTopics(n)
	view, err := topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other := int32(3) - view.Spec.Partitions[0].Replicas[0] - view.Spec.Partitions[0].Replicas[1]
	moved := []int32{other, view.Spec.Partitions[0].Replicas[0]}
	view.Spec.Partitions[0].Replicas = moved
	view.Spec.Partitions = append(view.Spec.Partitions, view.Spec.Partitions[0])
	view.Spec.Partitions[1].Partition, view.Spec.Partitions[1].Replicas = 1, []int32{2, 0}
	if _, err := topics.UpdatePartitions(t.Context(), "orders", view, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The leader follows later, when the brokers balance.
	want := []string{fmt.Sprintf("Replicas: %d,%d\t", moved[0], moved[1]), "Replicas: 2,0\t"}
	harness.Eventually(t, 40*time.Second, "the replicas move", func() string {
		out := topicTool(t, cluster.Kafka, "--describe --topic "+n+".orders")
		if strings.Contains(out, want[0]) && strings.Contains(out, want[1]) {
			return ""
		}
		return fmt.Sprintf("the brokers have\n%swant %q", out, want)
	})
}
