//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

// TestRecordsSurvive writes 1,000 records with acks=all, takes away every part once, and reads them all back.
func TestRecordsSurvive(t *testing.T) {
	startTools(t)
	const cluster, server = "durable", "durable-bootstrap.default.svc:9092"
	harness.Remove(t, harness.Made{Kafkas: []string{cluster}})
	kubectlWith(t, kraft(cluster, 3), "create -f -")
	kubectl(t, "wait kafka/durable --for=condition=Ready --timeout=3m")
	kubectlWith(t, topic("ledger", cluster, 6, 3), "create -f -")
	records := numbered(1000)
	produce(t, server, "ledger", records)
	id, ids := field(t, "kafkas/durable", ".status.clusterID"), brokerIDs(t, cluster)

	t.Run("a broker pod is deleted", func(t *testing.T) {
		deletePod(t, "default", "durable-kafka-0")
		inSync(t, server, "ledger")
		sameRecords(t, consume(t, server, "ledger", len(records)), records)
	})
	t.Run("a setting changes under load", func(t *testing.T) {
		kubectlWith(t, topic("load", cluster, 1, 3), "create -f -")
		before := podUIDs(t, cluster)
		l := startLoad(t, server, "load")
		kubectl(t, `patch kafka/durable --type=merge -p {"spec":{"brokers":{"config":{"num.io.threads":"9"}}}}`)
		rolled(t, cluster, before)
		l.stop(t)
		for id := range 3 {
			if out := tool(t, "", "kafka-configs.sh", "--bootstrap-server", server, "--describe", "--all", "--broker", fmt.Sprint(id)); !strings.Contains(out, "num.io.threads=9 ") {
				t.Errorf("broker %d does not have it", id)
			}
		}
		sameRecords(t, consume(t, server, "ledger", len(records)), records)
	})
	t.Run("the controllers' pods are deleted", func(t *testing.T) {
		kubectl(t, "delete pods --namespace kafka-system -l app.kubernetes.io/name=kafka-controllers --wait")
		kubectl(t, "rollout status --namespace kafka-system deployment/kafka-controllers --timeout=2m")
		sameRecords(t, consume(t, server, "ledger", len(records)), records)
	})
	t.Run("the API server and its etcd are restarted", func(t *testing.T) {
		deletePod(t, "kafka-system", "kafka-apiserver-0")
		kubectl(t, "wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout=2m")
		sameRecords(t, consume(t, server, "ledger", len(records)), records)
	})

	kubectl(t, "wait kafka/durable --for=condition=Ready --timeout=2m")
	if now := field(t, "kafkas/durable", ".status.clusterID"); now != id {
		t.Errorf("the cluster id was %s and is %s", id, now)
	}
	if now := brokerIDs(t, cluster); now != ids || ids != "0 1 2" {
		t.Errorf("the broker ids were %s and are %s", ids, now)
	}
}

// podUIDs are the uids of a cluster's pods by name.
func podUIDs(t *testing.T, cluster string) map[string]string {
	t.Helper()
	uids := map[string]string{}
	out := kubectl(t, "get pods --no-headers -l kafka.openshift.io/cluster="+cluster+" -o custom-columns=:metadata.name,:metadata.uid")
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 2 {
			uids[fields[0]] = fields[1]
		}
	}
	return uids
}

// rolled waits until all pods of a cluster are others than before, and its roll is over.
func rolled(t *testing.T, cluster string, before map[string]string) {
	t.Helper()
	eventually(t, 8*time.Minute, cluster+" is rolled", func() string {
		for name, uid := range podUIDs(t, cluster) {
			if before[name] == uid {
				return name + " is the pod that it was: " + field(t, "kafkas/"+cluster, ".status.roll")
			}
		}
		return field(t, "kafkas/"+cluster, ".status.roll")
	})
	kubectl(t, "wait kafka/"+cluster+" --for=condition=Ready --timeout=1m")
}

// deletePod deletes a pod and waits until its successor is ready: the old one says that it is until it is gone.
func deletePod(t *testing.T, namespace, name string) {
	t.Helper()
	pod := "pod/" + name + " --namespace " + namespace
	before := field(t, pod, ".metadata.uid")
	kubectl(t, "delete --wait=false "+pod)
	eventually(t, 3*time.Minute, name+" is replaced and ready", func() string {
		r := run(t, "", "kubectl", "get", "pod", name, "--namespace", namespace, "-o",
			`jsonpath={.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}`)
		uid, ready, _ := strings.Cut(r.Stdout, " ")
		if r.Code != 0 || uid == before || ready != "True" {
			return r.Stdout + r.Stderr
		}
		return ""
	})
}

// inSync waits until every replica of a topic is in sync.
func inSync(t *testing.T, server, topic string) {
	t.Helper()
	eventually(t, 2*time.Minute, topic+" is in sync", func() string {
		return tool(t, "", "kafka-topics.sh", "--bootstrap-server", server, "--describe", "--topic", topic, "--under-replicated-partitions")
	})
}

func brokerIDs(t *testing.T, cluster string) string {
	t.Helper()
	return kubectl(t, "get kafkas "+cluster+" --subresource=brokers -o jsonpath={.brokers[*].id}")
}

// kraft is a small cluster of combined nodes.
func kraft(name string, replicas int) string {
	return fmt.Sprintf(`
apiVersion: kafka.openshift.io/v1beta1
kind: Kafka
metadata: {name: %s}
spec:
  version: 4.3.1
  brokers:
    replicas: %d
    storage: {type: PersistentClaim, size: 1Gi}
    resources: {requests: {cpu: 50m, memory: 512Mi}, limits: {memory: 1Gi}}
    jvm: {heap: 400Mi, options: ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]}
`, name, replicas)
}
