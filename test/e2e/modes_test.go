//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

// TestDedicatedControllers runs the quorum on nodes of its own, grows the brokers' claims, and is refused what a running
// cluster cannot become.
func TestDedicatedControllers(t *testing.T) {
	t.Parallel()
	startTools(t)
	harness.Remove(t, harness.Made{Kafkas: []string{"dedicated"}})
	const server = "dedicated-bootstrap.default.svc:9092"
	kubectl(t, "create -f "+examples+"kafka-kraft-dedicated.yaml")
	kubectl(t, "wait kafka/dedicated --for=condition=Ready --timeout=3m")
	quorum := tool(t, "", "kafka-metadata-quorum.sh", "--bootstrap-server", server, "describe", "--status")
	for _, id := range []string{"3000", "3001", "3002"} {
		if !strings.Contains(quorum, id) {
			t.Errorf("controller %s does not vote:\n%s", id, quorum)
		}
	}
	if view := kubectl(t, "get kafkas dedicated --subresource=brokers"); strings.Count(view, "\n") != 7 {
		t.Errorf("want three brokers and three controllers, got:\n%s", view)
	}
	kubectlWith(t, topic("events", "dedicated", 3, 3), "create -f -")
	records := numbered(100)
	produce(t, server, "events", records)

	t.Run("a controller pod is deleted", func(t *testing.T) {
		deletePod(t, "default", "dedicated-controller-0")
		sameRecords(t, consume(t, server, "events", len(records)), records)
	})
	t.Run("refused on a running cluster", func(t *testing.T) {
		for _, tc := range []struct{ patch, field, why string }{
			{`{"spec":{"brokers":{"storage":{"size":"512Mi"}}}}`, "spec.brokers.storage.size", "cannot shrink"},
			{`{"spec":{"brokers":{"storage":{"type":"Ephemeral"}}}}`, "spec.brokers.storage.type", "immutable"},
			{`{"spec":{"brokers":{"storage":{"class":"other"}}}}`, "spec.brokers.storage.class", "immutable"},
			{`{"spec":{"controllers":{"replicas":5}}}`, "spec.controllers.replicas", "immutable"},
			{`{"spec":{"controllers":{"replicas":2}}}`, "spec.controllers.replicas", "1, 3 or 5"},
			{`{"spec":{"controllers":null}}`, "spec.controllers", "mode of a cluster is fixed"},
			{`{"spec":{"version":"4.9.9"}}`, "spec.version", "4.3.1"},
			{`{"spec":{"brokers":{"replicas":2}}}`, "spec.brokers.replicas", "events"},
		} {
			kubectlFails(t, "", "patch kafka/dedicated --type=merge -p "+tc.patch, tc.field, tc.why)
		}
	})
	t.Run("claims grow", func(t *testing.T) {
		kubectl(t, `patch kafka/dedicated --type=merge -p {"spec":{"brokers":{"storage":{"size":"2Gi"}}}}`)
		eventually(t, 2*time.Minute, "the brokers' claims have 2Gi", func() string {
			sizes := kubectl(t, "get persistentvolumeclaims -l kafka.openshift.io/cluster=dedicated -o jsonpath={.items[*].status.capacity.storage}")
			if strings.Count(sizes, "2Gi") != 3 {
				return sizes
			}
			return ""
		})
		sameRecords(t, consume(t, server, "events", len(records)), records)
	})
}

// TestEphemeral runs on an emptyDir, without any claim.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	startTools(t)
	harness.Remove(t, harness.Made{Kafkas: []string{"scratch"}})
	kubectl(t, "create -f "+examples+"kafka-ephemeral.yaml")
	kubectl(t, "wait kafka/scratch --for=condition=Ready --timeout=2m")
	kubectlFails(t, topic("wide", "scratch", 1, 3), "create -f -", "spec.replicas", "only 1 broker(s)")
	kubectlWith(t, topic("narrow", "scratch", 1, 1), "create -f -")
	records := numbered(10)
	produce(t, "scratch-bootstrap.default.svc:9092", "narrow", records)
	sameRecords(t, consume(t, "scratch-bootstrap.default.svc:9092", "narrow", len(records)), records)
	if claims := kubectl(t, "get persistentvolumeclaims -l kafka.openshift.io/cluster=scratch -o name"); claims != "" {
		t.Errorf("ephemeral storage has claims: %s", claims)
	}
}
