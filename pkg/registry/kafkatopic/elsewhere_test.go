package kafkatopic_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// twinOf is a second Kafka of the same cluster, whose maker has "own" on the first.
func twinOf(t *testing.T, s *apiservertest.Server, k *apiservertest.Kafka) *apiservertest.Kafka {
	t.Helper()
	// The first one claims the cluster when it is asked.
	if _, err := s.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).GetBrokers(t.Context(), k.Object.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	return &apiservertest.Kafka{Cluster: k.Cluster, Object: s.NewKafkaObject(t, s.Namespace(), k.ListenAddrs()...)}
}

// storedAway is an object of a second Kafka, stored while the brokers were away.
func storedAway(t *testing.T, k, twin *apiservertest.Kafka, change ...func(*v1beta1.KafkaTopic)) *v1beta1.KafkaTopic {
	t.Helper()
	k.Refuse()
	topic := mustCreate(t, newTopic(twin, "orders", change...))
	k.Return()
	brokersAnswer(t, twin)
	return topic
}

func brokersAnswer(t *testing.T, k *apiservertest.Kafka) {
	t.Helper()
	apiservertest.Eventually(t, "brokers answer", func() bool {
		_, err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).GetBrokers(t.Context(), k.Object.Name, metav1.GetOptions{})
		return err == nil
	})
}

// A topic has one object, also where two Kafkas are one cluster: whichever way an object comes to a topic of the brokers, it does not get
// that of another.
func TestATopicHasOneObjectOnAllKafkasOfACluster(t *testing.T) {
	t.Parallel()
	named := func(id string) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) { topic.Spec.AdoptTopicID = id }
	}
	patch := func(twin *apiservertest.Kafka, change string, options metav1.PatchOptions) error {
		_, err := topicsOf(server.Client, twin).Patch(t.Context(), "orders", types.MergePatchType, []byte(change), options)
		return err
	}
	dry := []string{metav1.DryRunAll}
	for name, try := range map[string]func(t *testing.T, k, twin *apiservertest.Kafka, id string) error{
		"create": func(t *testing.T, _, twin *apiservertest.Kafka, _ string) error {
			_, err := create(server.Client, newTopic(twin, "orders"))
			return err
		},
		"dry run of a create": func(t *testing.T, _, twin *apiservertest.Kafka, _ string) error {
			_, err := create(server.Client, newTopic(twin, "orders"), dry...)
			return err
		},
		"create that names it": func(t *testing.T, _, twin *apiservertest.Kafka, id string) error {
			_, err := create(server.Client, newTopic(twin, "orders", named(id)))
			return err
		},
		"dry run of a create that names it": func(t *testing.T, _, twin *apiservertest.Kafka, id string) error {
			_, err := create(server.Client, newTopic(twin, "orders", named(id)), dry...)
			return err
		},
		"change": func(t *testing.T, k, twin *apiservertest.Kafka, _ string) error {
			storedAway(t, k, twin)
			return patch(twin, `{"spec":{"config":{"retention.ms":"1000"}}}`, metav1.PatchOptions{})
		},
		"dry run of a change": func(t *testing.T, k, twin *apiservertest.Kafka, _ string) error {
			storedAway(t, k, twin)
			return patch(twin, `{"spec":{"config":{"retention.ms":"1000"}}}`, metav1.PatchOptions{DryRun: dry})
		},
		"change that names it": func(t *testing.T, k, twin *apiservertest.Kafka, id string) error {
			storedAway(t, k, twin)
			return patch(twin, `{"spec":{"adoptTopicID":"`+id+`"}}`, metav1.PatchOptions{})
		},
		"report that it was found": func(t *testing.T, k, twin *apiservertest.Kafka, id string) error {
			_, err := topicsOf(server.Client, twin).UpdateStatus(t.Context(), adopting(storedAway(t, k, twin), id), metav1.UpdateOptions{})
			return err
		},
		"report that it was made": func(t *testing.T, k, twin *apiservertest.Kafka, id string) error {
			topic := storedAway(t, k, twin)
			topic.Status.TopicID = id
			topic.Status.Conditions = nil
			_, err := topicsOf(server.Client, twin).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
			return err
		},
		"report about an object that names it": func(t *testing.T, k, twin *apiservertest.Kafka, id string) error {
			topic := storedAway(t, k, twin, named(id))
			topic.Status.TopicID = id
			_, err := topicsOf(server.Client, twin).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
			return err
		},
		"look at its scale": func(t *testing.T, k, twin *apiservertest.Kafka, _ string) error {
			storedAway(t, k, twin)
			_, err := topicsOf(server.Client, twin).GetScale(t.Context(), "orders", metav1.GetOptions{})
			return err
		},
		"scale": func(t *testing.T, k, twin *apiservertest.Kafka, _ string) error {
			storedAway(t, k, twin)
			_, err := topicsOf(server.Client, twin).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: twin.Object.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{})
			return err
		},
		"truncation": func(t *testing.T, k, twin *apiservertest.Kafka, _ string) error {
			storedAway(t, k, twin)
			_, err := topicsOf(server.Client, twin).Truncate(t.Context(), "orders", truncation(map[int32]int64{0: -1}), metav1.CreateOptions{})
			return err
		},
	} {
		// The Kafka of the first one may be deleted, and made again later.
		for where, gone := range map[string]bool{"": false, ", its Kafka is gone": true} {
			t.Run(name+where, func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				first := mustCreate(t, newTopic(k, "orders"))
				twin := twinOf(t, server, k)
				if gone {
					if err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Delete(t.Context(), k.Object.Name, metav1.DeleteOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				err := try(t, k, twin, first.Status.TopicID)
				expectStatus(t, err, 422, `KafkaTopic "orders" in namespace "`+first.Namespace, "of the same cluster")
				if !apierrors.HasStatusCause(err, metav1.CauseTypeFieldValueDuplicate) {
					t.Errorf("it has another cause: %v", err)
				}
				// Its end is that of the first one's topic in no case.
				for _, topic := range mustList(t, twin) {
					mustDelete(t, &topic)
				}
				apiservertest.Eventually(t, "the second one's claim goes", func() bool { return len(claimsOn(t, twin)) == 0 })
				if have := k.Topics(t)["orders"]; have.ID != first.Status.TopicID || k.Config(t, "orders")["retention.ms"] != "" || len(have.Partitions) != 3 {
					t.Errorf("the brokers have %+v, want %s as it was", have, first.Status.TopicID)
				}
			})
		}
	}
}

func mustList(t *testing.T, k *apiservertest.Kafka) []v1beta1.KafkaTopic {
	t.Helper()
	list, err := topicsOf(server.Client, k).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// Who may not get the other object learns neither its name nor that of its Kafka.
func TestAnObjectOnAnotherKafkaIsNamedToWhoMayGetIt(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	twin := twinOf(t, server, k)
	client, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "get" })
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := create(client, newTopic(twin, "orders"), dryRun...)
		expectStatus(t, err, 422, "managed by another KafkaTopic")
		if strings.Contains(err.Error(), k.Object.Namespace) {
			t.Errorf("the message tells whose it is: %v", err)
		}
	}
}

// Of many objects for one name on two Kafkas of a cluster, created at once, one has the topic.
func TestManyCreatesOnTwoKafkasOfAClusterHaveOneWinner(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	twin := twinOf(t, server, k)
	for i := range 10 {
		name := fmt.Sprintf("orders-%d", i)
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		for _, on := range []*apiservertest.Kafka{k, twin} {
			wg.Go(func() {
				_, err := create(server.Client, newTopic(on, name))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !apierrors.IsConflict(err) && !apierrors.IsInvalid(err):
					t.Errorf("%s: %v, want a conflict or that it is a duplicate", name, err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%s: %d objects, want one", name, won)
		}
	}
}

// What a deleted object of the other Kafka left to be deleted is waited for, and what it left to stay is free.
func TestWhatADeletedObjectOfAnotherKafkaLeft(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	first := mustCreate(t, newTopic(k, "orders"))
	kept := mustCreate(t, newTopic(k, "kept", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicRetain }))
	twin := twinOf(t, server, k)
	refuseDeletes(k, -1, "not now") // UNKNOWN_SERVER_ERROR is tried again.
	mustDelete(t, first)
	mustDelete(t, kept)
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := create(server.Client, newTopic(twin, "orders"), dryRun...)
		expectStatus(t, err, 409, "about to be deleted")
		if !apierrors.HasStatusCause(err, topics.CauseDeletionPending) {
			t.Errorf("the conflict has no cause: %v", err)
		}
	}
	if got := claimsOn(t, twin); len(got) != 0 {
		t.Errorf("claims are left: %v", got)
	}
	adopted := mustCreate(t, newTopic(twin, "kept"))
	if adopted.Status.TopicID != kept.Status.TopicID || adopted.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("adopted as %+v with %+v", adopted.Spec, adopted.Status)
	}
}

// twoObjects are two objects that an earlier release gave one topic, on two Kafkas of a cluster.
func twoObjects(t *testing.T) (k, twin *apiservertest.Kafka, id string) {
	t.Helper()
	k = server.NewKafka(t, 3)
	first := mustCreate(t, newTopic(k, "orders"))
	id, twin = first.Status.TopicID, twinOf(t, server, k)
	k.Produce(t, "orders")
	second := storedAway(t, k, twin)
	standing := claimOn(t, k, "orders")
	if err := server.Claims.Drop(t.Context(), standing); err != nil {
		t.Fatal(err)
	}
	key := strings.Join([]string{apiserver.EtcdPrefix, v1beta1.GroupName, "kafkatopics", first.Namespace, first.Name}, "/")
	stored, err := server.Etcd.Get(t.Context(), key)
	if err != nil || len(stored.Kvs) != 1 {
		t.Fatal(stored, err)
	}
	// Nobody sees that the first one has it.
	first.Status.TopicID, first.Status.Conditions = "", nil
	if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), first, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	second.Status.TopicID, second.Status.Conditions = id, nil
	if _, err := topicsOf(server.Client, twin).UpdateStatus(t.Context(), second, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Etcd.Put(t.Context(), key, string(stored.Kvs[0].Value)); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the first one has it, too", func() bool {
		got, err := topicsOf(server.Client, k).Get(t.Context(), first.Name, metav1.GetOptions{ResourceVersion: "0"})
		return err == nil && got.Status.TopicID == id
	})
	if _, err := server.Claims.Take(t.Context(), *standing, ""); err != nil {
		t.Fatal(err)
	}
	return k, twin, id
}

// A topic of two objects goes with the last of them.
func TestATopicOfTwoObjectsGoesWithTheLast(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]bool{"by its claim": false, "by its status": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			k, twin, id := twoObjects(t)
			if standing := claimOn(t, twin, "orders"); lose {
				if _, err := server.Claims.Update(t.Context(), standing, func(c *claim) { c.ID = "" }); err != nil {
					t.Fatal(err)
				}
			}
			client, warnings := server.Warned(t)
			for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
				if err := topicsOf(client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{DryRun: dryRun}); err != nil {
					t.Fatal(err)
				}
				if said := strings.Join(warnings.Take(), "; "); !strings.Contains(said, "stays") || !strings.Contains(said, "on another Kafka") || strings.Contains(said, twin.Object.Namespace) {
					t.Errorf("dry run %v: warned %q", dryRun, said)
				}
			}
			apiservertest.Eventually(t, "the first one's claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
			if have := k.Topics(t)["orders"].ID; have != id {
				t.Fatalf("the brokers have topic %q, want %s", have, id)
			}
			mustDelete(t, newTopic(twin, "orders"))
			apiservertest.Eventually(t, "the topic goes", func() bool { return len(k.Topics(t)) == 0 })
		})
	}
}

// The next object of a name does not delete what a former one left, either, and does not get it.
func TestACreateDeletesNoTopicOfAnotherKafka(t *testing.T) {
	t.Parallel()
	k, _, id := twoObjects(t)
	k.Refuse()
	mustDelete(t, newTopic(k, "orders"))
	k.Return()
	brokersAnswer(t, k)
	_, err := create(server.Client, newTopic(k, "orders"))
	expectStatus(t, err, 422, "managed by KafkaTopic")
	if have := k.Topics(t)["orders"].ID; have != id {
		t.Errorf("the brokers have topic %q, want %s", have, id)
	}
}

// newTwins are two Kafkas of one cluster, on a server of their own, whose brokers lose the next create.
func newTwins(t *testing.T) (s *apiservertest.Server, k, twin *apiservertest.Kafka) {
	t.Helper()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	k = s.NewKafka(t, 3)
	twin = twinOf(t, s, k)
	loseCreate(k)
	return s, k, twin
}

// What is like the topic that a lost create may have made is not taken for it when another object has it, by whatever looks for it.
func TestAnotherObjectsTopicIsNotRecognized(t *testing.T) {
	t.Parallel()
	for what, deleted := range map[string]bool{"deleted": true, "stored": false} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s, k, twin := newTwins(t)
			lost, err := create(s.Client, newTopic(twin, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			if lost.Status.TopicID != "" {
				t.Fatalf("nothing was lost: %+v", lost.Status)
			}
			if deleted {
				if err := topicsOf(s.Client, twin).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			first, err := create(s.Client, newTopic(k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			name := storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: twin.Object.Namespace, Name: twin.Object.Name}, Name: "orders"}
			apiservertest.Eventually(t, "nothing is looked for any more", func() bool {
				s.Clock.Step(inFlight)
				standing, err := s.Claims.Get(t.Context(), name)
				return err == nil && (standing == nil || len(standing.Wanted) == 0 && !deleted)
			})
			if have := k.Topics(t)["orders"].ID; have != first.Status.TopicID {
				t.Errorf("the brokers have topic %q, want %s", have, first.Status.TopicID)
			}
			if deleted {
				return
			}
			got, err := topicsOf(s.Client, twin).Get(t.Context(), "orders", metav1.GetOptions{})
			if err != nil || got.Status.TopicID != "" {
				t.Errorf("the other object has the topic: %+v, %v", got, err)
			}
		})
	}
}

// A create notes the id beside its object, which takes as long as a disk does. Meanwhile the topic is its own already.
func TestATopicWhoseObjectIsBeingStoredIsNotRecognizedElsewhere(t *testing.T) {
	t.Parallel()
	s, k, twin := newTwins(t)
	if _, err := create(s.Client, newTopic(twin, "orders")); err != nil {
		t.Fatal(err)
	}
	first, err := create(s.Client, newTopic(k, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	name := storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: k.Object.Namespace, Name: k.Object.Name}, Name: "orders"}
	standing, err := s.Claims.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claims.Update(t.Context(), standing, func(c *storage.Claim) { c.Owner.UID, c.Wanted = "not-stored-yet", nil }); err != nil {
		t.Fatal(err)
	}
	got, err := topicsOf(s.Client, twin).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
	if err == nil && got.Status.TopicID == first.Status.TopicID {
		t.Errorf("the other Kafka's object has %s, which was made for the first's", got.Status.TopicID)
	}
}
