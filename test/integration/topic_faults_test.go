//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// Four servers share an etcd: whichever is asked, one topic has one object.
func TestRacingCreatesHaveOneWinner(t *testing.T) {
	t.Parallel()
	endpoint := cluster.StartEtcd(t)
	n := cluster.Namespace(t)
	namespaces := []string{n, cluster.Namespace(t), cluster.Namespace(t), cluster.Namespace(t)}
	servers := make([]*harness.Server, 4)
	for i := range servers {
		servers[i] = cluster.LaunchServer(t, harness.ServerOptions{Namespace: n, EtcdServers: endpoint})
	}
	for _, s := range servers {
		s.WaitReady(t)
	}
	kafkaOn(t, servers[0].Client(t), n)
	contested := n + ".contested"
	var mu sync.Mutex
	var winners []*v1beta1.KafkaTopic
	var racing sync.WaitGroup
	start := make(chan struct{})
	for i := range 200 {
		client := servers[i%len(servers)].Client(t)
		topic := newTopic(namespaces[i/len(servers)%len(namespaces)], fmt.Sprintf("t-%d", i))
		topic.Spec.ClusterRef.Namespace, topic.Spec.TopicName = n, contested
		racing.Go(func() {
			<-start
			created, err := client.KafkaV1beta1().KafkaTopics(topic.Namespace).Create(t.Context(), topic, metav1.CreateOptions{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, created)
			case !isDuplicate(err) && !apierrors.IsConflict(err):
				t.Errorf("%s/%s: %v, want a duplicate, or a conflict while another create has the topic", topic.Namespace, topic.Name, err)
			}
		})
	}
	close(start)
	racing.Wait()
	if len(winners) != 1 {
		t.Fatalf("%d creates of one topic won", len(winners))
	}
	for _, s := range servers {
		list, err := s.Client(t).KafkaV1beta1().KafkaTopics("").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%d objects are stored, %v", len(list.Items), err)
		}
	}
	out := topicTool(t, cluster.Kafka, "--describe --topic "+contested)
	expectWords(t, "the brokers' topic", out, "TopicId: "+winners[0].Status.TopicID)
	// What one server made another one takes away.
	if err := servers[3].Client(t).KafkaV1beta1().KafkaTopics(winners[0].Namespace).Delete(t.Context(), winners[0].Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := topicTool(t, cluster.Kafka, "--list"); strings.Contains(out, contested) {
		t.Errorf("after the delete the brokers have %s", out)
	}
}

// A server that is killed while it makes topics leaves some stored and not made, some made and not recorded, and some claimed only.
func TestAKilledServerLosesAndDoublesNoTopic(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	start := func() *harness.Process {
		return cluster.StartStandalone(t, filepath.Join(dir, "data"), kubeconfig, kafka.Bootstrap())
	}
	process := start()
	if r := cluster.KubectlOf(t, kubeconfig, "", "wait kafka/local --for=condition=Ready --timeout=30s"); r.ExitCode != 0 {
		t.Fatal(r.Stderr)
	}
	for round := range 3 {
		client := standaloneClient(t, kubeconfig)
		var created atomic.Int32
		var mu sync.Mutex
		var cut []string
		var writing sync.WaitGroup
		for worker := range 8 {
			writing.Go(func() {
				for i := range 1000 {
					name := fmt.Sprintf("killed-%d-%d-%d", round, worker, i)
					if err := createLocal(t.Context(), client, name); err != nil {
						mu.Lock()
						defer mu.Unlock()
						cut = append(cut, name)
						return
					}
					created.Add(1)
				}
			})
		}
		harness.Eventually(t, 30*time.Second, "topics are being made", func() string {
			if n := created.Load(); n < 20 {
				return fmt.Sprintf("%d are", n)
			}
			return ""
		})
		process.Kill()
		writing.Wait()
		process = start()
		client = standaloneClient(t, kubeconfig)
		harness.Eventually(t, 30*time.Second, "objects and brokers agree", func() string { return disagreement(t, client, kafka) })
		// Whose create was cut off gets the name after all.
		harness.Eventually(t, 100*time.Second, "the creates that were cut off succeed", func() string {
			for _, name := range cut {
				if err := createLocal(t.Context(), client, name); err != nil && !apierrors.IsAlreadyExists(err) {
					return err.Error()
				}
			}
			return ""
		})
		harness.Eventually(t, 30*time.Second, "objects and brokers agree", func() string { return disagreement(t, client, kafka) })
	}
}

func standaloneClient(t *testing.T, kubeconfig string) versioned.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func createLocal(ctx context.Context, client versioned.Interface, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	topic := newTopic("default", name)
	topic.Spec.ClusterRef.Name = "local"
	_, err := client.KafkaV1beta1().KafkaTopics("default").Create(ctx, topic, metav1.CreateOptions{})
	return err
}

// disagreement says how the objects of a stand-alone server and the topics of its brokers are not the same; "" when they are.
func disagreement(t *testing.T, client versioned.Interface, kafka *kafkaproc.Cluster) string {
	t.Helper()
	list, err := client.KafkaV1beta1().KafkaTopics("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	ids, err := topicIDs(t, kafka)
	if err != nil {
		return err.Error()
	}
	names := map[string]bool{}
	for _, topic := range list.Items {
		names[topic.Name] = true
		if !meta.IsStatusConditionTrue(topic.Status.Conditions, v1beta1.ConditionReady) || ids[topic.Name] != topic.Status.TopicID {
			return fmt.Sprintf("%s has the status %+v, its topic the id %q", topic.Name, topic.Status, ids[topic.Name])
		}
	}
	for name := range ids {
		if strings.HasPrefix(name, "killed-") && !names[name] {
			return "the brokers have " + name + " without an object"
		}
	}
	return ""
}

// A folder is applied once, with its topics before their Kafka.
func TestAFolderIsAppliedInAnyOrder(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	cluster.StartStandalone(t, filepath.Join(dir, "data"), kubeconfig, kafka.Bootstrap())
	folder := filepath.Join(dir, "folder")
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const topics = 50
	for i := range topics {
		// The Kafka is number 25 of the files.
		write(fmt.Sprintf("%03d.yaml", 2*i), fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"folder-%d","namespace":"default"},
			"spec":{"clusterRef":{"name":"my-cluster"}}}`, i))
	}
	write("051.yaml", fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":"my-cluster","namespace":"default"},
		"spec":{"external":{"bootstrapServers":[%q]}}}`, kafka.Bootstrap()[0]))
	run := func(line string) harness.Result { t.Helper(); return cluster.KubectlOf(t, kubeconfig, "", line) }
	if r := run("apply --dry-run=server -f " + folder); r.ExitCode != 0 {
		t.Errorf("a dry run: %s", r.Stderr)
	}
	r := run("apply -f " + folder)
	if r.ExitCode != 0 {
		t.Fatalf("apply: %s", r.Stderr)
	}
	expectWords(t, "the warning", r.Stderr, `there is no Kafka "my-cluster" in namespace "default"`)
	if r := run("wait kafkatopic --all -n default --for=condition=Ready --timeout=30s"); r.ExitCode != 0 {
		t.Errorf("wait: %s", r.Stderr)
	}
	out := topicTool(t, kafka, "--list")
	for i := range topics {
		if name := fmt.Sprintf("folder-%d\n", i); !strings.Contains(out, name) {
			t.Errorf("the brokers do not have %s", name)
		}
	}
	// What was applied is what is there.
	if r := run("diff -f " + folder); r.ExitCode != 0 {
		t.Errorf("diff after apply ends with %d:\n%s%s", r.ExitCode, r.Stdout, r.Stderr)
	}
	if r := run("apply -f " + folder); r.ExitCode != 0 || strings.Contains(r.Stdout, "configured") {
		t.Errorf("applied again: %s%s", r.Stdout, r.Stderr)
	}
	if r := run("delete -f " + folder); r.ExitCode != 0 {
		t.Errorf("delete: %s", r.Stderr)
	}
}

// Changes that others make on the brokers are found, and undone or reported.
func TestDriftOnRealBrokers(t *testing.T) {
	t.Parallel()
	for name, kafka := range map[string]func(*testing.T) *kafkaproc.Cluster{
		"KRaft":     func(t *testing.T) *kafkaproc.Cluster { return cluster.Fragile(t) },
		"ZooKeeper": func(*testing.T) *kafkaproc.Cluster { return cluster.ZooKeeper },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kafka := kafka(t)
			dir := t.TempDir()
			kubeconfig := filepath.Join(dir, "kubeconfig")
			cluster.StartStandalone(t, filepath.Join(dir, "data"), kubeconfig, kafka.Bootstrap())
			run := func(stdin, line string) string {
				t.Helper()
				r := cluster.KubectlOf(t, kubeconfig, stdin, line)
				if r.ExitCode != 0 {
					t.Fatalf("kubectl %s: %s%s", line, r.Stdout, r.Stderr)
				}
				return r.Stdout
			}
			run("", "wait kafka/local --for=condition=Ready --timeout=30s")
			manifest := func(name, more string) string {
				return fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":%q,"namespace":"default"},
					"spec":{"clusterRef":{"name":"local"},"partitions":1,"replicas":1,"config":{"retention.ms":"100000","cleanup.policy":"delete, compact"}%s}}`, name, more)
			}
			run(manifest("drift-revert", ""), "create -f -")
			run(manifest("drift-report", `,"driftPolicy":"Report"`), "create -f -")
			run(manifest("drift-replaced", ""), "create -f -")
			for _, topic := range []string{"drift-revert", "drift-report"} {
				alter(t, kafka, topic, "retention.ms=7")
			}
			replace(t, kafka, "drift-replaced")
			harness.Eventually(t, 75*time.Second, "the setting is as specified again", func() string {
				if out := topicTool(t, kafka, "--describe --topic drift-revert"); !strings.Contains(out, "retention.ms=100000") {
					return out
				}
				return ""
			})
			run("", "wait kafkatopic/drift-report -n default --for=condition=Drifted --timeout=75s")
			expectWords(t, "the condition", run("", "get kafkatopic drift-report -n default -o jsonpath={.status.conditions[*].message}"), `retention.ms is "7", the spec says "100000"`)
			run("", "wait kafkatopic/drift-replaced -n default --for=condition=Ready=false --timeout=75s")
			replacement := run("", "get kafkatopic drift-replaced -n default -o jsonpath={.status.replacementID}")
			if out := topicTool(t, kafka, "--describe --topic drift-replaced"); !strings.Contains(out, "TopicId: "+replacement) || strings.Contains(out, "retention.ms") {
				t.Errorf("the replacement %s was changed: %s", replacement, out)
			}
			run("", `patch kafkatopic drift-replaced -n default --type=merge -p {"spec":{"adoptTopicID":"`+replacement+`"}}`)
			run("", "wait kafkatopic/drift-replaced -n default --for=condition=Ready --timeout=30s")
			run("", "delete kafkatopic --all -n default")
		})
	}
}

// replace deletes a topic and makes another of its name at once: the API makes one again that it sees missing, and then the name is
// taken, so that both are repeated.
func replace(t *testing.T, kafka *kafkaproc.Cluster, topic string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Bootstrap()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deletion := kmsg.NewPtrDeleteTopicsRequest()
	// By name, as versions up to 5 have it and as later ones do.
	deletion.TopicNames = []string{topic}
	deletion.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &topic}}
	creation := kmsg.NewPtrCreateTopicsRequest()
	creation.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}
	harness.Eventually(t, time.Minute, "the topic is replaced", func() string {
		deleted, err := deletion.RequestWith(ctx, client)
		if err != nil {
			return err.Error()
		}
		created, err := creation.RequestWith(ctx, client)
		if err != nil {
			return err.Error()
		}
		if err := kerr.ErrorForCode(created.Topics[0].ErrorCode); err != nil {
			return fmt.Sprintf("the delete: %v, the create: %v", kerr.ErrorForCode(deleted.Topics[0].ErrorCode), err)
		}
		return ""
	})
}

// alter sets a setting of a topic with Kafka's own tool.
func alter(t *testing.T, kafka *kafkaproc.Cluster, topic, setting string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := kafka.Tool(ctx, "kafka.admin.ConfigCommand", "--bootstrap-server", kafka.Bootstrap()[0], "--alter", "--entity-type", "topics",
		"--entity-name", topic, "--add-config", setting)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
