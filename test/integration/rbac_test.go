//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// The shipped roles reach users through view, edit and admin; each subresource is a right of its own.
func TestRoles(t *testing.T) {
	t.Parallel()
	n, tenant := cluster.Namespace(t), cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	mustCreate(t, newTopic(n, "orders."+n))
	topic := "kafkatopic/orders." + n
	viewer, editor, admin, stranger := "viewer-"+n, "editor-"+n, "admin-"+n, "stranger-"+n
	kubectl(t, "", "create rolebinding viewer --clusterrole=view --user="+viewer+" -n "+n)
	kubectl(t, "", "create rolebinding editor --clusterrole=edit --user="+editor+" -n "+n)
	kubectl(t, "", "create rolebinding admin --clusterrole=admin --user="+admin+" -n "+n)
	kubectl(t, "", "create rolebinding editor --clusterrole=edit --user="+stranger+" -n "+tenant)
	// Roles are aggregated, and answers about access are kept for ten seconds.
	for user, verb := range map[string]string{viewer: "get kafkatopics/partitions", editor: "use kafkas/my-cluster", admin: "own kafkas/my-cluster"} {
		harness.Eventually(t, 30*time.Second, "the roles work", func() string {
			r := cluster.Kubectl(t, "", "auth can-i "+strings.Replace(verb, "kafkatopics/", "kafkatopics.kafka.openshift.io --subresource=", 1)+" --as="+user+" -n "+n)
			return strings.TrimSuffix(strings.TrimSpace(r.Stdout), "yes")
		})
	}
	const forbidden = 403
	const cutAll = `{"spec":{"partitions":[{"partition":0,"beforeOffset":-1}]}}`
	const oneRecord = `{"spec":{"records":[{"value":"one"}]}}`
	raw := "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkatopics/orders." + n
	partitions := kubectl(t, "", "get --raw "+raw+"/partitions")
	for _, tc := range []struct {
		user, stdin, line string
		allowed           bool
	}{
		{viewer, "", "get kafkas,kafkatopics", true},
		{viewer, "", "get " + topic + " --subresource=partitions", true},
		{viewer, "", "get " + topic + " --subresource=scale", true},
		{viewer, "", "get " + topic + " --subresource=configs", true},
		{viewer, "", "get kafka/my-cluster --subresource=brokers", true},
		{viewer, "", "get kafka/my-cluster --subresource=topics", true},
		{viewer, "", "scale " + topic + " --replicas=2", false},
		{viewer, "", "delete " + topic, false},
		{viewer, topicManifest(n, "mine", "", oneOfEach), "create -f -", false},
		{viewer, partitions, "replace --raw " + raw + "/partitions -f -", false},
		{editor, "", "scale " + topic + " --replicas=2", true},
		{editor, topicManifest(n, n+".mine", "", oneOfEach), "create -f -", true},
		{editor, topicManifest(n, tenant+".mine", "", oneOfEach), "create -f -", false},    // no "own"
		{editor, topicManifest(n, "theirs", "theirs."+n, oneOfEach), "create -f -", false}, // no "own"
		{editor, partitions, "replace --raw " + raw + "/partitions -f -", false},
		{editor, "{}", "create --raw " + raw + "/elect -f -", false},
		{editor, cutAll, "create --raw " + raw + "/truncate -f -", false},
		{viewer, "", "get --raw " + raw + "/log", false},
		{viewer, oneRecord, "create --raw " + raw + "/records -f -", false},
		{editor, oneRecord, "create --raw " + raw + "/records -f -", true},
		{editor, "", "get --raw " + raw + "/log", true},
		{editor, "", "scale kafka/my-cluster --replicas=5", false},
		{editor, "", "delete kafka/my-cluster", false},
		{editor, "", `patch ` + topic + ` --subresource=status --type=merge -p {"status":{"topicID":"forged"}}`, false},
		{admin, topicManifest(n, "theirs", "theirs."+n, oneOfEach), "create -f -", true},
		{admin, "{}", "create --raw " + raw + "/elect -f -", true},
		{admin, cutAll, "create --raw " + raw + "/truncate -f -", true},
		{admin, "", `patch kafka/my-cluster --subresource=status --type=merge -p {"status":{"clusterID":"forged"}}`, false},
		{stranger, "", "get kafkas", false},
		{stranger, "", "get " + topic, false},
		{stranger, "", "get " + topic + " --subresource=partitions", false},
	} {
		line := tc.line + " --as=" + tc.user
		if !strings.Contains(line, "--raw") {
			line += " -n " + n
		}
		if tc.allowed {
			kubectl(t, tc.stdin, line)
			continue
		}
		refused(t, tc.stdin, line, forbidden)
	}

	kubectl(t, kubectl(t, "", "get --raw "+raw+"/partitions --as="+admin), "replace --raw "+raw+"/partitions -f - --as="+admin)

	// A tenant of another namespace needs to be let in, and is kept to its own names.
	manifest := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders","namespace":%q},
		"spec":{"clusterRef":{"name":"my-cluster","namespace":%q},"partitions":1,"replicas":1}}`, tenant, n)
	refused(t, manifest, "create -f - --as="+stranger, forbidden, `"use"`, "kafkas/my-cluster", n)
	kubectl(t, "", "create rolebinding tenant --clusterrole=kafka-use --user="+stranger+" -n "+n)
	harness.Eventually(t, 30*time.Second, "the tenant is let in", func() string {
		if r := cluster.Kubectl(t, manifest, "create -f - --as="+stranger); r.ExitCode != 0 {
			return r.Stderr
		}
		return ""
	})
	expectWords(t, "the brokers' list", topicTool(t, cluster.Kafka, "--list"), tenant+".orders")
	refused(t, strings.Replace(manifest, `"name":"orders"`, `"name":"theirs"`, 1)[:len(manifest)-2]+`,"topicName":"theirs.`+n+`"}}`,
		"create -f - --as="+stranger, forbidden, `"own"`)
}
