package kafkatopic_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// topicWrites is how KafkaTopics are written, and what no guard of theirs has to do with.
var topicWrites = apiservertest.Guarded[*v1beta1.KafkaTopic]{
	Kind: "KafkaTopic", Resource: "kafkatopics",
	Replicas: func(topic *v1beta1.KafkaTopic) int32 { return *topic.Spec.Partitions },
	Beside: map[apiservertest.Way]apiservertest.Answer{
		apiservertest.WayPutCreate:        {Code: 404, Why: "an update makes no topic"},
		apiservertest.WayStatus:           {Code: 200, Why: "a status says nothing of the spec"},
		apiservertest.WayDelete:           {Code: 200, Why: "a delete says nothing of the spec"},
		apiservertest.WayDeleteCollection: {Code: 200, Why: "a delete says nothing of the spec"},
	},
}

// specWays are the ways in which the spec of a topic that is there is written.
var specWays = []apiservertest.Way{apiservertest.WayPut, apiservertest.WayJSONPatch, apiservertest.WayMergePatch, apiservertest.WayStrategicPatch, apiservertest.WayApply}

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

// offence arranges that a write is refused. offend makes an object that a guard refuses; there is an object before, with a uid, or not.
func offence(offend func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic)) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
	return func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
		t.Helper()
		k := server.NewKafka(t, 3)
		topic := newTopic(k, "orders")
		var stored *v1beta1.KafkaTopic
		switch {
		case way == apiservertest.WayLastFinalizer:
			topic.Finalizers = []string{"example.com/hold"}
			mustDelete(t, mustCreate(t, topic))
			stored = mustGet(t, topic)
		case !way.Creates():
			stored = mustCreate(t, topic)
		}
		if stored != nil {
			topic = stored.DeepCopy()
		}
		offend(t, k, topic)
		before := k.Topics(t)
		return apiservertest.Attempt[*v1beta1.KafkaTopic]{Object: topic, Unchanged: func(t *testing.T) {
			t.Helper()
			if got := k.Topics(t); !equality.Semantic.DeepEqual(got, before) {
				t.Errorf("the brokers had %+v and have %+v", before, got)
			}
			got, err := topicsOf(server.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
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
		}}
	}
}

// Nothing that a guard of a spec refuses is stored or done, whichever way it comes.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	client := server.Client.KafkaV1beta1().RESTClient()
	partitions := func(number int32) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
		return offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = &number })
	}
	going := apiservertest.Answer{Code: 422, Why: "the spec of what is about to go is not changed any more"}
	table := topicWrites
	table.Guards = []apiservertest.Guard[*v1beta1.KafkaTopic]{
		{
			Name: "what is somebody's needs own", Client: user.KafkaV1beta1().RESTClient(), Code: 403, Words: `"own"`,
			Arrange: offence(func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				if topic.UID == "" {
					k.CreateTopic(t, topic.Name, 3, 2)
					return
				}
				k.DeleteTopic(t, topic.Name)
				k.CreateTopic(t, topic.Name, 3, 2)
				topic.Spec.AdoptTopicID = k.Topics(t)[topic.Name].ID
			}),
			Beside: map[apiservertest.Way]apiservertest.Answer{
				apiservertest.WayScale:         {Code: 422, Why: "a scale takes over nothing: the topic is not the object's"},
				apiservertest.WayLastFinalizer: going,
			},
		},
		{Name: "two billion partitions are too many", Client: client, Code: 422, Words: "partitions", Arrange: partitions(2_000_000_000),
			Beside: map[apiservertest.Way]apiservertest.Answer{apiservertest.WayLastFinalizer: going}},
		{Name: "ten thousand are added at most", Client: client, Code: 422, Words: "at most", Arrange: partitions(10_004),
			Beside: map[apiservertest.Way]apiservertest.Answer{apiservertest.WayLastFinalizer: going}},
		{Name: "a cluster takes so many", Client: client, Code: 422, Words: "takes at most", Arrange: partitions(9_000),
			Beside: map[apiservertest.Way]apiservertest.Answer{apiservertest.WayLastFinalizer: going}},
		{
			Name: "brokers refuse", Client: client, Code: 422, Words: "spec.replicas",
			Arrange: offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				topic.Spec.Replicas = ptr.To[int32](9)
			}),
			Beside: map[apiservertest.Way]apiservertest.Answer{
				apiservertest.WayScale:         {Code: 200, Why: "a scale says nothing of replicas"},
				apiservertest.WayLastFinalizer: going,
			},
		},
	}
	table.Test(t)
}

// Whichever way an object goes, its last spec decides whether its topic stays.
func TestTheLastSpecDecides(t *testing.T) {
	t.Parallel()
	deletion := func(policy v1beta1.TopicDeletionPolicy) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = policy }
	}
	type way struct {
		name string
		by   apiservertest.Way
		// terminating says that the last finalizer goes, atOnce that the same request says what stays.
		terminating, atOnce bool
	}
	ends := []way{{name: "DELETE", by: apiservertest.WayDelete}, {name: "deletecollection", by: apiservertest.WayDeleteCollection}}
	// An apply does not take a finalizer that it has not set.
	for _, by := range specWays[:4] {
		ends = append(ends, way{name: "the last finalizer, by " + string(by), by: by, terminating: true},
			way{name: "the last finalizer, by " + string(by) + " that says so", by: by, terminating: true, atOnce: true})
	}
	for _, end := range ends {
		for was, is := range map[v1beta1.TopicDeletionPolicy]v1beta1.TopicDeletionPolicy{
			v1beta1.TopicDelete: v1beta1.TopicRetain, v1beta1.TopicRetain: v1beta1.TopicDelete,
		} {
			t.Run(fmt.Sprintf("%s/%s then %s", end.name, was, is), func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				topic := newTopic(k, "orders", deletion(was))
				if end.terminating {
					topic.Finalizers = []string{"example.com/hold"}
				}
				topic = mustCreate(t, topic)
				if end.terminating {
					mustDelete(t, topic)
					topic = mustGet(t, topic)
				}
				topic.Spec.DeletionPolicy = is
				client := server.Client.KafkaV1beta1().RESTClient()
				if !end.atOnce {
					if err := topicWrites.Request(t, client, apiservertest.WayPut, topic).Do(t.Context()).Error(); err != nil {
						t.Fatal(err)
					}
					topic = mustGet(t, topic)
				}
				topic.Finalizers = nil
				if err := topicWrites.Request(t, client, end.by, topic).Param("dryRun", metav1.DryRunAll).Do(t.Context()).Error(); err != nil {
					t.Errorf("dry run: %v", err)
				}
				if id := k.Topics(t)["orders"].ID; id != topic.Status.TopicID || len(claimsOn(t, k)) != 1 {
					t.Errorf("after a dry run the topic is %q, the claims are %v", id, claimsOn(t, k))
				}
				if err := topicWrites.Request(t, client, end.by, topic).Do(t.Context()).Error(); err != nil {
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
		if err := topicWrites.Request(t, client, apiservertest.WayApply, topic).Do(t.Context()).Error(); err != nil {
			t.Fatalf("apply %d: %v", i, err)
		}
		topic.Spec.Config = v1beta1.TopicConfig{"retention.ms": fmt.Sprint(1000 + i)}
		if err := topicWrites.Request(t, client, apiservertest.WayApply, topic).Do(t.Context()).Error(); err != nil {
			t.Fatalf("apply %d again: %v", i, err)
		}
		mustDelete(t, topic)
	}
}
