//go:build integration

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The topic plane on Kafka 3.9 with ZooKeeper is the same.
func TestTopicsOnZooKeeper(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.ZooKeeper)
	kubectl(t, topicManifest(n, "orders", n+".orders", `"partitions":2,"replicas":1,"config":{"retention.ms":"1000"}`), "create -f -")
	out := topicTool(t, cluster.ZooKeeper, "--describe --topic "+n+".orders")
	expectWords(t, "the brokers' topic", out, "PartitionCount: 2", "retention.ms=1000")
	kubectl(t, "", "scale kafkatopic/orders --replicas=4 -n "+n)
	kubectl(t, "", `patch kafkatopic orders --type=merge -p {"spec":{"config":{"retention.ms":null,"max.message.bytes":"2000"}}} -n `+n)
	out = topicTool(t, cluster.ZooKeeper, "--describe --topic "+n+".orders")
	expectWords(t, "the brokers' topic", out, "PartitionCount: 4", "max.message.bytes=2000")
	if strings.Contains(out, "retention.ms") {
		t.Errorf("a setting that was taken away is there: %s", out)
	}
	out = kubectl(t, "", "get kafkatopic orders --subresource=partitions --no-headers -n "+n)
	if lines := strings.Count(out, "\n"); lines != 4 {
		t.Errorf("partitions are printed as\n%s", out)
	}
	out = kubectl(t, "", "get kafka my-cluster --subresource=brokers -n "+n)
	expectWords(t, "brokers", out, "broker,controller", "3.9")
	refused(t, topicManifest(n, "bad", n+".bad", `"partitions":1,"replicas":2`), "create -f -", 422, "spec.replicas")
	refused(t, topicManifest(n, "bad", n+".bad", oneOfEach+`,"config":{"retention.hours":"1"}`), "create -f -", 422, "spec.config", "retention.hours")
	refused(t, "", "scale kafkatopic/orders --replicas=2 -n "+n, 422, "4 partitions")
	kubectl(t, "", "delete kafkatopic orders -n "+n)
	if out := topicTool(t, cluster.ZooKeeper, "--list"); strings.Contains(out, n) {
		t.Errorf("after the delete the brokers have %s", out)
	}
}

// In ZooKeeper mode a controller has the brokers delete the replicas of a topic after it has said that it is deleted, and its name is taken
// until then.
func TestReplaceByForceOnZooKeeper(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.ZooKeeper)
	manifest := topicManifest(n, "orders", n+".orders", `"partitions":12,"replicas":1`)
	kubectl(t, manifest, "create -f -")
	id := kubectl(t, "", "get kafkatopic orders -o jsonpath={.status.topicID} -n "+n)
	for range 4 {
		former := id
		kubectl(t, manifest, "replace --force -f -")
		kubectl(t, "", "wait kafkatopic/orders --for=condition=Ready --timeout=10s -n "+n)
		if id = kubectl(t, "", "get kafkatopic orders -o jsonpath={.status.topicID} -n "+n); id == "" || id == former {
			t.Errorf("the topic's id was %q and is %q", former, id)
		}
		expectWords(t, "the brokers' topic", topicTool(t, cluster.ZooKeeper, "--describe --topic "+n+".orders"), "TopicId: "+id, "PartitionCount: 12")
	}
}

// One process without any Kubernetes: API server, embedded etcd and the controllers that need none.
func TestStandalone(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	start := func() *harness.Process {
		return cluster.StartStandalone(t, filepath.Join(dir, "data"), kubeconfig, kafka.Bootstrap())
	}
	run := func(stdin, line string) string {
		t.Helper()
		r := cluster.KubectlOf(t, kubeconfig, stdin, line)
		if r.ExitCode != 0 {
			t.Fatalf("kubectl %s: exit code %d\n%s%s", line, r.ExitCode, r.Stdout, r.Stderr)
		}
		return r.Stdout
	}
	process := start()
	run("", "wait kafka/local --for=condition=Ready --timeout=30s")
	topic := func(name string) string {
		return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":%q,"namespace":"anywhere"},
			"spec":{"clusterRef":{"name":"local","namespace":"default"},"partitions":3,"replicas":1}}`, name)
	}
	run(topic("orders"), "create -f -")
	run("", "scale kafkatopic/orders --replicas=12 -n anywhere")
	expectWords(t, "the brokers' topic", topicTool(t, kafka, "--describe --topic anywhere.orders"), "PartitionCount: 12")
	expectWords(t, "explain", run("", "explain kafkatopic.spec"), "clusterRef")
	r := cluster.KubectlOf(t, kubeconfig, "", "scale kafkatopic/orders --replicas=6 -n anywhere")
	expectRefused(t, "scale", r, 422, "12 partitions")

	// What is stored while the brokers are away is carried out when they are back, and a restart loses nothing.
	if err := kafka.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}
	run(topic("later"), "create -f -")
	expectReason := func(want string) {
		t.Helper()
		harness.Eventually(t, 30*time.Second, "the topic says "+want, func() string {
			reason := run("", "get kafkatopic later -n anywhere -o jsonpath={.status.conditions[?(@.type=='Ready')].reason}")
			return strings.TrimPrefix(reason, want)
		})
	}
	expectReason("ClusterUnreachable")
	if err := process.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code := process.ExitCode(); code != 0 {
		t.Errorf("it ended with exit code %d:\n%s", code, process.Tail())
	}
	if err := kafka.Broker(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	start()
	run("", "wait kafkatopic/later -n anywhere --for=condition=Ready --timeout=60s")
	expectWords(t, "the brokers' list", topicTool(t, kafka, "--list"), "anywhere.later", "anywhere.orders")
	run("", "delete kafkatopic --all -n anywhere")
	harness.Eventually(t, 30*time.Second, "the topics go", func() string {
		if out := topicTool(t, kafka, "--list"); strings.Contains(out, "anywhere.") {
			return "the brokers have " + out
		}
		return ""
	})
}
