package kafkatopic_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

func TestADeleteIsDoneWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	mustDelete(t, topic)
	expectNothing(t, k, "orders")
	// The name is free at once, and the topic another one.
	if again := mustCreate(t, newTopic(k, "orders")); again.Status.TopicID == topic.Status.TopicID {
		t.Error("the topic is the old one")
	}
}

func TestARetainedTopicStays(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicRetain }))
	mustDelete(t, topic)
	if have := k.Topics(t)["orders"]; have.ID != topic.Status.TopicID {
		t.Errorf("the brokers have %+v, want topic %s", have, topic.Status.TopicID)
	}
	apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if adopted := mustCreate(t, newTopic(k, "orders")); adopted.Status.TopicID != topic.Status.TopicID {
		t.Error("the topic is another one")
	}
}

// The policy that counts is the one at the end.
func TestRetainCanBeDecidedLater(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"deletionPolicy":"Retain"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	mustDelete(t, topic)
	if have := k.Topics(t)["orders"]; have.ID != topic.Status.TopicID {
		t.Errorf("the brokers have %+v, want topic %s", have, topic.Status.TopicID)
	}
}

func TestADeleteWithoutBrokersIsFinishedLater(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Refuse()
	client, warnings := server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "its topic is deleted when the brokers are back") {
		t.Errorf("the warning is %q", text)
	}
	if n := countObjects(t, k.Object.Namespace); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	if have := k.Topics(t)["orders"]; have.ID != topic.Status.TopicID {
		t.Fatalf("the brokers have %+v", have)
	}
	k.Return()
	apiservertest.Eventually(t, "the topic and its claim go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
}

func TestACollectionIsDeletedLater(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	keep := mustCreate(t, newTopic(k, "keep", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicRetain }))
	for _, name := range []string{"a", "b", "c"} {
		mustCreate(t, newTopic(k, name))
	}
	k.Refuse()
	if err := topicsOf(server.Client, k).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := countObjects(t, k.Object.Namespace); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	k.Return()
	apiservertest.Eventually(t, "three topics and all claims go", func() bool { return len(k.Topics(t)) == 1 && len(claimsOn(t, k)) == 0 })
	if have := k.Topics(t)["keep"]; have.ID != keep.Status.TopicID {
		t.Errorf("the brokers have %+v", have)
	}
}

// A tombstone means one topic, not a name: whoever makes a topic of that name meanwhile keeps it.
func TestATombstoneNeverDeletesALaterTopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	marker := mustCreate(t, newTopic(k, "marker"))
	k.Refuse()
	for _, name := range []string{"orders", "marker"} {
		if err := topicsOf(server.Client, k).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody deletes the topic on the brokers and makes another of that name.
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 1, 1)
	id := k.Topics(t)["orders"].ID
	k.Return()
	apiservertest.Eventually(t, "the sweeper has worked", func() bool { return len(claimsOn(t, k)) == 0 })
	have := k.Topics(t)
	if have["orders"].ID != id {
		t.Errorf("the later topic is gone: %+v", have)
	}
	if _, there := have["marker"]; there {
		t.Errorf("the topic %s of a deleted object is left", marker.Status.TopicID)
	}
}

// The next object of a name takes the tombstone over: the old topic goes first, whether it comes back or not.
func TestANameThatIsStillToBeDeletedCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	first := mustCreate(t, newTopic(k, "orders"))
	k.Refuse()
	mustDelete(t, first)
	second := mustCreate(t, newTopic(k, "orders"))
	expectReady(t, second, metav1.ConditionFalse, "ClusterUnreachable")
	mustDelete(t, second)
	third := mustCreate(t, newTopic(k, "orders", from(server.Namespace(), "orders")))
	expectReady(t, third, metav1.ConditionFalse, "ClusterUnreachable")
	k.Return()
	apiservertest.Eventually(t, "the first topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there })
	// The third object owns the name from now on.
	third.Labels = map[string]string{"x": "y"}
	third.Spec.Config = map[string]string{"retention.ms": "1"}
	updated, err := server.Client.KafkaV1beta1().KafkaTopics(third.Namespace).Update(t.Context(), third, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if have := k.Topics(t)["orders"]; have.ID != updated.Status.TopicID || have.ID == first.Status.TopicID {
		t.Errorf("the brokers have %+v, the first was %s, the third is %s", have, first.Status.TopicID, updated.Status.TopicID)
	}
}

func TestATakenOverTombstoneIsCarriedOutByTheCreate(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	first := mustCreate(t, newTopic(k, "orders"))
	// The brokers serve, but do not delete for now.
	var deletes atomic.Bool
	k.ControlKey(20, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if deletes.Load() {
			return nil, nil, false
		}
		asked := request.(*kmsg.DeleteTopicsRequest)
		response := request.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range asked.Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.TopicID, answer.ErrorCode = topic.TopicID, -1 // UNKNOWN_SERVER_ERROR
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	client, warnings := server.Warned(t)
	if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "its topic is not yet") {
		t.Errorf("the warning is %q", text)
	}
	one := func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](1) }
	_, err := create(server.Client, newTopic(k, "orders", one))
	expectStatus(t, err, 500, "UNKNOWN_SERVER_ERROR")

	deletes.Store(true)
	second := mustCreate(t, newTopic(k, "orders", one))
	have := k.Topics(t)["orders"]
	if have.ID != second.Status.TopicID || have.ID == first.Status.TopicID || len(have.Partitions) != 1 {
		t.Errorf("the brokers have %+v, the first was %s, the second is %s", have, first.Status.TopicID, second.Status.TopicID)
	}
}

// An object may be deleted and made again before it ever had a topic.
func TestANameWithoutATopicIsFreeWhenItsObjectGoes(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.Refuse()
	mustDelete(t, mustCreate(t, newTopic(k, "orders")))
	mustCreate(t, newTopic(k, "mine", from(server.Namespace(), "orders")))
}

// The answer to a create is lost and its object is deleted before anybody knows that there is a topic: it goes all the same, if it is
// as the object would have made it, and nobody has used it. One that was never asked for is somebody's.
func TestATopicThatNobodyRecordedGoesWithItsObject(t *testing.T) {
	later := putForward(t)
	k := server.NewKafka(t, 3)
	like := func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](3), ptr.To[int32](1)
	}
	var objects []*v1beta1.KafkaTopic
	for _, name := range []string{"same", "used", "other"} {
		loseCreate(k)
		objects = append(objects, mustCreate(t, newTopic(k, name, like)))
	}
	k.Refuse()
	objects = append(objects, mustCreate(t, newTopic(k, "unasked", like)))
	k.CreateTopic(t, "same", 3, 1)
	k.CreateTopic(t, "used", 3, 1)
	k.Produce(t, "used")
	k.CreateTopic(t, "other", 4, 1)
	k.CreateTopic(t, "unasked", 3, 1)
	for _, topic := range objects {
		mustDelete(t, topic)
	}
	k.Return()
	apiservertest.Eventually(t, "the topic that is the object's goes", func() bool { _, there := k.Topics(t)["same"]; return !there })
	apiservertest.Eventually(t, "the claims go", func() bool {
		later()
		return len(claimsOn(t, k)) == 0
	})
	if have := k.Topics(t); len(have) != 3 || len(have["used"].Partitions) != 3 || len(have["other"].Partitions) != 4 || len(have["unasked"].Partitions) != 3 {
		t.Errorf("the brokers have %+v", have)
	}
}

func TestAFinalizerHoldsTheTopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Finalizers = []string{"example.com/hold"} }))
	mustDelete(t, topic)
	if _, there := k.Topics(t)["orders"]; !there {
		t.Fatal("the topic went before its object")
	}
	if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "topic and claim go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
}

func TestTopicsOfAKafkaThatIsGoneAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	if err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Delete(t.Context(), "k", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	mustDelete(t, topic)
	apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
}

// A controller that finds the topic of a deleted object under the name of a new one must not adopt it: it is about to go.
func TestAControllerCannotAdoptADoomedTopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	former := mustCreate(t, newTopic(k, "orders"))
	k.Refuse()
	if err := topicsOf(server.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	topic := mustCreate(t, newTopic(k, "orders"))
	topic.Status.TopicID = former.Status.TopicID
	_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
	expectStatus(t, err, 409, "about to be deleted")
}
