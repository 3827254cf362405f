package kafkatopic_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// awaits tells whether a claim has nothing but what may come late.
func awaits(c *claim) bool {
	return len(c.Unanswered) > 0 && c.ID == "" && len(c.Wanted)+len(c.TombstonedIDs) == 0
}

// standsStill hides a broker of k that is not its controller, as brokers do that of one that does not answer, until it is told to go on.
func standsStill(t *testing.T, k *apiservertest.Kafka) (goOn func()) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	all, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	var hidden atomic.Bool
	hidden.Store(true)
	still := slices.IndexFunc(all.Brokers, func(b kmsg.DescribeClusterResponseBroker) bool { return b.NodeID != all.ControllerID })
	others := slices.Delete(slices.Clone(all.Brokers), still, still+1)
	k.ControlKey(int16(kmsg.DescribeCluster), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !hidden.Load() {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
		response.ClusterID, response.ControllerID, response.Brokers = all.ClusterID, all.ControllerID, others
		return response, nil, true
	})
	return func() { hidden.Store(false) }
}

// latecomer is a server of its own, whose clock can be put forward, with an object whose create got no answer, and its topic by another one.
type latecomer struct {
	*apiservertest.Server
	t    *testing.T
	k    *apiservertest.Kafka
	user versioned.Interface
	// goOn has a broker serve that stands still until then.
	goOn func()
}

// newLatecomer is one of whose brokers one stands still.
func newLatecomer(t *testing.T) *latecomer {
	t.Helper()
	return latecomerOf(t, func(l *latecomer) { l.goOn = standsStill(t, l.k) })
}

// latecomerOf is one whose brokers are brought into a state before the create, nil for that all serve.
func latecomerOf(t *testing.T, before func(*latecomer)) *latecomer {
	t.Helper()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	user, _ := s.As(t, without("own"))
	l := &latecomer{Server: s, t: t, k: s.NewKafka(t, 3), user: user}
	if before != nil {
		before(l)
	}
	loseCreate(l.k)
	if _, err := create(user, newTopic(l.k, "orders")); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *latecomer) claim() *claim {
	l.t.Helper()
	got, err := l.Claims.Get(l.t.Context(), storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: l.k.Object.Namespace, Name: "k"}, Name: "orders"})
	if err != nil {
		l.t.Fatal(err)
	}
	return got
}

// madeByAnother has the object get its topic, by a create that was answered.
func (l *latecomer) madeByAnother() {
	l.t.Helper()
	l.k.CreateTopic(l.t, "orders", 3, 2)
	made := l.k.Topics(l.t)["orders"].ID
	l.eventually("the topic is the object's", slowly, func() bool {
		topic, err := topicsOf(l.user, l.k).Get(l.t.Context(), "orders", metav1.GetOptions{})
		return err == nil && topic.Status.TopicID == made && l.claim().ID == made
	})
}

// slowly is how far the clock is put forward at a time where something is to happen within a minute of the server's.
const slowly = 200 * time.Millisecond

// ago has the request that was not answered be one of some time ago, now of now.
func ago(age time.Duration) func(*latecomer) {
	return func(l *latecomer) {
		l.t.Helper()
		apiservertest.Eventually(l.t, "the request is of some time ago", func() bool {
			_, err := l.Claims.Update(l.t.Context(), l.claim(), func(c *claim) { c.Asked = l.Clock.Now().Add(-age) })
			return err == nil
		})
	}
}

func now(l *latecomer) { ago(0)(l) }

// delete deletes the object, and waits until nothing is left of it but what may come late.
func (l *latecomer) delete() {
	l.t.Helper()
	if err := topicsOf(l.user, l.k).Delete(l.t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		l.t.Fatal(err)
	}
	l.eventually("only what may come late is waited for", slowly, func() bool { return l.claim() != nil && awaits(l.claim()) && len(l.k.Topics(l.t)) == 0 })
}

// eventually waits for something while the clock is put forward.
func (l *latecomer) eventually(what string, step time.Duration, holds func() bool) {
	l.t.Helper()
	apiservertest.Eventually(l.t, what, func() bool {
		l.Clock.Step(step)
		return holds()
	})
}

// An object got its topic by another create than the one that was not answered, and is deleted. What the first one makes late goes, and what is
// somebody's stays.
func TestWhatComesAfterItsObjectWasDeleted(t *testing.T) {
	t.Parallel()
	some := func(l *latecomer) { l.k.CreateTopic(l.t, "orders", 3, 2) }
	for name, tc := range map[string]struct {
		// first is what happens between the deletion and the look, and later what happens then.
		first, later func(*latecomer)
		stays        bool
	}{
		"a moment later":              {now, some, false},
		"with a broker that goes on":  {ago(5 * time.Minute), func(l *latecomer) { some(l); l.goOn() }, false},
		"with no broker that goes on": {ago(5 * time.Minute), some, true},
		// Nobody knows what brokers that were started anew in an outage have carried out late, and what people have made by hand.
		"in an outage": {ago(5 * time.Minute), func(l *latecomer) {
			l.k.Refuse()
			l.goOn()
			some(l)
			l.Clock.Step(20 * time.Minute)
			l.k.Return()
		}, true},
		"not as it was asked for": {now, func(l *latecomer) { l.k.CreateTopic(l.t, "orders", 4, 2) }, true},
		"with records": {now, func(l *latecomer) {
			// Before the server has seen it unused.
			l.k.Refuse()
			some(l)
			l.k.Produce(l.t, "orders")
			l.k.Return()
		}, true},
		"after an hour": {func(l *latecomer) {
			ago(2 * time.Hour)(l)
			l.eventually("nothing is waited for", time.Second, func() bool { return l.claim() == nil })
		}, some, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLatecomer(t)
			l.madeByAnother()
			l.delete()
			tc.first(l)
			tc.later(l)
			late := l.k.Topics(t)["orders"].ID
			if !tc.stays {
				l.eventually("the topic goes", slowly, func() bool { return len(l.k.Topics(t)) == 0 })
				l.eventually("what else may come is waited for", slowly, func() bool { return l.claim() != nil && awaits(l.claim()) })
				return
			}
			l.eventually("nothing is waited for", time.Second, func() bool { return l.claim() == nil })
			if have := l.k.Topics(t)["orders"].ID; have != late {
				t.Errorf("the brokers have topic %q, want %s", have, late)
			}
		})
	}
}

// A name under which something may come late is free, for whoever may create there. What has come already is the next object's.
func TestANameUnderWhichSomethingMayComeLateIsFree(t *testing.T) {
	t.Parallel()
	for name, came := range map[string]bool{"it has not come": false, "it has come": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLatecomer(t)
			l.madeByAnother()
			l.delete()
			now(l)
			var late string
			if came {
				l.k.CreateTopic(t, "orders", 3, 2)
				late = l.k.Topics(t)["orders"].ID
			}
			// Whoever is faster.
			next, err := create(l.user, newTopic(l.k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			have := l.k.Topics(t)["orders"].ID
			if next.Status.TopicID != have || came && have != late {
				t.Errorf("the object has %q, the brokers %q, what came late is %q", next.Status.TopicID, have, late)
			}
			if standing := l.claim(); standing.Owner.UID != next.UID || len(standing.Unanswered) != 1 {
				t.Errorf("the claim is %+v", standing)
			}
		})
	}
}

// A controller gets no answer to a create, and its object is deleted before it can say so. What is made late goes all the same; somebody who
// may not say so is not believed.
func TestWhatAControllerAskedForAnObjectThatIsGone(t *testing.T) {
	t.Parallel()
	for name, verbs := range map[string][]string{"a controller": nil, "somebody": {"own"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := apiservertest.Start(apiservertest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			l := &latecomer{Server: s, t: t, k: s.NewKafka(t, 3), user: s.Client}
			l.k.Refuse()
			topic, err := create(s.Client, newTopic(l.k, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			if err := topicsOf(s.Client, l.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			l.k.Return()
			l.eventually("its claim goes", time.Second, func() bool { return l.claim() == nil })
			says, _ := s.As(t, without(verbs...))
			topics.SetConditions(&topic.Status.Conditions, topics.Creating("orders"), "", topic.Generation, time.Now())
			_, err = topicsOf(says, l.k).UpdateStatus(t.Context(), topic, metav1.UpdateOptions{})
			expectStatus(t, err, 404)
			if believed := l.claim() != nil; believed != (verbs == nil) {
				t.Fatalf("the claim is %+v", l.claim())
			}
			l.k.CreateTopic(t, "orders", 3, 2)
			if verbs == nil {
				l.eventually("the topic goes", slowly, func() bool { return len(l.k.Topics(t)) == 0 })
			}
		})
	}
}

// A topic that is kept is not what may come late, and nothing is waited for.
func TestNothingIsAwaitedOfAnObjectWhoseTopicStays(t *testing.T) {
	t.Parallel()
	l := newLatecomer(t)
	if _, err := topicsOf(l.user, l.k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"deletionPolicy":"Retain"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(l.user, l.k).Delete(context.Background(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	l.eventually("its claim goes", time.Second, func() bool { return l.claim() == nil })
}

// refuseDeletes has the brokers refuse to delete topics until they are told otherwise, and counts how often they were asked.
func (l *latecomer) refuseDeletes() (asked, refuse *atomic.Int32) {
	asked, refuse = &atomic.Int32{}, &atomic.Int32{}
	refuse.Store(int32(kafkaerr.TopicDeletionDisabled))
	l.k.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		l.k.KeepControl()
		asked.Add(1)
		code := int16(refuse.Load())
		if code == 0 {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.Topic, answer.TopicID, answer.ErrorCode = topic.Topic, topic.TopicID, code
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, true
	})
	return asked, refuse
}

// What brokers refuse to delete for good stays, as was told, though something may still come late: it is used by others.
func TestWhatStaysIsNotDeletedLater(t *testing.T) {
	t.Parallel()
	l := newLatecomer(t)
	l.madeByAnother()
	_, refuse := l.refuseDeletes()
	if err := topicsOf(l.user, l.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	l.eventually("nothing is waited for", slowly, func() bool { return l.claim() == nil })
	l.k.Produce(t, "orders")
	refuse.Store(0)
	staysForGood(t, l)
}

// What came late and could not be deleted is looked at anew before the next try: somebody may use it by then.
func TestWhatIsUsedBeforeItCanBeDeletedStays(t *testing.T) {
	t.Parallel()
	l := newLatecomer(t)
	l.madeByAnother()
	l.delete()
	now(l)
	asked, refuse := l.refuseDeletes()
	refuse.Store(int32(kafkaerr.ThrottlingQuotaExceeded))
	l.k.CreateTopic(t, "orders", 3, 2)
	l.eventually("what came late is to go", slowly, func() bool { return asked.Load() > 0 })
	l.k.Produce(t, "orders")
	refuse.Store(0)
	staysForGood(t, l)
}

// staysForGood fails when the topic goes while the sweeper looks at it some more times.
func staysForGood(t *testing.T, l *latecomer) {
	t.Helper()
	l.eventually("nothing is waited for any more", time.Second, func() bool {
		if len(l.k.Topics(t)) == 0 {
			t.Fatalf("it was deleted; the claim is %+v", l.claim())
		}
		return l.claim() == nil
	})
}

// Whoever makes an object chooses how long he waits, and not by that what counts as made for it.
func TestNothingIsLostAtWill(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	user, _ := s.As(t, without("own"))
	l := &latecomer{Server: s, t: t, k: s.NewKafka(t, 3), user: user}
	if _, err := create(user, newTopic(l.k, "warm")); err != nil {
		t.Fatal(err)
	}
	given := make(chan struct{})
	l.k.ControlKey(int16(kmsg.CreateTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		// The brokers of the fake wait as one.
		<-given
		return nil, nil, false
	})
	err = user.KafkaV1beta1().RESTClient().Post().Namespace(l.k.Object.Namespace).Resource("kafkatopics").Param("timeout", "500ms").
		Body(newTopic(l.k, "orders")).Do(t.Context()).Error()
	if err == nil {
		t.Fatal("the create did not end with its caller's time")
	}
	close(given)
	l.eventually("what was made for an object that is not stored goes", slowly, func() bool {
		if c := l.claim(); c != nil && len(c.Unanswered) > 0 {
			t.Fatalf("the claim waits for what may come: %+v", c)
		}
		_, there := l.k.Topics(t)["orders"]
		return l.claim() == nil && !there
	})
}
