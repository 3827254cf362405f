package kafkatopic_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// from makes a topic of another namespace, with a name on the brokers.
func from(namespace, topicName string) func(*v1beta1.KafkaTopic) {
	return func(topic *v1beta1.KafkaTopic) {
		topic.Spec.ClusterRef.Namespace = topic.Namespace
		topic.Namespace, topic.Spec.TopicName = namespace, topicName
	}
}

func TestOneTopicHasOneObject(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	other := server.Namespace()
	mustCreate(t, newTopic(k, "team.orders"))
	for _, tc := range []struct {
		name  string
		topic *v1beta1.KafkaTopic
		code  int32
		words []string
	}{
		{"the same object", newTopic(k, "team.orders"), 409, []string{"already exists"}},
		{"another object for the topic", newTopic(k, "alias", func(topic *v1beta1.KafkaTopic) { topic.Spec.TopicName = "team.orders" }), 422,
			[]string{`"team.orders"`, `KafkaTopic "team.orders" in namespace "` + k.Object.Namespace}},
		{"from another namespace", newTopic(k, "orders", from(other, "team.orders")), 422, []string{`KafkaTopic "team.orders"`}},
		{"a name that collides", newTopic(k, "team_orders"), 422, []string{`"team_orders" collides with topic "team.orders"`, "'.' and '_'"}},
		{"a chosen name that collides", newTopic(k, "orders", from(other, "team_orders")), 422, []string{"collides"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
				_, err := create(server.Client, tc.topic, dryRun...)
				expectStatus(t, err, tc.code, tc.words...)
			}
		})
	}
	if got := claimsOn(t, k); !slices.Equal(got, []string{"team.orders"}) {
		t.Errorf("claims are %v", got)
	}
	if n := len(k.Topics(t)); n != 1 {
		t.Errorf("the brokers have %d topics", n)
	}
	// Another Kafka is another place.
	mustCreate(t, newTopic(server.NewKafka(t, 3), "team.orders"))
}

// Who may not see the other object does not learn its name.
func TestAClaimKeepsItsOwnerSecret(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	client, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "get" })
	_, err := create(client, newTopic(k, "mine", from(server.Namespace(), "orders")))
	expectStatus(t, err, 422, "managed by another KafkaTopic")
	if strings.Contains(err.Error(), "in namespace") {
		t.Errorf("the message tells whose it is: %v", err)
	}
}

func TestManyCreatesOfOneTopicHaveOneWinner(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	other := server.Namespace()
	var mu sync.Mutex
	var winners []string
	var wg sync.WaitGroup
	for i := range 20 {
		topic := newTopic(k, fmt.Sprintf("orders-%d", i), func(topic *v1beta1.KafkaTopic) { topic.Spec.TopicName = "orders" })
		if i%2 == 1 {
			topic = newTopic(k, fmt.Sprintf("orders-%d", i), from(other, "orders"))
		}
		wg.Go(func() {
			_, err := create(server.Client, topic)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				winners = append(winners, topic.Namespace+"/"+topic.Name)
			case !apierrors.IsConflict(err) && !apierrors.IsInvalid(err):
				t.Errorf("%s: %v, want a conflict or that it is a duplicate", topic.Name, err)
			}
		})
	}
	wg.Wait()
	if len(winners) != 1 {
		t.Errorf("winners are %v, want one", winners)
	}
	if n := countObjects(t, k.Object.Namespace, other); n != 1 {
		t.Errorf("%d objects are stored, want one", n)
	}
}

func countObjects(t *testing.T, namespaces ...string) int {
	t.Helper()
	n := 0
	for _, namespace := range namespaces {
		list, err := server.Client.KafkaV1beta1().KafkaTopics(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.Items)
	}
	return n
}

// A refused create gives its claim back: the next one, by whomever, is not in its way.
func TestARefusedCreateFreesTheName(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	_, err := create(server.Client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](9) }))
	expectStatus(t, err, 422)
	mustCreate(t, newTopic(k, "mine", from(server.Namespace(), "orders")))
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "legacy", 4, 2)
	id := k.Topics(t)["legacy"].ID
	for _, tc := range []struct {
		name   string
		change func(*v1beta1.KafkaTopic)
		words  []string
	}{
		{"with fewer partitions", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](3) }, []string{"spec.partitions", "set 4 to adopt it"}},
		{"with more partitions", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](5) }, []string{"spec.partitions", "set 4 to adopt it"}},
		{"with other replicas", func(topic *v1beta1.KafkaTopic) {
			topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](4), ptr.To[int32](3)
		}, []string{"spec.replicas", "set 2 to adopt it"}},
	} {
		_, err := create(server.Client, newTopic(k, "legacy", tc.change))
		expectStatus(t, err, 422, tc.words...)
	}
	if got := claimsOn(t, k); len(got) != 0 {
		t.Errorf("claims are left: %v", got)
	}
	k.Forget()
	adopted := mustCreate(t, newTopic(k, "legacy", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions, topic.Spec.Replicas = nil, nil }))
	if adopted.Status.TopicID != id || ptr.Deref(adopted.Spec.Partitions, 0) != 4 || ptr.Deref(adopted.Spec.Replicas, 0) != 2 {
		t.Errorf("adopted as %+v with %+v, the topic is %s", adopted.Spec, adopted.Status, id)
	}
	// The question whether the topic could be created is how it is found.
	if got := kinds(k); !slices.Equal(got, []string{"CreateTopics"}) {
		t.Errorf("the brokers got %v for a topic that is as it should be", got)
	}
	expectReady(t, adopted, metav1.ConditionTrue, "Ready")
	// Its records were somebody's before.
	if adopted.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("the topic would be deleted with the object: %s", adopted.Spec.DeletionPolicy)
	}
	mustDelete(t, adopted)
	if have := k.Topics(t)["legacy"]; have.ID != id {
		t.Errorf("the brokers have %+v, want topic %s", have, id)
	}
}

func TestATopicThatGrewOutsideIsAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Grow(t, "orders", 6)
	topic.Spec.Config = map[string]string{"retention.ms": "1000"}
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := ptr.Deref(updated.Spec.Partitions, 0); got != 6 || updated.Status.Partitions != 6 || updated.Status.ObservedGeneration != updated.Generation {
		t.Errorf("spec has %d partitions, status %d; generation %d, observed %d", got, updated.Status.Partitions, updated.Generation, updated.Status.ObservedGeneration)
	}
}

// A number of replicas that somebody else gave a topic can be written down.
func TestTheReplicasThatATopicHasCanBeWritten(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 3)
	topic.Spec.AdoptTopicID, topic.Spec.Replicas = k.Topics(t)["orders"].ID, ptr.To[int32](1)
	_, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "spec.replicas", "the topic has 3")
	topic.Spec.Replicas = ptr.To[int32](3)
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, updated, metav1.ConditionTrue, "Ready")
}

func TestATopicThatIsGoneIsMadeAgainByAnUpdate(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.DeleteTopic(t, "orders")
	topic.Spec.Config = map[string]string{"retention.ms": "1000"}
	updated, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	have, there := k.Topics(t)["orders"]
	if !there || updated.Status.TopicID != have.ID || have.ID == topic.Status.TopicID {
		t.Errorf("the brokers have %+v, the status %s (was %s)", have, updated.Status.TopicID, topic.Status.TopicID)
	}
	// What is deleted in the end is the new one.
	mustDelete(t, updated)
	expectNothing(t, k, "orders")
}
