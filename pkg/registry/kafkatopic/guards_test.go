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
		apiservertest.WayPutCreate:        {Code: 404, Words: "not found", Why: "an update makes no topic"},
		apiservertest.WayStatus:           {Code: 200, Words: `"topicID":`, Why: "a status says nothing of the spec"},
		apiservertest.WayDeparture:        {Code: 200, Words: `"deletionTimestamp":`, Why: "what goes says nothing of the spec"},
		apiservertest.WayDelete:           {Code: 200, Words: `"status":"Success"`, Why: "a delete says nothing of the spec"},
		apiservertest.WayDeleteCollection: {Code: 200, Words: `"KafkaTopicList"`, Why: "a delete says nothing of the spec"},
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
		if !way.Creates() {
			stored = placed(t, topic, way)
			topic = stored.DeepCopy()
		}
		offend(t, k, topic)
		before, claims := k.Topics(t), claimTexts(t, k)
		get := func(t *testing.T) (*v1beta1.KafkaTopic, error) {
			t.Helper()
			return topicsOf(server.Client, k).Get(t.Context(), topic.Name, metav1.GetOptions{})
		}
		return apiservertest.Attempt[*v1beta1.KafkaTopic]{Object: topic, Stored: stored.DeepCopy(), Unchanged: func(t *testing.T) {
			t.Helper()
			expectSame(t, "topics", before, k.Topics(t))
			expectSame(t, "claims", claims, claimTexts(t, k))
			got, err := get(t)
			switch {
			case stored == nil:
				if !apierrors.IsNotFound(err) {
					t.Errorf("it is there: %v", err)
				}
			case err != nil:
				t.Error(err)
			case !equality.Semantic.DeepEqual(got.Spec, stored.Spec):
				t.Errorf("the spec was stored: %+v", got.Spec)
			}
		}, Done: func(t *testing.T) {
			t.Helper()
			if _, err := get(t); !apierrors.IsNotFound(err) {
				t.Errorf("it is there: %v", err)
			}
			delete(claims, "orders")
			apiservertest.Eventually(t, "its claim goes, and no other", func() bool { return equality.Semantic.DeepEqual(claims, claimTexts(t, k)) })
			// What is somebody's stays, whatever its name.
			if before["orders"].ID == stored.Status.TopicID {
				delete(before, "orders")
			}
			expectSame(t, "topics", before, k.Topics(t))
		}}
	}
}

// placed stores an object, which is deleted and waits for its finalizers if a way needs that.
func placed(t *testing.T, topic *v1beta1.KafkaTopic, way apiservertest.Way) *v1beta1.KafkaTopic {
	t.Helper()
	if way.Departs() {
		topic.Finalizers = []string{"example.com/hold"}
	}
	stored := mustCreate(t, topic)
	if way.Departs() {
		mustDelete(t, topic)
		stored = mustGet(t, topic)
	}
	return stored
}

// claimTexts are the claims on the names of a cluster, except for what the server notes in them about its own work.
func claimTexts(t *testing.T, k *apiservertest.Kafka) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, claim := range listClaims(t) {
		if claim.Cluster.Namespace == k.Object.Namespace {
			claim.Server, claim.Fence = "", ""
			texts[claim.Name.Name] = string(asJSON(t, claim))
		}
	}
	return texts
}

func expectSame[V any](t *testing.T, what string, before, after map[string]V) {
	t.Helper()
	if !equality.Semantic.DeepEqual(before, after) {
		t.Errorf("%s were %+v and are %+v", what, before, after)
	}
}

// Nothing that a guard of a spec refuses is stored or done, whichever way it comes.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	nobody, _ := server.As(t, without("use"))
	client := server.Client.KafkaV1beta1().RESTClient()
	partitions := func(number int32) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
		return offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = &number })
	}
	// renamed is an offence of the name that a new object has on the brokers.
	renamed := func(name, topicName string) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaTopic] {
		return offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
			if topic.UID == "" {
				topic.Name = name
			}
			if topic.UID != "" || topicName != topic.Name {
				topic.Spec.TopicName = topicName
			}
		})
	}
	going := func(field string) map[apiservertest.Way]apiservertest.Answer {
		return map[apiservertest.Way]apiservertest.Answer{apiservertest.WayLastFinalizer: {Code: 422,
			Words: field + ": Forbidden: the object is deleted as soon as its finalizers are gone", Why: "the spec of what is about to go is not changed any more"}}
	}
	table := topicWrites
	table.Guards = []apiservertest.Guard[*v1beta1.KafkaTopic]{
		{
			Name: "a topic is placed where its maker may use the Kafka", Client: nobody.KafkaV1beta1().RESTClient(), Code: 403, Words: `"use"`,
			Arrange: offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				if topic.UID != "" {
					topic.Spec.ClusterRef.Name = "other"
				}
			}),
			Beside: stays("spec.clusterRef.name"),
		},
		{
			Name: "a chosen name needs own", Client: user.KafkaV1beta1().RESTClient(), Code: 403, Words: `to choose the topic name "payments"`,
			Arrange: renamed("orders", "payments"), Beside: stays("spec.topicName"),
		},
		{
			Name: "a name of another namespace needs own", Client: user.KafkaV1beta1().RESTClient(), Code: 403, Words: `which is one of namespace "tenant"`,
			Arrange: renamed("tenant.orders", "tenant.orders"), Beside: stays("spec.topicName"),
		},
		{
			Name: "a topic has one object", Client: client, Code: 422, Words: `is managed by KafkaTopic "first"`,
			Arrange: offence(func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				t.Helper()
				name := "orders"
				if topic.UID != "" {
					name = "payments"
					topic.Spec.TopicName = name
				}
				mustCreate(t, newTopic(k, "first", func(first *v1beta1.KafkaTopic) {
					first.Spec.TopicName, first.Finalizers = name, []string{"example.com/hold"}
				}))
			}),
			Beside: stays("spec.topicName"),
		},
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
			Beside: and(going("spec.adoptTopicID"), apiservertest.WayScale,
				apiservertest.Answer{Code: 422, Words: "adoptTopicID", Why: "a scale takes over nothing: the topic is not the object's"}),
		},
		{Name: "two billion partitions are too many", Client: client, Code: 422, Words: "partitions", Arrange: partitions(2_000_000_000), Beside: going("spec.partitions")},
		{Name: "ten thousand are added at most", Client: client, Code: 422, Words: "at most", Arrange: partitions(10_004), Beside: going("spec.partitions")},
		{Name: "a cluster takes so many", Client: client, Code: 422, Words: "takes at most", Arrange: partitions(9_000), Beside: going("spec.partitions")},
		{
			Name: "brokers refuse", Client: client, Code: 422, Words: "spec.replicas",
			Arrange: offence(func(_ *testing.T, _ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) {
				topic.Spec.Replicas = ptr.To[int32](9)
			}),
			Beside: and(going("spec.replicas"), apiservertest.WayScale, apiservertest.Answer{Code: 200, Words: `"replicas":3`, Why: "a scale says nothing of replicas"}),
		},
	}
	table.Test(t)
}

func and(answers map[apiservertest.Way]apiservertest.Answer, way apiservertest.Way, answer apiservertest.Answer) map[apiservertest.Way]apiservertest.Answer {
	answers[way] = answer
	return answers
}

// stays are the answers of the ways that write an object which is there: where its topic is, and what it is called there, stay as they are.
func stays(field string) map[apiservertest.Way]apiservertest.Answer {
	answers := map[apiservertest.Way]apiservertest.Answer{
		apiservertest.WayScale: {Code: 200, Words: `"replicas":3`, Why: "a scale says nothing of where a topic is"},
	}
	for _, way := range append([]apiservertest.Way{apiservertest.WayLastFinalizer}, specWays...) {
		answers[way] = apiservertest.Answer{Code: 422, Words: field + ": Invalid value", Why: "where a topic is, and its name there, are immutable"}
	}
	return answers
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
