//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
)

// kafkaOn makes my-cluster through a server beside the aggregated one.
func kafkaOn(t *testing.T, client versioned.Interface, namespace string) {
	t.Helper()
	_, err := client.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: cluster.Kafka.Bootstrap()}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// expectForeign checks that stored kinds answer 503 to everything, never 404, and that readyz says why.
func expectForeign(t *testing.T, s *harness.Server, namespace string) {
	t.Helper()
	for _, line := range []string{
		"get kafka my-cluster", "get kafka never-was", "get kafkas", "get kafkas,kafkatopics -A", "get kafkatopic orders",
		"get kafka my-cluster --subresource=brokers", "get kafkatopic orders --subresource=partitions", "delete kafkatopic orders", "scale kafkatopic/orders --replicas=9",
	} {
		if !strings.HasSuffix(line, "-A") {
			line += " -n " + namespace
		}
		expectRefused(t, line, cluster.KubectlOf(t, s.Kubeconfig, "", line), 503, "not the one this installation knows")
	}
	harness.Eventually(t, 20*time.Second, "readyz says why", func() string {
		code, body := s.Probe(t, "/readyz?verbose")
		if code != 500 || !strings.Contains(body, "storage-identity failed") {
			return fmt.Sprintf("it answers %d: %s", code, body)
		}
		return ""
	})
	if code, body := s.Probe(t, "/livez"); code != 200 {
		t.Errorf("livez answers %d: %s", code, body)
	}
}

func TestAnEmptiedEmbeddedEtcdIsNeverNotFound(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	dir := filepath.Join(t.TempDir(), "data")
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: dir})
	kafkaOn(t, s.Client(t), n)
	if _, err := s.Client(t).KafkaV1beta1().KafkaTopics(n).Create(t.Context(), newTopic(n, "orders."+n), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	if err := os.Rename(dir, dir+"-lost"); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	harness.Eventually(t, 60*time.Second, "the server answers", func() string {
		if code, body := s.Probe(t, "/livez"); code != 200 {
			return body
		}
		return ""
	})
	expectForeign(t, s, n)
	// With its storage back it serves again.
	stop(t, s)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"-lost", dir); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	s.WaitReady(t)
	if _, err := s.Client(t).KafkaV1beta1().Kafkas(n).Get(t.Context(), "my-cluster", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func stop(t *testing.T, s *harness.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 75*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if code := s.ExitCode(); code != 0 {
		t.Errorf("the server ended with exit code %d:\n%s", code, s.Tail())
	}
}

func TestAnEmptiedEtcdOfOnesOwnIsNeverNotFound(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	endpoint := cluster.StartEtcd(t)
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, EtcdServers: endpoint})
	kafkaOn(t, s.Client(t), n)
	watcher, err := s.Client(t).KafkaV1beta1().Kafkas(n).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	stored, err := etcd.Get(t.Context(), "/", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := etcd.Delete(t.Context(), "/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	expectForeign(t, s, n)
	for event := range watcher.ResultChan() {
		if event.Type == "DELETED" {
			t.Fatal("a watcher was told that the Kafka was deleted")
		}
		if event.Type == "ERROR" {
			break
		}
	}
	// Put back, it serves again without a restart.
	for _, kv := range stored.Kvs {
		if _, err := etcd.Put(t.Context(), string(kv.Key), string(kv.Value)); err != nil {
			t.Fatal(err)
		}
	}
	s.WaitReady(t)
	if _, err := s.Client(t).KafkaV1beta1().Kafkas(n).Get(t.Context(), "my-cluster", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

// isDuplicate tells whether an object was refused because another one has its topic, which no retry mends.
func isDuplicate(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueDuplicate)
	return ok && cause.Field == "spec.topicName" && apierrors.IsInvalid(err)
}

// Two servers on one etcd, and two namespaces that want the same topic.
func TestReplicasLetOneObjectWin(t *testing.T) {
	t.Parallel()
	n, other := cluster.Namespace(t), cluster.Namespace(t)
	endpoint := cluster.StartEtcd(t)
	servers := []versioned.Interface{
		cluster.StartServer(t, harness.ServerOptions{Namespace: n, EtcdServers: endpoint}).Client(t),
		cluster.StartServer(t, harness.ServerOptions{Namespace: n, EtcdServers: endpoint}).Client(t),
	}
	kafkaOn(t, servers[0], n)
	var mu sync.Mutex
	var winners []string
	var wg sync.WaitGroup
	for i := range 50 {
		topic := newTopic([]string{n, other}[i/2%2], fmt.Sprintf("orders-%d", i))
		topic.Spec.ClusterRef.Namespace, topic.Spec.TopicName = n, "raced."+n
		wg.Go(func() {
			_, err := servers[i%2].KafkaV1beta1().KafkaTopics(topic.Namespace).Create(t.Context(), topic, metav1.CreateOptions{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, topic.Namespace+"/"+topic.Name)
			case !isDuplicate(err) && !apierrors.IsConflict(err):
				t.Errorf("%s/%s: %v, want a duplicate, or a conflict while another create has the topic", topic.Namespace, topic.Name, err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Errorf("winners are %v, want one", winners)
	}
	for i, server := range servers {
		list, err := server.KafkaV1beta1().KafkaTopics("").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var stored []string
		for _, item := range list.Items {
			stored = append(stored, item.Namespace+"/"+item.Name)
		}
		if !slices.Equal(stored, winners) {
			t.Errorf("server %d has %v stored, the winner is %v", i, stored, winners)
		}
	}
	if out := topicTool(t, cluster.Kafka, "--describe --topic raced."+n); !strings.Contains(out, "PartitionCount: 1") {
		t.Errorf("the brokers have %s", out)
	}
}

func TestARestartKeepsEverything(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: filepath.Join(t.TempDir(), "data")})
	kafkaOn(t, s.Client(t), n)
	created, err := s.Client(t).KafkaV1beta1().KafkaTopics(n).Create(t.Context(), newTopic(n, "orders."+n), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []func(){func() { stop(t, s) }, s.Kill} {
		end()
		s.Start(t)
		s.WaitReady(t)
		topics := s.Client(t).KafkaV1beta1().KafkaTopics(n)
		got, err := topics.Get(t.Context(), created.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.UID != created.UID || got.ResourceVersion != created.ResourceVersion || got.Status.TopicID != created.Status.TopicID {
			t.Errorf("after a restart it is %+v, was %+v", got.ObjectMeta, created.ObjectMeta)
		}
		// Claims are not objects, and have to survive too.
		rival := newTopic(n, "rival")
		rival.Spec.TopicName = created.Name
		if _, err := topics.Create(t.Context(), rival, metav1.CreateOptions{}); !isDuplicate(err) {
			t.Errorf("after a restart a second object for the topic got %v", err)
		}
	}
}

// Two servers on one folder would be two truths.
func TestASecondServerOnTheSameFolderIsRefused(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	dir := filepath.Join(t.TempDir(), "data")
	cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: dir})
	second := cluster.LaunchServer(t, harness.ServerOptions{Namespace: n, DataDir: dir})
	select {
	case <-second.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the second server neither serves nor ends")
	}
	if code := second.ExitCode(); code == 0 {
		t.Error("the second server ended with exit code 0")
	}
	expectWords(t, "its log", string(second.Tail()), dir, "another server uses this folder")
}

// Whoever was let in is answered; then the server ends by itself, with success.
func TestTheServerDrains(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	s := cluster.StartServer(t, harness.ServerOptions{Namespace: n, DataDir: filepath.Join(t.TempDir(), "data"), Args: []string{"--shutdown-delay-duration=3s"}})
	client := s.Client(t)
	// Brokers that say nothing are tried one after the other, each for three seconds: with eight of them a create lasts longer than the
	// delay before the server stops listening by more than a second.
	first := silentBroker(t)
	servers := []string{first.address}
	for range 7 {
		servers = append(servers, silentBroker(t).address)
	}
	if _, err := client.KafkaV1beta1().Kafkas(n).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "my-cluster"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: servers}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		topic *v1beta1.KafkaTopic
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		topic, err := client.KafkaV1beta1().KafkaTopics(n).Create(context.Background(), newTopic(n, "orders"), metav1.CreateOptions{})
		answered <- answer{topic, err}
	}()
	select {
	case <-first.asked:
	case <-time.After(20 * time.Second):
		t.Fatal("the brokers are not asked")
	}
	asked := time.Now()
	if err := s.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 5*time.Second, "readyz turns first", func() string {
		if code, _ := s.Probe(t, "/readyz"); code != 500 {
			return fmt.Sprintf("it answers %d", code)
		}
		return ""
	})
	// Load balancers need a moment to see that; who comes meanwhile is served.
	if _, err := s.Client(t).KafkaV1beta1().Kafkas(n).Get(t.Context(), "my-cluster", metav1.GetOptions{}); err != nil {
		t.Errorf("a request during the delay: %v", err)
	}
	last := <-answered
	if lasted := time.Since(asked); lasted < 4*time.Second {
		t.Errorf("the request under way lasted %s, so that it was answered before the server stopped listening", lasted)
	}
	if last.err != nil {
		t.Fatalf("the request under way was answered with %v", last.err)
	}
	// It had its time to ask the brokers, too.
	if ready := meta.FindStatusCondition(last.topic.Status.Conditions, "Ready"); ready == nil || strings.Contains(ready.Message, "given up") {
		t.Errorf("the request under way was cut off from the brokers: %+v", ready)
	}
	select {
	case <-s.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not end")
	}
	if code := s.ExitCode(); code != 0 {
		t.Errorf("the server ended with exit code %d:\n%s", code, s.Tail())
	}
}
