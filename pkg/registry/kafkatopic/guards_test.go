package kafkatopic_test

import (
	"encoding/json"
	"fmt"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// way is one of the ways in which a KafkaTopic is written.
type way struct {
	name string
	// creates says that there is no object before.
	creates bool
	send    func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request
}

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func object(request *rest.Request, topic *v1beta1.KafkaTopic) *rest.Request {
	return request.Namespace(topic.Namespace).Resource("kafkatopics").Name(topic.Name)
}

// patched sends the spec and the finalizers of an object as one of the kinds of patches.
func patched(kind types.PatchType) func(*testing.T, rest.Interface, *v1beta1.KafkaTopic) *rest.Request {
	return func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
		t.Helper()
		var body []byte
		switch kind {
		case types.JSONPatchType:
			steps := []any{map[string]any{"op": "replace", "path": "/spec", "value": topic.Spec}}
			if topic.DeletionTimestamp != nil {
				steps = append(steps, map[string]any{"op": "remove", "path": "/metadata/finalizers"})
			}
			body = asJSON(t, steps)
		case types.ApplyPatchType:
			body = asJSON(t, map[string]any{"apiVersion": "kafka.openshift.io/v1beta1", "kind": "KafkaTopic",
				"metadata": map[string]any{"name": topic.Name, "namespace": topic.Namespace}, "spec": topic.Spec})
		default:
			patch := map[string]any{"spec": topic.Spec}
			if topic.DeletionTimestamp != nil {
				patch["metadata"] = map[string]any{"finalizers": nil}
			}
			body = asJSON(t, patch)
		}
		request := object(client.Patch(kind), topic).Body(body)
		if kind == types.ApplyPatchType {
			request = request.Param("fieldManager", "test").Param("force", "true")
		}
		return request
	}
}

func putTopic(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
	t.Helper()
	return object(client.Put(), topic).Body(asJSON(t, topic))
}

// ways write a spec, each in its own way.
var ways = []way{
	{name: "POST", creates: true, send: func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
		return client.Post().Namespace(topic.Namespace).Resource("kafkatopics").Body(asJSON(t, topic))
	}},
	{name: "apply that creates", creates: true, send: patched(types.ApplyPatchType)},
	{name: "PUT", send: putTopic},
	{name: "JSON patch", send: patched(types.JSONPatchType)},
	{name: "merge patch", send: patched(types.MergePatchType)},
	{name: "strategic merge patch", send: patched(types.StrategicMergePatchType)},
	{name: "apply", send: patched(types.ApplyPatchType)},
	{name: "scale", send: func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
		return object(client.Put(), topic).SubResource("scale").Body(asJSON(t, &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: *topic.Spec.Partitions}}))
	}},
	{name: "status", send: func(t *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
		return putTopic(t, client, topic).SubResource("status")
	}},
}

// Each guard of a spec is crossed with each way of a write, for real and in a dry run: nothing is stored, and nothing done.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for _, guard := range []struct {
		name   string
		client versioned.Interface
		// offend makes an object that the guard refuses; there is an object before or not.
		offend func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic)
		code   int32
		words  string
		// never names the ways that do not write what the guard is about.
		never []string
	}{
		{"what is somebody's needs own", user, func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			t.Helper()
			if topic.UID == "" {
				k.CreateTopic(t, topic.Name, 3, 2)
				return
			}
			k.DeleteTopic(t, topic.Name)
			k.CreateTopic(t, topic.Name, 3, 2)
			topic.Spec.AdoptTopicID = k.Topics(t)[topic.Name].ID
		}, 403, `"own"`, []string{"scale", "status"}},
		{"two billion partitions are too many", server.Client, func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			topic.Spec.Partitions = ptr.To[int32](2_000_000_000)
		}, 422, "partitions", []string{"status"}},
		{"ten thousand are added at most", server.Client, func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			topic.Spec.Partitions = ptr.To[int32](10_004)
		}, 422, "at most", []string{"status"}},
		{"a cluster takes so many", server.Client, func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			topic.Spec.Partitions = ptr.To[int32](9_000)
		}, 422, "takes at most", []string{"status"}},
		{"brokers refuse", server.Client, func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			topic.Spec.Replicas = ptr.To[int32](9)
		}, 422, "spec.replicas", []string{"scale", "status"}},
	} {
		for _, way := range ways {
			for _, dry := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/dry run %t", guard.name, way.name, dry), func(t *testing.T) {
					t.Parallel()
					k := server.NewKafka(t, 3)
					topic := newTopic(k, "orders")
					var stored *v1beta1.KafkaTopic
					if !way.creates {
						stored = mustCreate(t, topic)
						topic = stored.DeepCopy()
					}
					guard.offend(t, k, topic)
					for _, name := range guard.never {
						if name == way.name {
							return
						}
					}
					before := k.Topics(t)
					request := way.send(t, guard.client.KafkaV1beta1().RESTClient(), topic)
					if dry {
						request = request.Param("dryRun", metav1.DryRunAll)
					}
					expectStatus(t, request.Do(t.Context()).Error(), guard.code, guard.words)
					if got := k.Topics(t); !equality.Semantic.DeepEqual(got, before) {
						t.Errorf("the brokers had %+v and have %+v", before, got)
					}
					got, err := topicsOf(server.Client, k).Get(t.Context(), topic.Name, metav1.GetOptions{})
					switch {
					case stored == nil:
						if !apierrors.IsNotFound(err) {
							t.Errorf("it is there: %v", err)
						}
						if claims := claimsOn(t, k); len(claims) != 0 {
							t.Errorf("claims are left: %v", claims)
						}
					case err != nil:
						t.Error(err)
					case !equality.Semantic.DeepEqual(got.Spec, stored.Spec):
						t.Errorf("the spec was stored: %+v", got.Spec)
					}
				})
			}
		}
	}
}

// Whichever way an object goes, its last spec decides whether its topic stays.
func TestTheLastSpecDecides(t *testing.T) {
	t.Parallel()
	deletion := func(policy v1beta1.TopicDeletionPolicy) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = policy }
	}
	ends := []way{
		{name: "DELETE", send: func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			return object(client.Delete(), topic)
		}},
		{name: "deletecollection", send: func(_ *testing.T, client rest.Interface, topic *v1beta1.KafkaTopic) *rest.Request {
			return client.Delete().Namespace(topic.Namespace).Resource("kafkatopics")
		}},
	}
	for _, finish := range []way{ways[2], ways[3], ways[4], ways[5]} {
		finish.name = "the last finalizer, by " + finish.name
		ends = append(ends, finish)
	}
	// What takes the last finalizer may say at the same time what stays.
	atOnce := map[string]bool{}
	for _, finish := range ends[2:] {
		finish.name += " that says so"
		atOnce[finish.name] = true
		ends = append(ends, finish)
	}
	for _, end := range ends {
		for was, is := range map[v1beta1.TopicDeletionPolicy]v1beta1.TopicDeletionPolicy{
			v1beta1.TopicDelete: v1beta1.TopicRetain, v1beta1.TopicRetain: v1beta1.TopicDelete,
		} {
			t.Run(fmt.Sprintf("%s/%s then %s", end.name, was, is), func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				topic := newTopic(k, "orders", deletion(was))
				terminating := end.name != "DELETE" && end.name != "deletecollection"
				if terminating {
					topic.Finalizers = []string{"example.com/hold"}
				}
				topic = mustCreate(t, topic)
				if terminating {
					mustDelete(t, topic)
					topic = mustGet(t, topic)
				}
				topic.Spec.DeletionPolicy = is
				client := server.Client.KafkaV1beta1().RESTClient()
				if !atOnce[end.name] {
					if err := putTopic(t, client, topic).Do(t.Context()).Error(); err != nil {
						t.Fatal(err)
					}
					topic = mustGet(t, topic)
				}
				topic.Finalizers = nil
				if err := end.send(t, client, topic).Param("dryRun", metav1.DryRunAll).Do(t.Context()).Error(); err != nil {
					t.Errorf("dry run: %v", err)
				}
				if id := k.Topics(t)["orders"].ID; id != topic.Status.TopicID || len(claimsOn(t, k)) != 1 {
					t.Errorf("after a dry run the topic is %q, the claims are %v", id, claimsOn(t, k))
				}
				if err := end.send(t, client, topic).Do(t.Context()).Error(); err != nil {
					t.Fatal(err)
				}
				apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
				if _, there := k.Topics(t)["orders"]; there != (is == v1beta1.TopicRetain) {
					t.Errorf("the topic is there: %v", there)
				}
			})
		}
	}
}

// The watch cache may show an object for a moment that is deleted already, or not show one that is stored. An apply does not depend on it.
func TestAnApplyDoesNotDependOnTheWatchCache(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	client := server.Client.KafkaV1beta1().RESTClient()
	topic := newTopic(k, "orders")
	for i := range 30 {
		if err := patched(types.ApplyPatchType)(t, client, topic).Do(t.Context()).Error(); err != nil {
			t.Fatalf("apply %d: %v", i, err)
		}
		topic.Spec.Config = v1beta1.TopicConfig{"retention.ms": fmt.Sprint(1000 + i)}
		if err := patched(types.ApplyPatchType)(t, client, topic).Do(t.Context()).Error(); err != nil {
			t.Fatalf("apply %d again: %v", i, err)
		}
		mustDelete(t, topic)
	}
}
