//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

// quiet is how long nothing may touch a cluster whose Kafka cannot be read: the garbage collector resyncs well within.
const quiet = 3 * time.Minute

// TestEmptiedStorage empties the API server's etcd under a running cluster. Its file comes last, since it leaves the API
// server with a new storage.
func TestEmptiedStorage(t *testing.T) {
	startTools(t)
	const cluster, server = "survivor", "survivor-bootstrap.default.svc:9092"
	harness.Remove(t, harness.Made{Kafkas: []string{cluster, "scratch"}})
	kubectlWith(t, kraft(cluster, 3), "create -f -")
	kubectl(t, "wait kafka/survivor --for=condition=Ready --timeout=3m")
	kubectlWith(t, topic("memory", cluster, 3, 3), "create -f -")
	records := numbered(100)
	produce(t, server, "memory", records)
	id := field(t, "kafkas/survivor", ".status.clusterID")
	owned := identities(t, cluster)
	// Nobody creates this one again.
	kubectl(t, "create -f "+examples+"kafka-ephemeral.yaml")
	kubectl(t, "wait kafka/scratch --for=condition=Ready --timeout=2m")
	bystander := field(t, "pod/scratch-kafka-0", ".metadata.uid")

	t.Cleanup(func() { serveAgain(t) })
	kubectl(t, "scale statefulset/kafka-apiserver --namespace kafka-system --replicas=0")
	kubectl(t, "wait pod/kafka-apiserver-0 --namespace kafka-system --for=delete --timeout=2m")
	kubectl(t, "delete pvc/data-kafka-apiserver-0 --namespace kafka-system")
	kubectl(t, "scale statefulset/kafka-apiserver --namespace kafka-system --replicas=1")
	eventually(t, 2*time.Minute, "the API server runs on an empty storage", func() string {
		r := run(t, "", "kubectl", "get", "pod", "kafka-apiserver-0", "--namespace", "kafka-system", "-o", "jsonpath={.status.phase}")
		if r.Stdout != "Running" {
			return r.Stdout + r.Stderr
		}
		return ""
	})

	deadline := time.Now().Add(quiet)
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for time.Now().Before(deadline) {
		// 503 whatever is asked: "not found" would be an order to delete.
		kubectlFails(t, "", "get --raw /apis/kafka.openshift.io/v1beta1/namespaces/default/kafkas/survivor", "ServiceUnavailable")
		kubectlFails(t, "", "get --raw /apis/kafka.openshift.io/v1beta1/kafkas", "ServiceUnavailable")
		if now := identities(t, cluster); now != owned {
			t.Fatalf("the cluster was touched; it was\n%s\nand is\n%s", owned, now)
		}
		<-ticker.C
	}

	// An administrator who has lost the storage for good says so by deleting its identity, and creates the objects
	// again. They take over what runs, and the server serves them without a restart.
	kubectl(t, "delete configmap/kafka-apiserver-storage --namespace kafka-system")
	kubectl(t, "rollout status statefulset/kafka-apiserver --namespace kafka-system --timeout=2m")
	kubectl(t, "wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout=2m")
	kubectlWith(t, kraft(cluster, 3), "create -f -")
	kubectl(t, "wait kafka/survivor --for=condition=Ready --timeout=3m")
	if now := identities(t, cluster); now != owned {
		t.Errorf("taking over replaced something; it was\n%s\nand is\n%s", owned, now)
	}
	if now := field(t, "kafkas/survivor", ".status.clusterID"); now != id {
		t.Errorf("the cluster id was %s and is %s", id, now)
	}
	kubectlWith(t, topic("memory", cluster, 3, 3), "create -f -")
	sameRecords(t, consume(t, server, "memory", len(records)), records)

	// A cluster whose object was lost with the storage is kept until somebody decides: its object, created again, takes
	// it over, and can then be deleted, as everything is when a test ends.
	if now := field(t, "pod/scratch-kafka-0", ".metadata.uid"); now != bystander {
		t.Errorf("the pod of a Kafka that nobody deleted was %s and is %s", bystander, now)
	}
	kubectl(t, "create -f "+examples+"kafka-ephemeral.yaml")
	kubectl(t, "wait kafka/scratch --for=condition=Ready --timeout=2m")
	if now := field(t, "pod/scratch-kafka-0", ".metadata.uid"); now != bystander {
		t.Errorf("taking over replaced the pod %s by %s", bystander, now)
	}
}

// serveAgain has the API server serve after a test that failed while its storage was away, or was another than before.
func serveAgain(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	// The test's own context has ended.
	kubectl := func(line string) harness.Result {
		return runIn(context.Background(), t, "", "kubectl", strings.Fields(line)...)
	}
	const available = "wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout="
	kubectl("scale statefulset/kafka-apiserver --namespace kafka-system --replicas=1")
	if kubectl(available+"1m").Code == 0 {
		return
	}
	kubectl("delete configmap/kafka-apiserver-storage --namespace kafka-system --ignore-not-found")
	if r := kubectl(available + "2m"); r.Code != 0 {
		t.Errorf("the API server does not serve: %s%s", r.Stdout, r.Stderr)
	}
}

// identities are the UIDs of all that a cluster consists of.
func identities(t *testing.T, cluster string) string {
	t.Helper()
	out := kubectl(t, "get statefulsets,pods,services,persistentvolumeclaims -l kafka.openshift.io/cluster="+cluster+
		" -o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid --no-headers")
	if strings.Count(out, "\n") < 8 {
		t.Fatalf("the cluster is not whole:\n%s", out)
	}
	return out
}
