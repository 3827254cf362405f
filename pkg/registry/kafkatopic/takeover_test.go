package kafkatopic_test

import (
	"cmp"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
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

// somebodys is an object of a tenant that waits because the topic of its name was there before, and is somebody's.
func somebodys(t *testing.T, change ...func(*v1beta1.KafkaTopic)) (k *apiservertest.Kafka, id string) {
	t.Helper()
	tenant, _ := server.As(t, without("own"))
	k = server.NewKafka(t, 3)
	k.CreateTopic(t, "orders", 3, 2)
	k.Produce(t, "orders")
	k.Refuse()
	if _, err := create(tenant, newTopic(k, "orders", change...)); err != nil {
		t.Fatal(err)
	}
	k.Return()
	brokersServe(t, k, "orders")
	return k, k.Topics(t)["orders"].ID
}

// Who has the right to all topics and changes an object of somebody does not take over a topic for it by that, unless the change says so, or
// makes the object agree with the topic.
func TestAChangeTakesOverWhatItAsksFor(t *testing.T) {
	t.Parallel()
	policy := func(policy v1beta1.TopicDeletionPolicy) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = policy }
	}
	two := func(topic *v1beta1.KafkaTopic) { *topic.Spec.Partitions = 2 }
	for name, tc := range map[string]struct {
		stored []func(*v1beta1.KafkaTopic)
		change string
		// refused are the words of a refusal, and then what becomes of a topic that is taken over.
		refused string
		then    v1beta1.TopicDeletionPolicy
	}{
		"another policy of drift":               {change: `{"driftPolicy":"Report"}`, refused: "set spec.adoptTopicID to $ID"},
		"another policy of drift, no agreement": {stored: []func(*v1beta1.KafkaTopic){two}, change: `{"driftPolicy":"Report"}`, refused: "set 3 to adopt it"},
		"a setting":                             {change: `{"config":{"retention.ms":"1000"}}`, refused: "spec.config"},
		"more partitions":                       {change: `{"partitions":4}`, refused: "set 3 to adopt it"},
		"agreement":                             {stored: []func(*v1beta1.KafkaTopic){two}, change: `{"partitions":3}`, then: v1beta1.TopicRetain},
		"agreement, and it is to go":            {stored: []func(*v1beta1.KafkaTopic){two, policy(v1beta1.TopicDelete)}, change: `{"partitions":3}`, then: v1beta1.TopicDelete},
		"its id":                                {change: `{"adoptTopicID":"$ID"}`, then: v1beta1.TopicRetain},
		"its id, and it is to stay":             {stored: []func(*v1beta1.KafkaTopic){policy(v1beta1.TopicRetain)}, change: `{"adoptTopicID":"$ID"}`, then: v1beta1.TopicRetain},
		"its id, and it is to go":               {stored: []func(*v1beta1.KafkaTopic){policy(v1beta1.TopicDelete)}, change: `{"adoptTopicID":"$ID"}`, then: v1beta1.TopicDelete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, id := somebodys(t, tc.stored...)
			client, warnings := server.Warned(t)
			for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
				changed, err := topicsOf(client, k).Patch(t.Context(), "orders", types.MergePatchType,
					[]byte(`{"spec":`+strings.ReplaceAll(tc.change, "$ID", id)+`}`), metav1.PatchOptions{DryRun: dryRun})
				if tc.refused != "" {
					expectStatus(t, err, 422, strings.ReplaceAll(tc.refused, "$ID", id))
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if changed.Spec.DeletionPolicy != tc.then {
					t.Errorf("dry run %v: the policy is %q, want %s", dryRun, changed.Spec.DeletionPolicy, tc.then)
				}
				said := onlyWarning(t, warnings)
				for _, word := range []string{"topic orders", "taken over", "spec.deletionPolicy is " + string(tc.then)} {
					if !strings.Contains(said, word) {
						t.Errorf("dry run %v: the warning does not say %q: %s", dryRun, word, said)
					}
				}
			}
			got := mustGet(t, newTopic(k, "orders"))
			if has := got.Status.TopicID == id; has != (tc.refused == "") || tc.refused != "" && got.Generation != 1 {
				t.Errorf("it is stored as %+v with %+v", got.Spec, got.Status)
			}
			if have := k.Topics(t)["orders"]; len(have.Partitions) != 3 || len(k.Config(t, "orders")) != 0 {
				t.Errorf("the brokers have %+v with %v", have, k.Config(t, "orders"))
			}
		})
	}
}

// So does a create.
func TestACreateTellsWhatItTakesOver(t *testing.T) {
	t.Parallel()
	for _, policy := range []v1beta1.TopicDeletionPolicy{"", v1beta1.TopicDelete} {
		k := server.NewKafka(t, 3)
		k.CreateTopic(t, "orders", 3, 2)
		client, warnings := server.Warned(t)
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
			if _, err := create(client, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = policy }), dryRun...); err != nil {
				t.Fatal(err)
			}
			then := cmp.Or(policy, v1beta1.TopicRetain)
			if said := onlyWarning(t, warnings); !strings.Contains(said, "topic orders") || !strings.Contains(said, "taken over") || !strings.Contains(said, "spec.deletionPolicy is "+string(then)) {
				t.Errorf("dry run %v: the warning is %q", dryRun, said)
			}
		}
	}
}

// A dry run shows of a topic that was taken over before, and whose policy is open, what the change would fill in.
func TestADryRunShowsTheOpenPolicyOfWhatWasTakenOver(t *testing.T) {
	t.Parallel()
	k, topic, id := foundLater(t, nil)
	if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		changed, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{DryRun: dryRun})
		if err != nil || changed.Spec.DeletionPolicy != v1beta1.TopicRetain {
			t.Errorf("dry run %v: %+v, %v", dryRun, changed.Spec, err)
		}
	}
}

// A change is judged when the brokers do not have the topic, and somebody else's is there when it is carried out: nobody has asked to take it over.
func TestAChangeTakesOverNothingThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	tenant, _ := server.As(t, without("own"))
	for name, tc := range map[string]struct {
		client versioned.Interface
		// come has somebody make the topic.
		come func(t *testing.T, k *apiservertest.Kafka)
		word string
	}{
		"by somebody":                   {tenant, func(t *testing.T, k *apiservertest.Kafka) { k.CreateTopic(t, "orders", 3, 2) }, "set spec.adoptTopicID to"},
		"by an object on another Kafka": {server.Client, func(t *testing.T, k *apiservertest.Kafka) { mustCreate(t, newTopic(k, "orders")) }, "on another Kafka"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			twin := twinOf(t, server, k)
			k.Refuse()
			if _, err := create(tc.client, newTopic(twin, "orders")); err != nil {
				t.Fatal(err)
			}
			k.Return()
			brokersAnswer(t, twin)
			var came atomic.Bool
			k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
				k.KeepControl()
				if !request.(*kmsg.CreateTopicsRequest).ValidateOnly && !came.Swap(true) {
					k.SleepControl(func() { tc.come(t, k) })
				}
				return nil, nil, false
			})
			client, warnings := server.Warned(t)
			changed, err := topicsOf(client, twin).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if said := onlyWarning(t, warnings); !strings.Contains(said, "stored, not carried out") {
				t.Errorf("the warning is %q", said)
			}
			expectStalled(t, changed, topics.ReasonTopicExists)
			ready := meta.FindStatusCondition(changed.Status.Conditions, v1beta1.ConditionReady)
			if changed.Status.TopicID != "" || !strings.Contains(ready.Message, tc.word) || strings.Contains(ready.Message, k.Object.Namespace) {
				t.Errorf("it has %+v", changed.Status)
			}
		})
	}
}
