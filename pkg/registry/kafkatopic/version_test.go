package kafkatopic_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// touch changes an object in a way that has nothing to do with its topic.
func touch(t *testing.T, topic *v1beta1.KafkaTopic) {
	t.Helper()
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Patch(context.Background(), topic.Name, types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"touched":"yes"}}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}

// scaleWays write a scale, for one version of its object or for any.
var scaleWays = []struct {
	name string
	// versioned says that the request is for the version that the object had when it was made.
	versioned bool
	send      func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request
}{
	{"PUT for a version", true, func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		t.Helper()
		return object(client.Put(), topic).Body(asJSON(t, scaleBody(topic, topic.ResourceVersion, replicas)))
	}},
	{"PUT for any", false, func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		t.Helper()
		return object(client.Put(), topic).Body(asJSON(t, scaleBody(topic, "", replicas)))
	}},
	{"merge patch for a version", true, func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		return object(client.Patch(types.MergePatchType), topic).
			Body(fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},"spec":{"replicas":%d}}`, topic.ResourceVersion, replicas))
	}},
	{"merge patch for any", false, func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		return object(client.Patch(types.MergePatchType), topic).Body(fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas))
	}},
	{"JSON patch for any", false, func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		return object(client.Patch(types.JSONPatchType), topic).Body(fmt.Appendf(nil, `[{"op":"replace","path":"/spec/replicas","value":%d}]`, replicas))
	}},
	{"apply for any", false, func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic, replicas int32) *rest.Request {
		return object(client.Patch(types.ApplyPatchType), topic).Param("fieldManager", "scaler").Param("force", "true").
			Body(fmt.Appendf(nil, `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":%q},"spec":{"replicas":%d}}`, topic.Name, replicas))
	}},
}

func scaleBody(topic *v1beta1.KafkaTopic, version string, replicas int32) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace, ResourceVersion: version},
		Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
}

// What a request is for is what is stored when it is carried out, not when it came. Who names no version never hears of another one.
func TestAVersionHoldsWhenAScaleIsCarriedOut(t *testing.T) {
	t.Parallel()
	moments := map[string]func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic){
		"while it is admitted": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			t.Helper()
			var once sync.Once
			server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
				if a.GetSubresource() == "scale" {
					once.Do(func() { touch(t, topic) })
				}
				return nil
			})
		},
		"while it is carried out": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			t.Helper()
			var once sync.Once
			server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
				if a.GetSubresource() != "scale" {
					return nil
				}
				once.Do(func() {
					// The next question to the brokers is the one of who carries it out.
					var asked sync.Once
					k.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
						asked.Do(func() { k.SleepControl(func() { touch(t, topic) }) })
						return nil, nil, false
					})
				})
				return nil
			})
		},
	}
	for moment, change := range moments {
		for _, way := range scaleWays {
			for _, replicas := range []int32{3, 6} {
				t.Run(fmt.Sprintf("%s/%s/%d", moment, way.name, replicas), func(t *testing.T) {
					t.Parallel()
					k := server.NewKafka(t, 3)
					topic := mustCreate(t, newTopic(k, "orders"))
					k.Forget()
					change(t, k, topic)
					err := way.send(t, server.Client.KafkaV1beta1().RESTClient(), topic, replicas).SubResource("scale").Do(t.Context()).Error()
					partitions := len(k.Topics(t)["orders"].Partitions)
					switch {
					case way.versioned && replicas == 6 && moment == "while it is carried out":
						// It was the version when the brokers were asked.
						if err != nil || partitions != 6 {
							t.Errorf("the brokers have %d partitions, want 6: %v", partitions, err)
						}
					case way.versioned:
						expectStatus(t, err, 409, "has been modified")
						if partitions != 3 || len(kinds(k)) != 0 {
							t.Errorf("the brokers have %d partitions and got %v", partitions, kinds(k))
						}
					case err != nil || partitions != int(replicas):
						t.Errorf("the brokers have %d partitions, want %d: %v", partitions, replicas, err)
					}
					got := mustGet(t, topic)
					if got.Labels["touched"] != "yes" || *got.Spec.Partitions != int32(partitions) {
						t.Errorf("the object has the labels %v and %d partitions", got.Labels, *got.Spec.Partitions)
					}
				})
			}
		}
	}
}

// A growth with placement is one of the partitions that were seen. When others add some, the replicas would be those of other partitions.
func TestPlacedPartitionsAreNotThoseOfOthers(t *testing.T) {
	t.Parallel()
	for name, total := range map[string]int32{"fewer": 4, "as many": 5, "more": 6} {
		for moment, arm := range map[string]func(k *apiservertest.Kafka, change func()){
			"before the brokers are looked at": func(k *apiservertest.Kafka, change func()) {
				var once sync.Once
				server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
					if a.GetSubresource() == "partitions" {
						once.Do(change)
					}
					return nil
				})
			},
			"when they are asked": func(k *apiservertest.Kafka, change func()) {
				var asked atomic.Bool
				k.ControlKey(int16(kmsg.CreatePartitions), func(kmsg.Request) (kmsg.Response, error, bool) {
					// The change is such a request itself.
					if asked.CompareAndSwap(false, true) {
						k.SleepControl(change)
					}
					return nil, nil, false
				})
			},
		} {
			t.Run(name+"/"+moment, func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				mustCreate(t, newTopic(k, "orders"))
				view := mustPartitions(t, k, "orders")
				view.ResourceVersion = ""
				view.Spec.Partitions = append(view.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 3, Replicas: []int32{1, 2}},
					v1beta1.PartitionAssignment{Partition: 4, Replicas: []int32{2, 0}})
				arm(k, func() { k.Grow(t, "orders", total) })
				_, err := put(t, k, "orders", view)
				expectStatus(t, err, 409, "has been changed meanwhile")
				if n := len(k.Topics(t)["orders"].Partitions); n != int(total) {
					t.Errorf("the brokers have %d partitions, want the %d of the others", n, total)
				}
			})
		}
	}
}

// A large growth makes one look at all topics of a cluster at most: none when they were looked at a moment ago.
func TestALargeGrowthLooksAtTheClusterOnce(t *testing.T) {
	t.Parallel()
	for _, dryRun := range [][]string{nil, {metav1.DryRunAll}} {
		k := server.NewKafka(t, 3)
		mustCreate(t, newTopic(k, "orders"))
		view := mustPartitions(t, k, "orders")
		for i := int32(3); i < 120; i++ {
			view.Spec.Partitions = append(view.Spec.Partitions, v1beta1.PartitionAssignment{Partition: i, Replicas: []int32{1, 2}})
		}
		looks := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			return r.(*kmsg.MetadataRequest).Topics == nil
		}})
		if _, err := put(t, k, "orders", view, dryRun...); err != nil {
			t.Fatal(err)
		}
		if n := looks.Hits(); n > 1 {
			t.Errorf("dry run %v: all topics were looked at %d times, want once at most", dryRun, n)
		}
	}
}

// beforeDelete is a storage in which something happens just before an object is deleted.
type beforeDelete struct {
	apistorage.Interface
	then func(key string)
}

func (b *beforeDelete) Delete(ctx context.Context, key string, out runtime.Object, preconditions *apistorage.Preconditions, validate apistorage.ValidateObjectFunc, cached runtime.Object, options apistorage.DeleteOptions) error {
	b.then(key)
	return b.Interface.Delete(ctx, key, out, preconditions, validate, cached, options)
}

// Controllers write statuses at any time. Who takes the last finalizer without naming a version need not know of it.
func TestTheLastFinalizerGoesWhateverTheStatus(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	meanwhile := map[string]func(){}
	own, err := apiservertest.Start(apiservertest.Options{Objects: func(inner apistorage.Interface) apistorage.Interface {
		return &beforeDelete{inner, func(key string) {
			mu.Lock()
			var then func()
			for name, do := range meanwhile {
				if strings.HasSuffix(key, name) {
					then = do
					delete(meanwhile, name)
				}
			}
			mu.Unlock()
			if then != nil {
				then()
			}
		}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	for _, tc := range []struct {
		name      string
		versioned bool
		send      func(client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request
	}{
		{"merge patch", false, func(client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			return object(client.Patch(types.MergePatchType), topic).Body([]byte(`{"metadata":{"finalizers":null}}`))
		}},
		{"JSON patch", false, func(client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			return object(client.Patch(types.JSONPatchType), topic).Body([]byte(`[{"op":"remove","path":"/metadata/finalizers"}]`))
		}},
		{"PUT for any version", false, func(client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			topic.Finalizers, topic.ResourceVersion = nil, ""
			return object(client.Put(), topic).Body(asJSON(t, topic))
		}},
		{"PUT for a version", true, func(client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			topic.Finalizers = nil
			return object(client.Put(), topic).Body(asJSON(t, topic))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := own.NewKafka(t, 1)
			topics := topicsOf(own.Client, k)
			topic, err := create(own.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
				topic.Finalizers = []string{"example.com/hold"}
				topic.Spec.Replicas = nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			if err := topics.Delete(t.Context(), topic.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if topic, err = topics.Get(t.Context(), topic.Name, metav1.GetOptions{}); err != nil {
				t.Fatal(err)
			}
			written := false
			mu.Lock()
			meanwhile["/kafkatopics/"+topic.Namespace+"/"+topic.Name] = func() {
				reported := topic.DeepCopy()
				reported.ResourceVersion = ""
				reported.Status.Conditions[0].Message = "written meanwhile"
				_, err := topics.UpdateStatus(context.Background(), reported, metav1.UpdateOptions{})
				written = err == nil
			}
			mu.Unlock()
			err = tc.send(own.Client.KafkaV1beta1().RESTClient(), topic.DeepCopy()).Do(t.Context()).Error()
			if !written {
				t.Fatal("nobody wrote a status")
			}
			if !tc.versioned {
				if err != nil {
					t.Fatal(err)
				}
				apiservertest.Eventually(t, "the topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there })
				return
			}
			expectStatus(t, err, 409, "has been modified")
			if _, err := topics.Get(t.Context(), topic.Name, metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}
