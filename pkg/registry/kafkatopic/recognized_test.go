package kafkatopic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apistorage "k8s.io/apiserver/pkg/storage"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// adopting is what a controller writes to a status about a topic that it has found.
func adopting(topic *v1beta1.KafkaTopic, id string) *v1beta1.KafkaTopic {
	topic.Status.TopicID = id
	topics.SetConditions(&topic.Status.Conditions, topics.Verdict{Status: metav1.ConditionFalse, Reason: topics.ReasonAdopting}, "", topic.Generation, metav1.Now().Time)
	return topic
}

// wanted is what a claim says of a topic of so many partitions that brokers were asked for.
func wanted(partitions int32) []json.RawMessage {
	return []json.RawMessage{fmt.Appendf(nil, `{"partitions":%d,"replicas":2}`, partitions)}
}

// lostCreate is an object whose brokers were asked for its topic, when they did not have it, and closed the connection. They are away since.
func lostCreate(t *testing.T, k *apiservertest.Kafka, user versioned.Interface) *v1beta1.KafkaTopic {
	t.Helper()
	loseCreate(k)
	topic, err := create(user, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	k.Refuse()
	return topic
}

// An answer is lost, and the object changes while its brokers are away. What was made for the spec that they were asked for is its own, whether
// it stays or goes, and whoever has seen it first. What nobody asked for is not.
func TestWhatWasMadeForAnEarlierSpecIsRecognized(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for _, made := range []int32{3, 4, 5} {
		for what, then := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic, string){
			"deleted": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
				mustDelete(t, topic)
				k.Return()
				apiservertest.Eventually(t, "the topic goes", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
			},
			"found": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
				k.Return()
				apiservertest.Eventually(t, "it is the object's", func() bool { return mustGet(t, topic).Status.TopicID == id })
				apiservertest.Eventually(t, "its claim says so", func() bool {
					standing := claimOn(t, k, "orders")
					return standing.ID == id && !standing.Retain && standing.Wanted == nil
				})
			},
			"reported": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
				k.Return()
				brokersServe(t, k, "orders")
				expectMade(t, k, id)
			},
		} {
			if made != 3 {
				if what != "reported" {
					continue
				}
				then = func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
					k.Return()
					brokersServe(t, k, "orders")
					_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(mustGet(t, topic), id), metav1.UpdateOptions{})
					expectStatus(t, err, 403, `"own"`)
				}
			}
			t.Run(fmt.Sprintf("%d partitions/%s", made, what), func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				topic := lostCreate(t, k, user)
				for _, n := range []int32{4, 5} {
					var err error
					if topic, err = topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(fmt.Sprintf(`{"spec":{"partitions":%d}}`, n)), metav1.PatchOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				k.CreateTopic(t, "orders", made, 2)
				then(t, k, topic, k.Topics(t)["orders"].ID)
			})
		}
	}
}

// What was asked for and did not come within a minute is not waited for any more: what comes later is somebody's.
func TestWhatWasAskedForIsWaitedForAMinute(t *testing.T) {
	later := putForward(t)
	user, _ := server.As(t, without("own"))
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "other"))
	topic := lostCreate(t, k, user)
	k.Return()
	brokersServe(t, k, "other")
	apiservertest.Eventually(t, "the note goes", func() bool {
		later()
		return claimOn(t, k, "orders").Wanted == nil
	})
	k.CreateTopic(t, "orders", 3, 2)
	_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(mustGet(t, topic), k.Topics(t)["orders"].ID), metav1.UpdateOptions{})
	expectStatus(t, err, 403, `"own"`)
}

// Somebody's topic that is as an object says, and that nobody has used yet, is somebody's all the same: when the object was stored nobody could
// be asked. Who made it needs the right to all topics to get it, to read it and to delete it.
func TestAnUnusedTopicIsNotTakenWithoutOwn(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	stored := func(t *testing.T, policy v1beta1.TopicDeletionPolicy) (*apiservertest.Kafka, *v1beta1.KafkaTopic, string) {
		k := server.NewKafka(t, 3)
		k.CreateTopic(t, "orders", 3, 2)
		mustCreate(t, newTopic(k, "other"))
		k.Refuse()
		topic, err := create(user, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = policy }))
		if err != nil {
			t.Fatal(err)
		}
		return k, topic, k.Topics(t)["orders"].ID
	}
	for _, policy := range []v1beta1.TopicDeletionPolicy{"", v1beta1.TopicDelete, v1beta1.TopicRetain} {
		for what, do := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic, string) error{
			"a controller": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{})
				return err
			},
			"a change": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"1000"}}}`), metav1.PatchOptions{})
				return err
			},
			"a change of partitions": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"partitions":4}}`), metav1.PatchOptions{})
				return err
			},
			"an apply": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).Patch(t.Context(), "orders", types.ApplyPatchType, fmt.Appendf(nil,
					`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},"spec":{"clusterRef":{"name":%q},"config":{"retention.ms":"1000"}}}`, k.Object.Name),
					metav1.PatchOptions{FieldManager: "test"})
				return err
			},
			"its scale": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
					ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: topic.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{})
				return err
			},
			"a look at its scale": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
				return err
			},
			"its partitions": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
				return err
			},
			"its settings": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).GetConfigs(t.Context(), "orders", metav1.GetOptions{})
				return err
			},
			"its log": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) error {
				_, err := topicsOf(user, k).GetLog("orders", &v1beta1.KafkaTopicLogOptions{}).DoRaw(t.Context())
				return err
			},
		} {
			t.Run(fmt.Sprintf("%s/%s", policy, what), func(t *testing.T) {
				t.Parallel()
				k, topic, id := stored(t, policy)
				k.Return()
				brokersServe(t, k, "orders")
				expectStatus(t, do(t, k, topic, id), 403)
				mustDelete(t, topic)
				apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 1 })
				if have := k.Topics(t)["orders"]; have.ID != id || len(have.Partitions) != 3 || k.Config(t, "orders")["retention.ms"] == "1000" {
					t.Errorf("the brokers have %+v", have)
				}
			})
		}
		t.Run(fmt.Sprintf("%s/deleted and made again before its brokers are back", policy), func(t *testing.T) {
			t.Parallel()
			k, topic, id := stored(t, policy)
			mustDelete(t, topic)
			apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 1 })
			k.Return()
			brokersServe(t, k, "other")
			_, err := create(user, newTopic(k, "orders"))
			expectStatus(t, err, 403, `"own"`)
			if have := k.Topics(t)["orders"].ID; have != id {
				t.Errorf("the brokers have topic %q, want %s", have, id)
			}
		})
	}
}

// failing is a storage of which one update of a topic fails when it is to be written.
type failing struct {
	apistorage.Interface
	// next counts down the updates until the one that fails.
	next *atomic.Int32
}

func (f failing) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *apistorage.Preconditions, update apistorage.UpdateFunc, cached runtime.Object) error {
	if !strings.Contains(key, "kafkatopics") || f.next.Add(-1) != 0 {
		return f.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
	}
	return f.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, func(have runtime.Object, meta apistorage.ResponseMeta) (runtime.Object, *uint64, error) {
		if _, _, err := update(have, meta); err != nil {
			return nil, nil, err
		}
		return nil, nil, errTimedOut
	}, cached)
}

// startFailing starts a server with such a storage, of which no update fails before next is set.
func startFailing(t *testing.T) (s *apiservertest.Server, next *atomic.Int32) {
	t.Helper()
	next = &atomic.Int32{}
	s, err := apiservertest.Start(apiservertest.Options{Objects: func(i apistorage.Interface) apistorage.Interface { return failing{i, next} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, next
}

// A change makes a topic in the place of one that was deleted, and cannot record it: it is the object's all the same.
func TestWhatAChangeMadeAnewIsRecognized(t *testing.T) {
	t.Parallel()
	s, next := startFailing(t)
	k := s.NewKafka(t, 3)
	created, err := create(s.Client, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	k.DeleteTopic(t, "orders")
	// The first update is that of the spec, the second the record.
	next.Store(2)
	if _, err := setRetention(s, k, "1000"); err != nil {
		t.Fatal(err)
	}
	if next.Load() > 0 {
		t.Fatal("nothing failed")
	}
	id := k.Topics(t)["orders"].ID
	if id == created.Status.TopicID {
		t.Fatal("no topic was made")
	}
	name := storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"}
	apiservertest.Eventually(t, "the topic is the object's", func() bool {
		got, err := topicsOf(s.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		standing, err := s.Claims.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return got.Status.TopicID == id && standing.ID == id && standing.Wanted == nil
	})
	if _, err := setRetention(s, k, "2000"); err != nil {
		t.Error(err)
	}
	if got := k.Config(t, "orders")["retention.ms"]; got != "2000" {
		t.Errorf("the brokers have retention.ms=%s", got)
	}
	// What was noted for a topic that was not made in the end is forgotten.
	standing, err := s.Claims.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claims.Update(t.Context(), standing, func(c *claim) { c.Wanted = wanted(7) }); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the note goes", func() bool {
		s.Clock.Step(inFlight)
		standing, err := s.Claims.Get(t.Context(), name)
		return err == nil && standing.ID == id && standing.Wanted == nil
	})
}

// The server is killed before it recorded what it made anew, and the object is deleted: both topics go.
func TestWhatAChangeMadeAnewGoesWithItsObject(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	standing := claimOn(t, k, "orders")
	if _, err := server.Claims.Update(t.Context(), standing, func(c *claim) { c.Wanted = wanted(3) }); err != nil {
		t.Fatal(err)
	}
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 2)
	k.Refuse()
	mustDelete(t, topic)
	k.Return()
	apiservertest.Eventually(t, "the topic goes", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
}

// A controller says that it makes a topic again, and is killed before it reports what it made: that goes with the object.
func TestWhatAControllerMadeAnewGoesWithItsObject(t *testing.T) {
	t.Parallel()
	for _, may := range []bool{true, false} {
		k := server.NewKafka(t, 3)
		topic := mustCreate(t, newTopic(k, "orders"))
		client := server.Client
		if !may {
			client, _ = server.As(t, without("own"))
		}
		k.DeleteTopic(t, "orders")
		topics.SetConditions(&topic.Status.Conditions, topics.Recreating("orders", nil), "", topic.Generation, metav1.Now().Time)
		_, err := topicsOf(client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
		if !may {
			expectStatus(t, err, 403, `"own"`, "is made")
		} else if err != nil {
			t.Fatal(err)
		}
		if standing := claimOn(t, k, "orders"); (standing.Wanted != nil) != may {
			t.Errorf("said by somebody with the right to all topics (%v): the claim is %+v", may, standing)
		}
		if !may {
			continue
		}
		k.CreateTopic(t, "orders", 3, 2)
		k.Refuse()
		mustDelete(t, topic)
		k.Return()
		apiservertest.Eventually(t, "the topic goes", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
	}
}

// What a change made for the first time, and could not record, is known by its claim.
func TestWhatAChangeMadeAndCouldNotRecordIsKnown(t *testing.T) {
	t.Parallel()
	s, next := startFailing(t)
	user, _ := s.As(t, without("own"))
	k := s.NewKafka(t, 3)
	if _, err := create(s.Client, newTopic(k, "other")); err != nil {
		t.Fatal(err)
	}
	k.Refuse()
	if _, err := create(user, newTopic(k, "orders")); err != nil {
		t.Fatal(err)
	}
	k.Return()
	brokersServeTo(t, s.Client, k, "other")
	// The first update is that of the spec, the second the record.
	next.Store(2)
	change := func(value string) {
		t.Helper()
		if _, err := topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"config":{"retention.ms":%q}}}`, value), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	change("1000")
	if next.Load() > 0 {
		t.Fatal("nothing failed")
	}
	id := k.Topics(t)["orders"].ID
	topic, err := topicsOf(s.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = topicsOf(s.Client, k).UpdateStatus(t.Context(), adopting(topic.DeepCopy(), id), metav1.UpdateOptions{})
	if !apierrors.HasStatusCause(err, topics.CauseMade) {
		t.Errorf("it is reported as taken over: %v", err)
	}
	change("2000")
	if err := topicsOf(user, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there })
}

// An object that was stored for a former Kafka of the name is made on the next: what is asked for there is looked for there.
func TestWhatIsAskedOfALaterKafkaIsRecognized(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for _, remade := range []bool{false, true} {
		k := server.NewKafka(t, 3)
		mustCreate(t, newTopic(k, "other"))
		if !remade {
			k.Refuse()
		}
		topic, err := create(user, newTopic(k, "orders"))
		if err != nil {
			t.Fatal(err)
		}
		replaceKafka(t, k)
		if remade {
			k.DeleteTopic(t, "orders")
		}
		k.Return()
		brokersServe(t, k, "other")
		say := recreating(mustGet(t, topic))
		if !remade {
			topics.SetConditions(&say.Status.Conditions, topics.Creating("orders"), "", say.Generation, metav1.Now().Time)
		}
		if say, err = topicsOf(server.Client, k).UpdateStatus(t.Context(), say, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		// What is asked for again is news after a while: it is waited for as long as the first time.
		standing, err := server.Claims.Update(t.Context(), claimOn(t, k, "orders"), func(c *claim) { c.Asked = c.Asked.Add(-inFlight) })
		if err != nil {
			t.Fatal(err)
		}
		asked := standing.Revision()
		if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), say, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if again := claimOn(t, k, "orders").Revision(); again == asked {
			t.Error("the claim does not show that brokers are asked again")
		}
		k.CreateTopic(t, "orders", 3, 2)
		id := k.Topics(t)["orders"].ID
		apiservertest.Eventually(t, "it is the object's", func() bool { return mustGet(t, topic).Status.TopicID == id })
		mustDelete(t, topic)
		apiservertest.Eventually(t, "the topic goes", func() bool { _, there := k.Topics(t)["orders"]; return !there })
	}
}

// An object has lost its claim, and somebody has made another topic like its own in the place of that. The object goes without it.
func TestAnObjectWithoutAClaimDeletesOnlyItsTopic(t *testing.T) {
	t.Parallel()
	for _, restored := range []bool{false, true} {
		k := server.NewKafka(t, 3)
		topic := mustCreate(t, newTopic(k, "orders"))
		standing := claimOn(t, k, "orders")
		if err := server.Claims.Drop(t.Context(), standing); err != nil {
			t.Fatal(err)
		}
		if restored {
			if _, err := server.Claims.Take(t.Context(), claim{Name: standing.Name, Owner: standing.Owner}, ""); err != nil {
				t.Fatal(err)
			}
		}
		k.DeleteTopic(t, "orders")
		k.CreateTopic(t, "orders", 3, 2)
		id := k.Topics(t)["orders"].ID
		mustDelete(t, topic)
		apiservertest.Eventually(t, "its claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
		if have := k.Topics(t)["orders"].ID; have != id {
			t.Errorf("restored: %v; topic %s went with an object that had %s", restored, id, topic.Status.TopicID)
		}
	}
}

// What an object that is being deleted said before it was is no news of it.
func TestAStatusOfADepartingObjectCanBeWritten(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Finalizers = []string{"example.com/wait"} }))
	k.DeleteTopic(t, "orders")
	topic, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), recreating(topic), metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mustDelete(t, topic)
	topic = mustGet(t, topic)
	topic.Status.Conditions = append(topic.Status.Conditions, metav1.Condition{Type: "example.com/Seen", Status: metav1.ConditionTrue, Reason: "Seen", LastTransitionTime: metav1.Now()})
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{DryRun: dryRun}); err != nil {
			t.Errorf("dry run %v: %v", dryRun, err)
		}
	}
}
