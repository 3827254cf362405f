//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The topic lines of the quick start, as typed; Kafka's own tool confirms what the brokers have.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	content, err := os.ReadFile(filepath.Join(cluster.Root, "artifacts", "examples", "kafkatopic.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Its namespace is another one here, and so is its name on the brokers, which all tests share.
	topic := n + ".orders"
	manifest := strings.ReplaceAll(string(content), "namespace: default", "namespace: "+n) + "  topicName: " + topic + "\n"
	kubectl(t, manifest, "create -f -")
	if out := topicTool(t, cluster.Kafka, "--describe --topic "+topic); !strings.Contains(out, "PartitionCount: 3") || !strings.Contains(out, "ReplicationFactor: 3") {
		t.Errorf("the brokers have %s", out)
	}
	kubectl(t, "", "wait kafkatopic/orders --for=condition=Ready --timeout=10s -n "+n)
	out := kubectl(t, "", "get kafkas,kafkatopics -n "+n)
	expectWords(t, "get", out, "kafka.kafka.openshift.io/my-cluster", "External", "kafkatopic.kafka.openshift.io/orders", "PARTITIONS")
	out = kubectl(t, "", "get kafkatopics -o wide -n "+n)
	expectWords(t, "get -o wide", out, "NAME", "CLUSTER", "PARTITIONS", "REPLICAS", "READY", "AGE", "TOPIC", topic, "True")
	out = kubectl(t, "", "explain kafkatopic.spec")
	expectWords(t, "explain", out, "GROUP:      kafka.openshift.io", "clusterRef names the Kafka that hosts the topic", "-required-", "partitions")

	kubectl(t, "", "scale kafkatopic/orders --replicas=12 -n "+n)
	if out := topicTool(t, cluster.Kafka, "--describe --topic "+topic); !strings.Contains(out, "PartitionCount: 12") {
		t.Errorf("after the scale the brokers have %s", out)
	}
	out = kubectl(t, "", "get kafkatopic orders --subresource=partitions -n "+n)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if fields := strings.Fields(lines[0]); strings.Join(fields, " ") != "PARTITION LEADER REPLICAS ISR OFFLINE START END" || len(lines) != 13 {
		t.Errorf("partitions are printed as\n%s", out)
	}
	refused(t, "", "scale kafkatopic/orders --replicas=6 -n "+n, 422, "12 partitions", "only grow")
	out = kubectl(t, "", "get kafka my-cluster --subresource=brokers -n "+n)
	expectWords(t, "brokers", out, "ID", "ROLES", "broker,controller", "leader", "4.3", cluster.Kafka.Bootstrap()[0])
	refused(t, "", "get kafka my-cluster --subresource=scale -n "+n, 422, "spec.external", "have no scale")
	kubectl(t, "", "delete kafkatopic orders -n "+n)
	if out := topicTool(t, cluster.Kafka, "--list"); strings.Contains(out, topic) {
		t.Errorf("after the delete the brokers have %s", out)
	}
}

// Everything else that kubectl does with an object.
func TestKubectlVerbs(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	manifest := func(partitions int, retention string) string {
		return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders","namespace":%q},
			"spec":{"clusterRef":{"name":"my-cluster"},"topicName":%q,"partitions":%d,"replicas":1,"config":{"retention.ms":%q}}}`, n, n+".orders", partitions, retention)
	}
	kubectl(t, manifest(1, "1000"), "create --dry-run=server -f -")
	if out := topicTool(t, cluster.Kafka, "--list"); strings.Contains(out, n) {
		t.Errorf("a dry run left %s", out)
	}
	kubectl(t, manifest(1, "1000"), "apply -f -")
	kubectl(t, manifest(2, "2000"), "apply -f -")
	kubectl(t, manifest(2, "3000"), "apply --server-side --force-conflicts -f -")
	if r := cluster.Kubectl(t, manifest(2, "4000"), "diff -f -"); r.ExitCode != 1 || !strings.Contains(r.Stdout, "4000") {
		t.Errorf("diff ends with %d: %s%s", r.ExitCode, r.Stdout, r.Stderr)
	}
	out := topicTool(t, cluster.Kafka, "--describe --topic "+n+".orders")
	expectWords(t, "the brokers' topic", out, "PartitionCount: 2", "retention.ms=3000")
	kubectl(t, "", `patch kafkatopic orders --type=merge -p {"spec":{"partitions":3}} -n `+n)
	kubectl(t, "", "label kafkatopic orders team=a -n "+n)
	out = kubectl(t, "", "get kfkt -l team=a --field-selector spec.clusterRef.name=my-cluster -o name -n "+n)
	expectWords(t, "get by short name, label and field", out, "kafkatopic.kafka.openshift.io/orders")
	out = kubectl(t, "", "get kafka-all -o name -n "+n)
	expectWords(t, "the category", out, "kafka.kafka.openshift.io/my-cluster", "kafkatopic.kafka.openshift.io/orders")
	out = kubectl(t, "", "describe kafkatopic orders -n "+n)
	expectWords(t, "describe", out, "Topic ID:", "Ready")
	kubectl(t, "", "delete kfkt --all -n "+n)
	if out := kubectl(t, "", "get kfkt -o name -n "+n); out != "" {
		t.Errorf("after the delete there is %s", out)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	out := kubectl(t, "", "api-resources --api-group=kafka.openshift.io -o wide")
	for _, want := range []string{
		"kafkas kfk kafka.openshift.io/v1beta1 true Kafka create,delete,deletecollection,get,list,patch,update,watch kafka-all,all",
		"kafkatopics kfkt kafka.openshift.io/v1beta1 true KafkaTopic create,delete,deletecollection,get,list,patch,update,watch kafka-all",
	} {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("api-resources does not list %q:\n%s", want, out)
		}
	}
	out = kubectl(t, "", "explain kafka.spec.brokers.storage --recursive")
	expectWords(t, "explain", out, "size", "class", "type")
	out = kubectl(t, "", "get --raw /apis/kafka.openshift.io/v1beta1")
	expectWords(t, "discovery", out, `"kafkas/brokers"`, `"kafkatopics/partitions"`, `"kind":"Scale"`, `"group":"autoscaling"`)
}
