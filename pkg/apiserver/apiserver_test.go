package apiserver_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
)

// server is shared by the tests that leave it whole.
var server *apiservertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if server, err = apiservertest.Start(apiservertest.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		return m.Run()
	}())
}

// Clients, RBAC rules and the controllers of Kubernetes go by what discovery says: it is a contract.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	resources, err := server.Client.Discovery().ServerResourcesForGroupVersion("kafka.openshift.io/v1beta1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range resources.APIResources {
		slices.Sort(r.Verbs)
		line := fmt.Sprintf("%s %s %s", r.Name, r.Kind, strings.Join(r.Verbs, ","))
		if r.Group != "" {
			line += " " + r.Group + "/" + r.Version
		}
		if len(r.ShortNames) > 0 {
			line += " short=" + strings.Join(r.ShortNames, ",")
		}
		if len(r.Categories) > 0 {
			line += " in=" + strings.Join(r.Categories, ",")
		}
		if r.SingularName != "" {
			line += " one=" + r.SingularName
		}
		if !r.Namespaced {
			line += " CLUSTER SCOPED"
		}
		if !strings.Contains(r.Name, "/") && r.StorageVersionHash == "" {
			line += " WITHOUT STORAGE VERSION"
		}
		got = append(got, line)
	}
	const all = "create,delete,deletecollection,get,list,patch,update,watch"
	want := []string{
		// Not one verb more: see the decision about consumer groups.
		"kafkaconsumergroups KafkaConsumerGroup get,list short=kcg in=kafka-all one=kafkaconsumergroup WITHOUT STORAGE VERSION",
		"kafkaconsumergroups/offsets KafkaConsumerGroupOffsets get,patch,update",
		"kafkas Kafka " + all + " short=kfk in=kafka-all,all one=kafka",
		"kafkas/brokers KafkaBrokers get",
		"kafkas/scale Scale get,patch,update autoscaling/v1",
		"kafkas/status Kafka get,patch,update",
		"kafkas/topics KafkaHostedTopics get",
		"kafkatopics KafkaTopic " + all + " short=kfkt in=kafka-all one=kafkatopic",
		"kafkatopics/configs KafkaTopicConfigs get",
		"kafkatopics/elect KafkaTopicElection create",
		"kafkatopics/log KafkaTopic get",
		"kafkatopics/partitions KafkaTopicPartitions get,patch,update",
		"kafkatopics/records KafkaTopicRecords create",
		"kafkatopics/scale Scale get,patch,update autoscaling/v1",
		"kafkatopics/status KafkaTopic get,patch,update",
		"kafkatopics/truncate KafkaTopicTruncation create",
	}
	if !slices.Equal(got, want) {
		t.Errorf("discovery says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// kubectl explain and server-side apply read the descriptions.
func TestOpenAPIDescribesEveryKind(t *testing.T) {
	t.Parallel()
	raw, err := server.Client.Discovery().RESTClient().Get().AbsPath("/openapi/v3/apis/kafka.openshift.io/v1beta1").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"clusterRef names the Kafka that hosts the topic", "config is Apache Kafka's broker configuration",
		"endOffset is the high watermark", "reset says where the group goes on", "tombstone makes the value null",
		"begins with the last records of each partition", "io.k8s.api.autoscaling.v1.Scale", `"x-kubernetes-list-map-keys":["type"]`} {
		if !strings.Contains(string(raw), text) {
			t.Errorf("OpenAPI v3 does not say %q", text)
		}
	}
	if raw, err = server.Client.Discovery().RESTClient().Get().AbsPath("/openapi/v2").DoRaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "clusterRef names the Kafka that hosts the topic") {
		t.Error("OpenAPI v2 does not describe the fields")
	}
}

func TestReadinessDoesNotDependOnBrokers(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	k.Refuse()
	if _, err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).GetBrokers(t.Context(), "k", metav1.GetOptions{}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("without brokers /brokers answers %v", err)
	}
	for _, path := range []string{"/readyz", "/livez", "/healthz"} {
		if _, err := server.Client.Discovery().RESTClient().Get().AbsPath(path).DoRaw(t.Context()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A server that has just started reads what is stored into its watch caches, and refuses lists and watches until then: it is not ready.
func TestReadinessWaitsForWatchCaches(t *testing.T) {
	t.Parallel()
	raw, err := server.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Param("verbose", "true").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "[+]poststarthook/storage-readiness ok") {
		t.Errorf("readiness does not ask for the watch caches: %s", raw)
	}
}

// listCached lists what the watch cache holds, until that has heard of the damage: before, it may answer as ever, but never with less.
func listCached(t *testing.T, topics typed.KafkaTopicInterface) (err error) {
	t.Helper()
	apiservertest.Eventually(t, "the cache hears of what happened", func() bool {
		var list *v1beta1.KafkaTopicList
		list, err = topics.List(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
		return err != nil || len(list.Items) == 0
	})
	return err
}

// A "not found" is an order to delete: garbage collectors and controllers act on it. A storage that is not ours must not give it.
func TestForeignStorageIsNeverNotFound(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, s *apiservertest.Server){
		"emptied": func(t *testing.T, s *apiservertest.Server) {
			if _, err := s.Etcd.Delete(t.Context(), apiserver.EtcdPrefix, clientv3.WithPrefix()); err != nil {
				t.Fatal(err)
			}
		},
		"somebody else's": func(t *testing.T, s *apiservertest.Server) {
			if _, err := s.Etcd.Txn(t.Context()).Then(
				clientv3.OpDelete(apiserver.EtcdPrefix+"/kafka.openshift.io", clientv3.WithPrefix()),
				clientv3.OpPut(apiserver.EtcdPrefix+"/identity", "theirs"),
			).Commit(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := apiservertest.Start(apiservertest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			k := s.NewKafka(t, 3)
			kafkas, topics := s.Client.KafkaV1beta1().Kafkas(k.Object.Namespace), s.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace)
			topic := &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "orders"},
				Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "k"}}}
			if _, err := topics.Create(t.Context(), topic, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			// Whoever watches from before must not hear of deletions either.
			watcher, err := topics.Watch(t.Context(), metav1.ListOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer watcher.Stop()
			other := k.Object.DeepCopy()
			other.ObjectMeta = metav1.ObjectMeta{Name: "other"}
			k.Forget()
			damage(t, s)

			for what, try := range map[string]func() error{
				"get":           func() error { _, err := kafkas.Get(t.Context(), "k", metav1.GetOptions{}); return err },
				"get never was": func() error { _, err := kafkas.Get(t.Context(), "never-was", metav1.GetOptions{}); return err },
				"list":          func() error { _, err := topics.List(t.Context(), metav1.ListOptions{}); return err },
				"list cached":   func() error { return listCached(t, topics) },
				"list all": func() error {
					_, err := s.Client.KafkaV1beta1().Kafkas("").List(t.Context(), metav1.ListOptions{})
					return err
				},
				"watch":  func() error { _, err := kafkas.Watch(t.Context(), metav1.ListOptions{}); return err },
				"create": func() error { _, err := topics.Create(t.Context(), topic, metav1.CreateOptions{}); return err },
				"delete": func() error { return topics.Delete(t.Context(), "orders", metav1.DeleteOptions{}) },
				"delete all": func() error {
					return topics.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
				},
				"update":      func() error { _, err := kafkas.Update(t.Context(), k.Object, metav1.UpdateOptions{}); return err },
				"status":      func() error { _, err := kafkas.UpdateStatus(t.Context(), k.Object, metav1.UpdateOptions{}); return err },
				"kafka scale": func() error { _, err := kafkas.GetScale(t.Context(), "k", metav1.GetOptions{}); return err },
				"brokers":     func() error { _, err := kafkas.GetBrokers(t.Context(), "k", metav1.GetOptions{}); return err },
				"topic scale": func() error { _, err := topics.GetScale(t.Context(), "orders", metav1.GetOptions{}); return err },
				"partitions":  func() error { _, err := topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{}); return err },
			} {
				err := try()
				if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "not the one this installation knows") {
					t.Errorf("%s: %v, want a 503 that says why", what, err)
				}
			}
			for _, path := range []string{"/readyz", "/livez"} {
				result := s.Client.Discovery().RESTClient().Get().AbsPath(path).Param("verbose", "1").Do(t.Context())
				var code int
				result.StatusCode(&code)
				raw, _ := result.Raw()
				want := http.StatusInternalServerError
				if path == "/livez" {
					// A restart would not help.
					want = http.StatusOK
				}
				if code != want || path == "/readyz" && !strings.Contains(string(raw), "storage-identity failed") {
					t.Errorf("%s answers %d: %s", path, code, raw)
				}
			}
			if got := k.Requests(); len(got) != 0 {
				t.Errorf("the brokers got %v", got)
			}
			if _, there := k.Topics(t)["orders"]; !there {
				t.Error("the topic is gone")
			}
			for event := range watcher.ResultChan() {
				if event.Type == watch.Deleted {
					t.Fatalf("a watcher was told of a deletion: %v", event.Object)
				}
				if event.Type == watch.Error {
					if err := apierrors.FromObject(event.Object); !apierrors.IsServiceUnavailable(err) {
						t.Errorf("the watch ends with %v", err)
					}
					return
				}
			}
			t.Error("the watch ended without a word")
		})
	}
}
