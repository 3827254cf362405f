package kafkatopic_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apistorage "k8s.io/apiserver/pkg/storage"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// adopting is what a controller writes to a status about a topic that it has found.
func adopting(topic *v1beta1.KafkaTopic, id string) *v1beta1.KafkaTopic {
	topic.Status.TopicID = id
	topics.SetConditions(&topic.Status.Conditions, topics.Verdict{Status: metav1.ConditionFalse, Reason: topics.ReasonAdopting}, "", topic.Generation, metav1.Now().Time)
	return topic
}

// An object changes while its brokers are away. What was made for any of its specs, and recorded by nobody, is its own, whether it stays or goes.
func TestWhatWasMadeForAnEarlierSpecIsRecognized(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	for _, made := range []int32{3, 4, 5} {
		for what, then := range map[string]func(*testing.T, *apiservertest.Kafka, *v1beta1.KafkaTopic, string){
			"deleted": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, _ string) {
				mustDelete(t, topic)
				k.Return()
				apiservertest.Eventually(t, "the topic goes", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
			},
			"found": func(t *testing.T, k *apiservertest.Kafka, topic *v1beta1.KafkaTopic, id string) {
				k.Return()
				apiservertest.Eventually(t, "brokers are back", func() bool {
					_, err := topicsOf(server.Client, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
					return err == nil
				})
				if _, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), adopting(topic, id), metav1.UpdateOptions{}); err != nil {
					t.Error(err)
				}
			},
		} {
			t.Run(fmt.Sprintf("%d partitions/%s", made, what), func(t *testing.T) {
				t.Parallel()
				k := server.NewKafka(t, 3)
				k.Refuse()
				topic, err := create(user, newTopic(k, "orders"))
				for _, n := range []int32{4, 5} {
					if err != nil {
						t.Fatal(err)
					}
					topic, err = topicsOf(user, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(fmt.Sprintf(`{"spec":{"partitions":%d}}`, n)), metav1.PatchOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				k.CreateTopic(t, "orders", made, 2)
				then(t, k, topic, k.Topics(t)["orders"].ID)
			})
		}
	}
}

// failing is a storage of which one update of a topic fails.
type failing struct {
	apistorage.Interface
	// next counts down the updates until the one that fails.
	next *atomic.Int32
}

func (f failing) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *apistorage.Preconditions, update apistorage.UpdateFunc, cached runtime.Object) error {
	if strings.Contains(key, "kafkatopics") && f.next.Add(-1) == 0 {
		return errTimedOut
	}
	return f.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
}

// A change makes a topic in the place of one that was deleted, and cannot record it: it is the object's all the same.
func TestWhatAChangeMadeAnewIsRecognized(t *testing.T) {
	t.Parallel()
	var next atomic.Int32
	s, err := apiservertest.Start(apiservertest.Options{Objects: func(i apistorage.Interface) apistorage.Interface { return failing{i, &next} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
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
	if _, err := s.Claims.Update(t.Context(), standing, func(c *claim) { c.Want([]byte(`{"partitions":7}`)) }); err != nil {
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
	if _, err := server.Claims.Update(t.Context(), standing, func(c *claim) { c.Want([]byte(`{"partitions":3,"replicas":2}`)) }); err != nil {
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
			expectStatus(t, err, 403, `"own"`, "made again")
		} else if err != nil {
			t.Fatal(err)
		}
		if standing := claimOn(t, k, "orders"); standing.Remade() != may {
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
