package kafka_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// way is one of the ways in which a Kafka is written.
type way struct {
	name string
	// creates says that there is no object before, terminating that it waits for its last finalizer.
	creates, terminating bool
	// specless says that the spec of what is sent does not count.
	specless bool
	send     func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request
}

func object(t *testing.T, request *rest.Request, k *v1beta1.Kafka) *rest.Request {
	t.Helper()
	return request.Namespace(k.Namespace).Resource("kafkas").Name(k.Name)
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// patched sends the spec of an object as one of the kinds of patches.
func patched(kind types.PatchType) func(*testing.T, rest.Interface, *v1beta1.Kafka) *rest.Request {
	return func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		t.Helper()
		var body []byte
		switch kind {
		case types.JSONPatchType:
			body = asJSON(t, []any{map[string]any{"op": "replace", "path": "/spec", "value": k.Spec}})
		case types.ApplyPatchType:
			body = asJSON(t, map[string]any{"apiVersion": "kafka.openshift.io/v1beta1", "kind": "Kafka",
				"metadata": map[string]any{"name": k.Name, "namespace": k.Namespace}, "spec": k.Spec})
		default:
			body = asJSON(t, map[string]any{"spec": k.Spec})
		}
		request := object(t, client.Patch(kind), k).Body(body)
		if kind == types.ApplyPatchType {
			request = request.Param("fieldManager", "test").Param("force", "true")
		}
		return request
	}
}

func put(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
	t.Helper()
	return object(t, client.Put(), k).Body(asJSON(t, k))
}

// ways are all of them.
var ways = []way{
	{name: "POST", creates: true, send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		return client.Post().Namespace(k.Namespace).Resource("kafkas").Body(asJSON(t, k))
	}},
	{name: "apply that creates", creates: true, send: patched(types.ApplyPatchType)},
	{name: "PUT", send: put},
	{name: "JSON patch", send: patched(types.JSONPatchType)},
	{name: "merge patch", send: patched(types.MergePatchType)},
	{name: "strategic merge patch", send: patched(types.StrategicMergePatchType)},
	{name: "apply", send: patched(types.ApplyPatchType)},
	{name: "scale", send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: k.Name, Namespace: k.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 1}}
		if k.Spec.Brokers != nil {
			scale.Spec.Replicas = *k.Spec.Brokers.Replicas
		}
		return object(t, client.Put(), k).SubResource("scale").Body(asJSON(t, scale))
	}},
	{name: "status", specless: true, send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		return put(t, client, k).SubResource("status")
	}},
	{name: "the last finalizer", terminating: true, send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		k.Finalizers = nil
		return put(t, client, k)
	}},
	{name: "DELETE", specless: true, send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		return object(t, client.Delete(), k)
	}},
	{name: "deletecollection", specless: true, send: func(t *testing.T, client rest.Interface, k *v1beta1.Kafka) *rest.Request {
		return client.Delete().Namespace(k.Namespace).Resource("kafkas")
	}},
}

// Each guard is crossed with each way of a write, for real and in a dry run.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, withoutSecret("creds"))
	for _, guard := range []struct {
		name   string
		client versioned.Interface
		// before makes what is there, as a user who may.
		before func(t *testing.T, namespace string) *v1beta1.Kafka
		// offend makes a change that the guard refuses.
		offend func(*v1beta1.Kafka)
		code   int32
		words  string
		// never names the ways that the guard does not concern although they write a spec, with the code of their answer.
		never map[string]int32
	}{
		{
			name: "who refers to a Secret may read it", client: user,
			before: func(_ *testing.T, namespace string) *v1beta1.Kafka { return externalKafka(namespace, withPassword) },
			offend: func(k *v1beta1.Kafka) { k.Spec.External.BootstrapServers = []string{"evil.example.com:9092"} },
			code:   403, words: "secrets/creds",
			never: map[string]int32{"scale": 503},
		},
		{
			name: "external clusters are where they may be", client: server.Client,
			before: func(_ *testing.T, namespace string) *v1beta1.Kafka { return externalKafka(namespace) },
			offend: func(k *v1beta1.Kafka) {
				k.Spec.External.BootstrapServers = []string{"kafka.example.com:9092", "169.254.169.254:80"}
			},
			code: 422, words: "spec.external.bootstrapServers[1]",
			never: map[string]int32{"scale": 503},
		},
		{
			name: "brokers that host something stay", client: server.Client,
			before: func(_ *testing.T, namespace string) *v1beta1.Kafka { return newKafka(namespace) },
			offend: func(k *v1beta1.Kafka) { k.Spec.Brokers.Replicas = ptr.To[int32](2) },
			code:   422, words: "brokers 2 would go and host 3 replicas",
			never: map[string]int32{"POST": 201, "apply that creates": 201},
		},
	} {
		for _, way := range ways {
			for _, dry := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/dry run %t", guard.name, way.name, dry), func(t *testing.T) {
					k := guard.before(t, server.Namespace())
					var stored *v1beta1.Kafka
					if !way.creates {
						if way.terminating {
							k.Finalizers = []string{"example.com/f"}
						}
						// A cluster is one Kafka's.
						fake := server.NewKafka(t, 3)
						fake.CreateTopic(t, "orders", 3, 3)
						stored = there(t, k, fake.ListenAddrs(), way.terminating)
						k = stored.DeepCopy()
					}
					guard.offend(k)
					request := way.send(t, guard.client.KafkaV1beta1().RESTClient(), k)
					if dry {
						request = request.Param("dryRun", metav1.DryRunAll)
					}
					result := request.Do(t.Context())
					code := 0
					err := result.StatusCode(&code).Error()
					answer, unconcerned := guard.never[way.name]
					switch {
					case way.specless:
						if err != nil {
							t.Errorf("what leaves the spec alone is refused: %v", err)
						}
					case unconcerned:
						if int32(code) != answer {
							t.Errorf("code %d, want %d: %v", code, answer, err)
						}
					default:
						expectStatus(t, err, guard.code, guard.words)
					}
					if stored == nil && !dry {
						return
					}
					got, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
					gone := !dry && strings.HasPrefix(strings.ToLower(way.name), "delete")
					switch {
					case stored == nil || gone:
						if !apierrors.IsNotFound(err) {
							t.Errorf("it is there: %v", err)
						}
					case err != nil:
						t.Error(err)
					case !equality.Semantic.DeepEqual(got.Spec, stored.Spec):
						t.Errorf("the spec was stored: %+v", got.Spec)
					case dry && got.ResourceVersion != stored.ResourceVersion:
						t.Error("a dry run stored something")
					}
				})
			}
		}
	}
}

// there stores an object as somebody who may, and reports the brokers of a fake as its own when it is run here.
func there(t *testing.T, k *v1beta1.Kafka, addresses []string, terminating bool) *v1beta1.Kafka {
	t.Helper()
	k = mustCreate(t, k)
	var err error
	if k.Spec.Brokers != nil {
		k.Status.ClusterID = "id"
		k.Status.Listeners = []v1beta1.ListenerStatus{{Name: "plain", BootstrapServers: addresses[0], Addresses: addresses}}
		if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if terminating {
		if err := kafkas(k.Namespace).Delete(t.Context(), k.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if k, err = kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return k
}
