//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// autoscalerTimeout bounds what an autoscaler does of its own: it looks every 15 s.
const autoscalerTimeout = time.Minute

// testAutoscaler has Kubernetes' own autoscaler scale Kafka my-cluster, of three brokers, out and in again by its bounds: that takes
// no metrics, of which the cluster has none, and all else is as with them.
func testAutoscaler(t *testing.T) {
	kubectl(t, "create -f "+examples+"kafka-autoscaler.yaml")
	bounds := func(lowest, highest int) {
		t.Helper()
		kubectl(t, fmt.Sprintf(`patch hpa my-cluster -p {"spec":{"minReplicas":%d,"maxReplicas":%d}}`, lowest, highest))
	}
	bounds(4, 5)
	eventually(t, autoscalerTimeout, "the autoscaler asks for a fourth broker", func() string {
		if n := field(t, "kafka/my-cluster", ".spec.brokers.replicas"); n != "4" {
			return n + " brokers: " + kubectl(t, "describe hpa my-cluster")
		}
		return ""
	})
	kubectl(t, "wait kafka/my-cluster --for=jsonpath={.status.brokers.registered}=4 --timeout=2m")

	// It reads what each broker uses from the pods that the scale selects.
	pods := kubectl(t, "get pods -o name -l "+field(t, "kafka/my-cluster", ".status.selector"))
	if n := strings.Count(pods, "pod/my-cluster-kafka-"); n != 4 || strings.Count(pods, "\n") != 4 {
		t.Errorf("the scale selects other pods than the four brokers:\n%s", pods)
	}

	// No record is lost to it: what a broker hosts keeps it, and the autoscaler tells its user why.
	moveFirstReplica(t, 3)
	bounds(1, 3)
	eventually(t, autoscalerTimeout, "the autoscaler tells of the refusal", func() string {
		told := kubectl(t, "describe hpa my-cluster")
		if !strings.Contains(told, "FailedUpdateScale") || !strings.Contains(told, "orders") {
			return told
		}
		return ""
	})
	if n := field(t, "kafka/my-cluster", ".spec.brokers.replicas"); n != "4" {
		t.Errorf("%s brokers are asked for, and the fourth hosts a replica", n)
	}
	moveFirstReplica(t, 0)
	kubectl(t, "wait pod/my-cluster-kafka-3 --for=delete --timeout=4m")
	kubectl(t, "wait kafka/my-cluster --for=jsonpath={.status.brokers.registered}=3 --timeout=2m")
	kubectl(t, "delete hpa my-cluster")
}

// moveFirstReplica moves the first partition of topic orders to brokers 1, 2 and the one given, and waits until it is on those alone.
func moveFirstReplica(t *testing.T, broker int) {
	t.Helper()
	kubectl(t, "patch kafkatopic orders --subresource=partitions --type=json -p "+
		fmt.Sprintf(`[{"op":"replace","path":"/spec/partitions/0/replicas","value":[%d,1,2]}]`, broker))
	eventually(t, reassignTimeout, "the replica moves", func() string {
		out := describeTopic(t, bootstrap, "orders")
		for line := range strings.Lines(out) {
			if strings.Contains(line, "Partition: 0\t") && strings.Contains(line, fmt.Sprintf("Replicas: %d,1,2\t", broker)) {
				return ""
			}
		}
		return out
	})
}
