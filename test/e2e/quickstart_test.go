//go:build e2e

package e2e

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

const (
	examples  = "../../artifacts/examples/"
	bootstrap = "my-cluster-bootstrap.default.svc:9092"
)

// TestQuickStart types the README's lines, in their order, and looks at what each did.
func TestQuickStart(t *testing.T) {
	startTools(t)
	harness.Remove(t, harness.Made{Kafkas: []string{"my-cluster"}, Objects: []string{"pod/billing", "hpa/my-cluster"}})
	kubectl(t, "create -f "+examples+"kafka-kraft.yaml")
	kubectl(t, "wait kafka/my-cluster --for=condition=Ready --timeout=3m")
	kubectl(t, "create -f "+examples+"kafkatopic.yaml")
	if out := describeTopic(t, bootstrap, "orders"); !strings.Contains(out, "PartitionCount: 3") || !strings.Contains(out, "ReplicationFactor: 3") {
		t.Errorf("after create the brokers say:\n%s", out)
	}

	t.Run("get", func(t *testing.T) {
		out := kubectl(t, "get kafkas,kafkatopics")
		for _, want := range []string{"kafka.kafka.openshift.io/my-cluster", "KRaftCombined", "3/3", "kafkatopic.kafka.openshift.io/orders"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in:\n%s", want, out)
			}
		}
		if out := kubectl(t, "get kafkatopics -o wide"); !strings.Contains(out, "TOPIC") {
			t.Errorf("no wide columns in:\n%s", out)
		}
		if out := kubectl(t, "explain kafkatopic.spec"); !strings.Contains(out, "partitions is the number of partitions") {
			t.Errorf("explain does not describe the fields:\n%s", out)
		}
	})
	t.Run("scale the topic", func(t *testing.T) {
		kubectl(t, "scale kafkatopic/orders --replicas=12")
		if out := describeTopic(t, bootstrap, "orders"); !strings.Contains(out, "PartitionCount: 12") {
			t.Errorf("after scale the brokers say:\n%s", out)
		}
		out := kubectl(t, "get kafkatopic orders --subresource=partitions")
		if rows := strings.Count(out, "\n"); rows != 13 || !strings.Contains(out, "LEADER") {
			t.Errorf("want a header and 12 rows, got:\n%s", out)
		}
		kubectlFails(t, "", "scale kafkatopic/orders --replicas=6", "has 12 partitions", "only grow")
		if out := describeTopic(t, bootstrap, "orders"); !strings.Contains(out, "PartitionCount: 12") {
			t.Errorf("after the refusal the brokers say:\n%s", out)
		}
	})
	t.Run("produce, tail and lag", func(t *testing.T) {
		const topics = "/apis/kafka.openshift.io/v1beta1/namespaces/default/kafkatopics"
		out := kubectl(t, "create --raw "+topics+"/orders/records -f "+examples+"records.json")
		if strings.Count(out, `"offset":`) != 3 || strings.Contains(out, `"reason":`) {
			t.Errorf("want the offsets of three records, got:\n%s", out)
		}
		out = kubectl(t, "get --raw "+topics+"/orders/log?tail=10")
		for _, want := range []string{`\"item\": \"book\"`, `\"item\": \"pen\"`} {
			if !strings.Contains(out, want) {
				t.Errorf("no %s in the log:\n%s", want, out)
			}
		}
		if records := consume(t, bootstrap, "orders", 3); !slices.Contains(records, `"book",`) {
			t.Errorf("the brokers have %q", records)
		}
		kubectl(t, "run billing --image=apache/kafka:4.3.1 --restart=Never -- /opt/kafka/bin/kafka-console-consumer.sh "+
			"--bootstrap-server my-cluster-bootstrap:9092 --topic orders --group billing --from-beginning --max-messages 2")
		kubectl(t, "wait pod/billing --for=jsonpath={.status.phase}=Succeeded --timeout=1m")
		kubectl(t, "delete pod/billing")
		if out := kubectl(t, "get kafkaconsumergroups"); !strings.Contains(out, "my-cluster.billing") || !strings.Contains(out, "Empty") {
			t.Errorf("the group is not listed:\n%s", out)
		}
		// The same figures as Kafka's own tool has: two of three records are read.
		view := kubectl(t, "get kafkaconsumergroup my-cluster.billing --subresource=offsets")
		if lag := field(t, "kafkaconsumergroups/my-cluster.billing", ".status.lag"); lag != "1" || strings.Count(view, "\n") < 2 {
			t.Errorf("the lag is %q, want 1; a row a partition:\n%s", lag, view)
		}
		if out := tool(t, "", "kafka-consumer-groups.sh", "--bootstrap-server", bootstrap, "--describe", "--group", "billing"); lagOf(out) != 1 {
			t.Errorf("kafka-consumer-groups says:\n%s", out)
		}
	})
	t.Run("scale the cluster", func(t *testing.T) {
		kubectl(t, "scale kafka/my-cluster --replicas=4")
		kubectl(t, "wait kafka/my-cluster --for=jsonpath={.status.brokers.registered}=4 --timeout=2m")
		kubectl(t, "wait kafka/my-cluster --for=condition=Ready --timeout=2m")
		out := tool(t, "", "kafka-broker-api-versions.sh", "--bootstrap-server", bootstrap)
		if !strings.Contains(out, "my-cluster-kafka-3.") {
			t.Errorf("the fourth broker is unknown to the others:\n%s", out)
		}
		view := kubectl(t, "get kafkas my-cluster --subresource=brokers")
		if strings.Count(view, "\n") != 5 || !strings.Contains(view, "controller") {
			t.Errorf("want four brokers with their roles, got:\n%s", view)
		}
		// The quorum stays where it was: four voters would stand no more failures than three.
		if voters := field(t, "kafkas/my-cluster", ".status.quorum[*].id"); voters != "0 1 2" {
			t.Errorf("the quorum is %q, want 0 1 2", voters)
		}
	})
	t.Run("scale the cluster in", func(t *testing.T) {
		// A broker that hosts a replica stays; one that hosts none may go.
		moveFirstReplica(t, 3)
		kubectlFails(t, "", "scale kafka/my-cluster --replicas=3", "orders", "broker 3 would go and hosts 1 replica")
		moveFirstReplica(t, 0)
		kubectl(t, "scale kafka/my-cluster --replicas=3")
		kubectl(t, "wait pod/my-cluster-kafka-3 --for=delete --timeout=3m")
		kubectl(t, "wait kafka/my-cluster --for=jsonpath={.status.brokers.registered}=3 --timeout=2m")
	})
	t.Run("an autoscaler", testAutoscaler)
}

// lagOf sums up the column LAG of kafka-consumer-groups --describe.
func lagOf(table string) int {
	column, sum := -1, 0
	for line := range strings.Lines(table) {
		cells := strings.Fields(line)
		if at := slices.Index(cells, "LAG"); at >= 0 {
			column = at
			continue
		}
		if column >= 0 && column < len(cells) {
			if n, err := strconv.Atoi(cells[column]); err == nil {
				sum += n
			}
		}
	}
	return sum
}
