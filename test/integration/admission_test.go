//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// policy refuses what an expression does not hold for, in one namespace.
func policy(namespace, name, resource, expression string) string {
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s-%[2]s}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [kafka.openshift.io], apiVersions: [v1beta1], operations: [CREATE, UPDATE], resources: [%[3]s]}
  validations:
  - {expression: %[4]q, message: the policy of %[3]s says no, reason: Forbidden}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s-%[2]s}
spec:
  policyName: %[1]s-%[2]s
  validationActions: [Deny]
  matchResources:
    namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: %[1]s}
`, namespace, name, resource, expression)
}

func TestPoliciesOfTheHostHold(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	kubectl(t, topicManifest(n, "orders", n+".orders", `"partitions":2,"replicas":1`), "create -f -")
	policies := policy(n, "topics", "kafkatopics", "object.spec.partitions <= 2") + "---" +
		policy(n, "scale", "kafkatopics/scale", "object.spec.replicas <= 2") + "---" +
		policy(n, "partitions", "kafkatopics/partitions", "size(object.spec.partitions) <= 2")
	kubectl(t, policies, "create -f -")
	t.Cleanup(func() { cluster.KubectlOf(t, cluster.Host.AdminKubeconfig, policies, "delete -f -") })
	// Each policy arrives in the server when it does; a dry run tells without doing.
	path := "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkatopics/orders/partitions"
	third := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicPartitions","metadata":{"name":"orders","namespace":%q},
		"spec":{"partitions":[{"partition":0,"replicas":[0]},{"partition":1,"replicas":[1]},{"partition":2,"replicas":[2]}]}}`, n)
	for _, tc := range []struct{ what, stdin, dry, line string }{
		{"kafkatopics", topicManifest(n, "wide", n+".wide", `"partitions":3,"replicas":1`), "create -f - --dry-run=server", "create -f -"},
		{"kafkatopics/scale", "", `patch kafkatopic orders --subresource=scale --type=merge -p {"spec":{"replicas":3}} --dry-run=server -n ` + n,
			"scale kafkatopic/orders --replicas=3 -n " + n},
		{"kafkatopics/partitions", third, "replace --raw " + path + "?dryRun=All -f -", "replace --raw " + path + " -f -"},
	} {
		harness.Eventually(t, 30*time.Second, "the policy of "+tc.what+" is in force", func() string {
			if r := cluster.Kubectl(t, tc.stdin, tc.dry); r.Code != 403 {
				return fmt.Sprintf("the answer is %d: %s%s", r.Code, r.Stdout, r.Stderr)
			}
			return ""
		})
		refused(t, tc.stdin, tc.line, 403, "the policy of "+tc.what+" says no")
	}
	out := topicTool(t, cluster.Kafka, "--describe --topic "+n+".orders")
	expectWords(t, "the brokers' topic", out, "PartitionCount: 2")
	// What the policies allow goes through.
	kubectl(t, topicManifest(n, "narrow", n+".narrow", `"partitions":2,"replicas":1`), "create -f -")
}

// Counting is kube-controller-manager's; refusing the one too many is the server's that stores them.
func TestQuotaIsCountedAndEnforced(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	mustCreate(t, newTopic(n, "one."+n))
	kubectl(t, "", "create quota topics --hard=count/kafkatopics.kafka.openshift.io=2 -n "+n)
	used := func(want string) func() string {
		return func() string {
			got := kubectl(t, "", `get quota topics -o jsonpath={.status.used.count/kafkatopics\.kafka\.openshift\.io} -n `+n)
			if got != want {
				return fmt.Sprintf("used is %q, want %s", got, want)
			}
			return ""
		}
	}
	harness.Eventually(t, 60*time.Second, "the controller counts", used("1"))
	mustCreate(t, newTopic(n, "two."+n))
	// The controller may have counted before that and write it now, which takes the topic out of what is used. A count with another kind in
	// it began later.
	kubectl(t, "", `patch quota topics --type=merge -p {"spec":{"hard":{"count/secrets":"9"}}} -n `+n)
	harness.Eventually(t, 60*time.Second, "the controller counts both", func() string {
		got := kubectl(t, "", "get quota topics -o jsonpath={.status.used} -n "+n)
		if !strings.Contains(got, `"count/secrets"`) || !strings.Contains(got, `"count/kafkatopics.kafka.openshift.io":"2"`) {
			return got
		}
		return ""
	})
	refused(t, topicManifest(n, "three."+n, "", oneOfEach), "create -f -", 403, "exceeded quota: topics", "used: count/kafkatopics.kafka.openshift.io=2")
	kubectl(t, "", "delete kafkatopic one."+n+" -n "+n)
	harness.Eventually(t, 60*time.Second, "the controller counts the deletion", used("1"))
	kubectl(t, topicManifest(n, "three."+n, "", oneOfEach), "create -f -")
}
