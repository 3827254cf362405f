//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

const reassignTimeout = 2 * time.Minute

// TestZooKeeper runs a cluster on an ensemble: everything that it made goes with its object, and the claims stay.
func TestZooKeeper(t *testing.T) {
	t.Parallel()
	startTools(t)
	harness.Remove(t, harness.Made{Kafkas: []string{"legacy"}})
	const legacy = "legacy-bootstrap.default.svc:9092"
	kubectl(t, "create -f "+examples+"kafka-zookeeper.yaml")
	kubectl(t, "wait kafka/legacy --for=condition=Ready --timeout=4m")
	kubectlWith(t, topic("invoices", "legacy", 3, 3), "create -f -")
	if out := describeTopic(t, legacy, "invoices"); !strings.Contains(out, "PartitionCount: 3") {
		t.Errorf("the brokers say:\n%s", out)
	}
	id := field(t, "kafkas/legacy", ".status.clusterID")
	if id == "" {
		t.Error("the cluster has no id")
	}
	records := numbered(100)
	produce(t, legacy, "invoices", records)

	kubectl(t, "delete kafka/legacy")
	eventually(t, 3*time.Minute, "everything the cluster made goes", func() string {
		return kubectl(t, "get statefulsets,services,configmaps,poddisruptionbudgets,pods -l kafka.openshift.io/cluster=legacy -o name")
	})
	claims := kubectl(t, "get persistentvolumeclaims -l kafka.openshift.io/cluster=legacy -o name")
	if n := strings.Count(claims, "\n"); n != 6 {
		t.Errorf("want the claims of 3 members and 3 brokers to stay, got:\n%s", claims)
	}

	// Claims are kept to be used: the same object takes the data up again.
	kubectl(t, "create -f "+examples+"kafka-zookeeper.yaml")
	kubectl(t, "wait kafka/legacy --for=condition=Ready --timeout=4m")
	if again := field(t, "kafkas/legacy", ".status.clusterID"); again != id {
		t.Errorf("the cluster came back as %s, it was %s", again, id)
	}
	sameRecords(t, consume(t, legacy, "invoices", len(records)), records)

	t.Run("members and brokers are rolled", func(t *testing.T) {
		kubectlWith(t, topic("legacy-load", "legacy", 1, 3), "create -f -")
		before := podUIDs(t, "legacy")
		l := startLoad(t, legacy, "legacy-load")
		kubectl(t, `patch kafka/legacy --type=merge -p {"spec":{"zookeeper":{"jvm":{"options":["-XX:+UseSerialGC","-Dchanged=1"]}},"brokers":{"config":{"num.io.threads":"9"}}}}`)
		rolled(t, "legacy", before)
		l.stop(t)
		sameRecords(t, consume(t, legacy, "invoices", len(records)), records)
	})

	kubectl(t, "delete kafkatopic/invoices")
	if out := tool(t, "", "kafka-topics.sh", "--bootstrap-server", legacy, "--list"); strings.Contains(out, "invoices") {
		t.Errorf("the deleted topic is still on the brokers:\n%s", out)
	}
}
