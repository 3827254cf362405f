package kafkatopic_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Who goes away after a topic was taken over leaves no object, and what was somebody's before stays.
func TestATopicThatWasTakenOverOutlivesACreateThatIsNotStored(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "legacy", 3, 2)
	k.Produce(t, "legacy")
	id := k.Topics(t)["legacy"].ID
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int32
	client, _ := server.As(t, func(a authorizer.Attributes) bool {
		// The first question is for the claim, the second comes when the topic is taken over.
		if a.GetVerb() == "own" && asked.Add(1) == 2 {
			cancel()
			time.Sleep(500 * time.Millisecond)
		}
		return true
	})
	if _, err := topicsOf(client, k).Create(ctx, newTopic(k, "legacy"), metav1.CreateOptions{}); err == nil {
		t.Fatal("it was created")
	}
	// The sweeper looks at once.
	time.Sleep(time.Second)
	if have := k.Topics(t)["legacy"]; have.ID != id {
		t.Errorf("the brokers have %+v, want topic %s with its records", have, id)
	}
}

// What an object found on the brokers when these came back is not the object's until who may take it over says so.
func TestAChangeTakesOverNothing(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for _, tc := range []struct {
		name   string
		change func(k *apiservertest.Kafka) error
	}{
		{"patch", func(k *apiservertest.Kafka) error {
			_, err := topicsOf(user, k).Patch(t.Context(), "legacy", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
			return err
		}},
		{"scale", func(k *apiservertest.Kafka) error {
			_, err := topicsOf(user, k).UpdateScale(t.Context(), "legacy", &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "legacy", Namespace: k.Object.Namespace},
				Spec: autoscalingv1.ScaleSpec{Replicas: 3}}, metav1.UpdateOptions{})
			return err
		}},
		{"log", func(k *apiservertest.Kafka) error {
			_, err := user.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkatopics").Name("legacy").SubResource("log").DoRaw(t.Context())
			return err
		}},
		{"truncate", func(k *apiservertest.Kafka) error {
			_, err := topicsOf(user, k).Truncate(t.Context(), "legacy", truncation(map[int32]int64{0: -1}), metav1.CreateOptions{})
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := server.NewKafka(t, 3)
			k.CreateTopic(t, "legacy", 3, 2)
			k.Produce(t, "legacy")
			id := k.Topics(t)["legacy"].ID
			k.Refuse()
			if _, err := create(user, newTopic(k, "legacy")); err != nil {
				t.Fatal(err)
			}
			k.Return()
			apiservertest.Eventually(t, "brokers are back", func() bool {
				_, err := topicsOf(user, k).GetScale(t.Context(), "legacy", metav1.GetOptions{})
				return served(err)
			})
			err := tc.change(k)
			words := []string{`"own"`}
			if tc.name == "log" {
				// The client reads a stream here, and not the words of a Status.
				words = nil
			}
			expectStatus(t, err, 403, words...)
			mustDelete(t, newTopic(k, "legacy"))
			if have := k.Topics(t)["legacy"]; have.ID != id {
				t.Errorf("the brokers have %+v, want %s", have, id)
			}
		})
	}
}

// An object on its way out takes over no more than any other.
func TestATerminatingObjectTakesOverNothing(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	topic, err := create(user, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Finalizers = []string{"example.com/hold"} }))
	if err != nil {
		t.Fatal(err)
	}
	mustDelete(t, topic)
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	id := k.Topics(t)["orders"].ID
	_, err = topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"adoptTopicID":"`+id+`"}}`), metav1.PatchOptions{})
	expectStatus(t, err, 422, "spec.adoptTopicID", "finalizers")
	_, err = topicsOf(user, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: k.Object.Namespace},
		Spec: autoscalingv1.ScaleSpec{Replicas: 3}}, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "adoptTopicID")
	if _, err := topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if have := k.Topics(t)["orders"]; have.ID != id {
		t.Errorf("the brokers have %+v, want %s", have, id)
	}
}

// What a former object left to be deleted is not the next one's.
func TestAChangeTakesOverNoDoomedTopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	former := mustCreate(t, newTopic(k, "orders"))
	k.Refuse()
	mustDelete(t, former)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.ControlKey(20, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		asked := request.(*kmsg.DeleteTopicsRequest)
		response := request.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range asked.Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.TopicID, answer.ErrorCode = topic.TopicID, -1 // UNKNOWN_SERVER_ERROR
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	k.Return()
	apiservertest.Eventually(t, "brokers are back", func() bool {
		_, err := topicsOf(server.Client, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
		return served(err)
	})
	topic = mustGet(t, topic)
	topic.Spec.DriftPolicy = v1beta1.DriftReport
	_, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{})
	expectStatus(t, err, 409, "about to be deleted")
	if !apierrors.HasStatusCause(err, topics.CauseDeletionPending) {
		t.Errorf("the conflict has no cause: %v", err)
	}
	reported := mustGet(t, topic)
	reported.Status.TopicID = former.Status.TopicID
	_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), reported, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.HasStatusCause(err, topics.CauseDeletionPending) {
		t.Errorf("the dry run of a status has no cause: %v", err)
	}
	if claim := claimOn(t, k, "orders"); claim.ID != "" {
		t.Errorf("the object has the doomed topic %s: %s", former.Status.TopicID, claim.ID)
	}
}

// A dry run of a status writes nothing.
func TestADryRunOfAStatusWritesNoClaim(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "legacy", 3, 2)
	id := k.Topics(t)["legacy"].ID
	k.Refuse()
	user, _ := server.As(t, without("own"))
	topic, err := create(user, newTopic(k, "legacy"))
	if err != nil {
		t.Fatal(err)
	}
	k.Return()
	apiservertest.Eventually(t, "brokers are back", func() bool {
		_, err := topicsOf(user, k).GetScale(t.Context(), "legacy", metav1.GetOptions{})
		return served(err)
	})
	topic.Status.TopicID = id
	_, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		t.Error(err)
	}
	if got := claimOn(t, k, "legacy"); got.ID != "" {
		t.Errorf("the claim is %+v", got)
	}
}
