//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// newGroup makes a group of committed offsets with Kafka's own tool.
func newGroup(t *testing.T, kafka *kafkaproc.Cluster, group, topic string) {
	t.Helper()
	args := []string{"--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), "--reset-offsets", "--to-earliest", "--group", group, "--topic", topic, "--execute"}
	if _, err := kafka.Tool(t.Context(), groupCommand, args...); err != nil {
		t.Fatal(err)
	}
}

// The controllers of Kubernetes go by discovery, and must take groups for nothing that they have to watch, count or delete: brokers
// that are away would hold up a whole cluster.
func TestConsumerGroupsAreNoConcernOfControllers(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	n := cluster.Namespace(t)
	newKafka(t, n, kafka)
	kubectl(t, topicManifest(n, "orders", n+".orders", oneOfEach), "create -f -")
	group := n + ".billing"
	newGroup(t, kafka, group, n+".orders")
	expectWords(t, "the list", kubectl(t, "", "get kcg -n "+n), "my-cluster."+group)
	configMaps := cluster.Kubernetes.CoreV1().ConfigMaps(n)
	owner, err := configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.Broker(0).Kill(); err != nil {
		t.Fatal(err)
	}

	r := within(t, 8*time.Second, "get kcg -n "+n)
	expectWords(t, "a list without brokers", r.Stderr, "Warning:", "Kafka "+n+"/my-cluster", "not in the list", "No resources found")
	expectRefused(t, "get kcg", within(t, 8*time.Second, "get kcg my-cluster."+group+" -n "+n), 503)
	if r := within(t, 20*time.Second, "get kafka-all -n "+n); r.ExitCode != 0 {
		t.Errorf("get of all kinds: %s%s", r.Stdout, r.Stderr)
	}

	// The garbage collector goes on collecting.
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owned", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}}}
	if _, err := configMaps.Create(t.Context(), owned, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := configMaps.Delete(t.Context(), owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 60*time.Second, "the owned object is collected", func() string {
		if _, err := configMaps.Get(t.Context(), owned.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Sprint("it is there, ", err)
		}
		return ""
	})
	// The quota controller goes on counting.
	kubectl(t, "", "create quota things --hard=count/secrets=5,count/kafkatopics.kafka.openshift.io=5 -n "+n)
	kubectl(t, "", "create secret generic one -n "+n)
	harness.Eventually(t, 60*time.Second, "the quota is counted", func() string {
		used := kubectl(t, "", `get quota things -o jsonpath={.status.used} -n `+n)
		if !strings.Contains(used, `"count/secrets":"1"`) || !strings.Contains(used, `"count/kafkatopics.kafka.openshift.io":"1"`) {
			return used
		}
		return ""
	})
	// The namespace goes, with brokers that are down.
	if err := cluster.Kubernetes.CoreV1().Namespaces().Delete(t.Context(), n, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 30*time.Second, "the namespace is gone", func() string {
		namespace, err := cluster.Kubernetes.CoreV1().Namespaces().Get(t.Context(), n, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprint(err, namespace.Status)
	})
	// Their log names every kind that they watch or fail to read.
	log, err := os.ReadFile(filepath.Join(cluster.Host.Dir, "kube-controller-manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "kafkatopics") {
		t.Error("kube-controller-manager does not know of kafkatopics")
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "kafkaconsumergroups") {
			t.Errorf("kube-controller-manager says %s", line)
			break
		}
	}
	// What a namespace held of Kafka's objects is no reason to forget where consumers are.
	if err := kafka.Broker(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := cluster.Namespace(t)
	newKafka(t, other, kafka)
	harness.Eventually(t, 30*time.Second, "the group is served again", func() string {
		r := cluster.Kubectl(t, "", "get kcg my-cluster."+group+" -n "+other)
		return r.Stderr
	})
}

// Who may see a group, who may reset it, and a team that may reset its own.
func TestRolesOfConsumerGroups(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	kubectl(t, topicManifest(n, "orders", n+".orders", oneOfEach), "create -f -")
	group := n + ".billing"
	newGroup(t, cluster.Kafka, group, n+".orders")
	object := "kcg/my-cluster." + group
	viewer, editor, admin, team := "groups-viewer-"+n, "groups-editor-"+n, "groups-admin-"+n, "groups-team-"+n
	kubectl(t, "", "create rolebinding groups-viewer --clusterrole=view --user="+viewer+" -n "+n)
	kubectl(t, "", "create rolebinding groups-editor --clusterrole=edit --user="+editor+" -n "+n)
	kubectl(t, "", "create rolebinding groups-admin --clusterrole=admin --user="+admin+" -n "+n)
	kubectl(t, "", "create role team --verb=get,patch --resource=kafkaconsumergroups.kafka.openshift.io,kafkaconsumergroups.kafka.openshift.io/offsets --resource-name=my-cluster."+group+" -n "+n)
	kubectl(t, "", "create rolebinding groups-team --role=team --user="+team+" -n "+n)
	for _, user := range []string{viewer, editor, admin, team} {
		harness.Eventually(t, 30*time.Second, "the roles work", func() string {
			r := cluster.Kubectl(t, "", "auth can-i get "+strings.Replace(object, "kcg", "kafkaconsumergroups.kafka.openshift.io", 1)+" --as="+user+" -n "+n)
			return strings.TrimSuffix(strings.TrimSpace(r.Stdout), "yes")
		})
	}
	patch := "patch " + object + ` --subresource=offsets --type=merge -p {"spec":{"reset":[{"to":"latest"}]}}`
	fresh := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaConsumerGroupOffsets","metadata":{"name":"my-cluster.%s.fresh"},
		"spec":{"reset":[{"topic":"%s.orders","to":"latest"}]}}`, n, n)
	path := "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkaconsumergroups/my-cluster." + n + ".fresh/offsets"
	for _, tc := range []struct {
		user, stdin, line string
		allowed           bool
	}{
		{viewer, "", "get kcg -n " + n, true},
		{viewer, "", "get " + object + " -n " + n, true},
		{viewer, "", "get " + object + " --subresource=offsets -n " + n, true},
		{viewer, "", patch + " -n " + n, false},
		{editor, "", patch + " -n " + n, false},
		{editor, fresh, "replace --raw " + path + " -f -", false},
		{admin, "", patch + " -n " + n, true},
		{admin, fresh, "replace --raw " + path + " -f -", true},
		{team, "", patch + " -n " + n, true},
		{team, "", "get kcg -n " + n, false},
		{team, "", "get kcg my-cluster." + n + ".fresh -n " + n, false},
	} {
		line := tc.line + " --as=" + tc.user
		if tc.allowed {
			kubectl(t, tc.stdin, line)
			continue
		}
		refused(t, tc.stdin, line, 403)
	}
	expectAgreement(t, cluster.Kafka, n, n+".fresh", n+".orders 0 0 0 0")
}
