package topic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

func TestATopicStoredWhileBrokersWereAwayFollowsWhenTheyAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{away: true}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonClusterUnreachable)
		b.client.ClearActions()
		b.wait(time.Hour)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("an hour of absence was written: %v", w)
		}
		b.brokers.do(func() { b.brokers.away = false })
		b.wait(10 * time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		made := b.brokers.topics["orders"]
		if len(made.Partitions) != 3 || made.ReplicationFactor() != 2 || b.brokers.configs["orders"]["retention.ms"] != "1000" {
			t.Errorf("on the brokers: %+v, %v", made, b.brokers.configs["orders"])
		}
		if status := b.topic().Status; status.TopicID != made.ID.String() || status.Partitions != 3 || status.Replicas != 2 || status.ObservedGeneration != 1 {
			t.Errorf("status = %+v", status)
		}
		b.client.ClearActions()
		b.wait(24 * time.Hour)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("a settled topic was written to: %v", w)
		}
	})
}

// An answer that this process has no words for is about one cluster. Its topics are tried again.
func TestAPanicOverAClusterIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{away: true}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonClusterUnreachable)
		b.brokers.do(func() { b.brokers.bug = true })
		b.wait(time.Minute)
		b.brokers.do(func() { b.brokers.away, b.brokers.bug = false, false })
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}

func TestAThousandTopicsOfADeadClusterAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := []runtime.Object{kafkaObject()}
		for i := range 1000 {
			objects = append(objects, topicObject(func(o *v1beta1.KafkaTopic) { o.Name = fmt.Sprintf("t-%d", i) }))
		}
		b := newBench(t, &brokers{away: true}, objects...)
		defer b.stop()
		b.brokers.do(func() { b.brokers.asked = 0 })
		b.wait(time.Minute)
		// One question every half second, most of which the gateway answers from memory.
		if b.brokers.asked > 130 {
			t.Errorf("asked a dead cluster %d times in a minute", b.brokers.asked)
		}
		b.brokers.do(func() { b.brokers.away = false })
		b.wait(10 * time.Second)
		if got := len(b.brokers.topics); got != 1000 {
			t.Errorf("%d topics 10 s after the brokers' return", got)
		}
	})
}

func TestARefusalIsToldInTheBrokersWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{refuse: &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 38, Name: "INVALID_REPLICATION_FACTOR", Message: "only 1 broker"}},
			kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
		b.client.ClearActions()
		b.wait(time.Hour)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written again: %v", w)
		}
		b.brokers.do(func() { b.brokers.refuse = nil })
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}

// What passes is no refusal, and is told nevertheless, once, of the spec of today.
func TestAFailureThatPassesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{refuse: &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 7, Name: "REQUEST_TIMED_OUT", Retriable: true}}
		b := newBench(t, on, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) {
			t.Generation, t.Status.ObservedGeneration = 2, 1
			topics.SetConditions(&t.Status.Conditions, topics.Unreachable("away"), "", 1, time.Now())
		}))
		defer b.stop()
		b.wait(10 * time.Second)
		b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
		b.expectStalled("")
		got := b.topic()
		if ready := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady); got.Status.ObservedGeneration != 2 ||
			ready.ObservedGeneration != 2 || !strings.Contains(ready.Message, "REQUEST_TIMED_OUT") {
			t.Errorf("the status is %+v", got.Status)
		}
		b.client.ClearActions()
		b.wait(time.Hour)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written again: %v", w)
		}
		on.do(func() { on.refuse = nil })
		b.wait(20 * time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}

// One that passes at once is not worth a write.
func TestAFailureThatIsOverIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{away: true}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		b.client.ClearActions()
		on.do(func() {
			on.away, on.refuse = false, &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 41, Name: "NOT_CONTROLLER", Retriable: true}
		})
		on.awaitTries(t, 1)
		on.do(func() { on.refuse = nil })
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if w := b.writes(); len(w) != 1 {
			t.Errorf("written: %v", w)
		}
	})
}

// awaitTries waits until so many creates were tried.
func (b *brokers) awaitTries(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		tried := b.creates
		b.mu.Unlock()
		switch {
		case tried >= n:
			return
		case time.Now().After(end):
			t.Fatalf("%d creates were tried in a minute, want %d", tried, n)
		}
	}
}

func TestATopicWithoutAKafka(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonClusterNotFound)
		if _, err := b.client.KafkaV1beta1().Kafkas("streams").Create(t.Context(), kafkaObject(), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.wait(time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if err := b.client.KafkaV1beta1().Kafkas("streams").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.wait(time.Second)
		b.expectReady(metav1.ConditionFalse, topics.ReasonClusterNotFound)
	})
}

func TestATopicWhoseObjectGoesWhileItIsMadeGoesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{away: true}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		b.goesWithTheNextUpdate("")
		on.do(func() { on.away = false })
		b.wait(3 * time.Second)
		if len(on.deleted) == 0 || len(on.topics) != 0 {
			t.Errorf("deleted %v, left %v, want the topic that was made to go", on.deleted, on.topics)
		}
	})
}

// What becomes of a topic is what its object said last, also when that was while it was made.
func TestATopicThatIsToStayStaysWhenItsObjectGoesWhileItIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{away: true}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		b.goesWithTheNextUpdate(v1beta1.TopicRetain)
		on.do(func() { on.away = false })
		b.wait(time.Minute)
		if len(on.deleted) != 0 || len(on.topics) != 1 {
			t.Errorf("deleted %v, left %v", on.deleted, on.topics)
		}
		if n := len(b.controller.unrecorded.known); n != 0 {
			t.Errorf("%d topics are remembered", n)
		}
	})
}

// goesWithTheNextUpdate deletes the object, with a policy that it got last, before somebody updates it.
func (b *bench) goesWithTheNextUpdate(policy v1beta1.TopicDeletionPolicy) {
	resource := v1beta1.SchemeGroupVersion.WithResource("kafkatopics")
	b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.(clienttesting.UpdateAction).GetObject().(*v1beta1.KafkaTopic).Name != "orders" {
			return false, nil, nil
		}
		if obj, err := b.client.Tracker().Get(resource, "streams", "orders"); err == nil {
			last := obj.(*v1beta1.KafkaTopic).DeepCopy()
			last.Spec.DeletionPolicy = policy
			if err := errors.Join(b.client.Tracker().Update(resource, last, "streams"), b.client.Tracker().Delete(resource, "streams", "orders")); err != nil {
				b.t.Error(err)
			}
		}
		return true, nil, apierrors.NewNotFound(resource.GroupResource(), "orders")
	})
}

// Another object of the name has found the topic by then, and taken it. It may be on another Kafka of the same cluster.
func TestATopicThatWasMadeForAnObjectThatIsGoneStaysWithTheNext(t *testing.T) {
	for name, tc := range map[string]struct {
		kafka, cluster string
		stays          bool
	}{
		"on its Kafka":                       {"c", "x", true},
		"on another Kafka of its cluster":    {"d", "x", true},
		"on another Kafka, which is another": {"d", "y", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{away: true}
				kafka, other := kafkaObject(), kafkaObject()
				kafka.Status.ClusterID = "x"
				other.Name, other.UID, other.Status.ClusterID = "d", "other", tc.cluster
				b := newBench(t, on, kafka, other, topicObject())
				defer b.stop()
				b.goesWithTheNextUpdate("")
				next := topicObject(func(t *v1beta1.KafkaTopic) {
					t.Name, t.UID, t.Spec.TopicName, t.Spec.ClusterRef.Name = "next", "u", "orders", tc.kafka
				})
				if err := b.client.Tracker().Add(next); err != nil {
					t.Fatal(err)
				}
				on.do(func() { on.away = false })
				b.wait(10 * time.Second)
				if stays := len(on.deleted) == 0 && len(on.topics) == 1; stays != tc.stays {
					t.Errorf("deleted %v, left %v", on.deleted, on.topics)
				}
			})
		})
	}
}

// While brokers were away, an object was deleted and another of its name made.
func TestWhatAFormerObjectLeftIsWaitedFor(t *testing.T) {
	for name, partitions := range map[string]int32{"another spec": 1, "the same spec": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{}
				left := on.put("orders", partitions, 2, map[string]string{"retention.ms": "1000"})
				b := newBench(t, on, kafkaObject())
				defer b.stop()
				b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
					update, _ := action.(clienttesting.UpdateAction)
					topic, ok := update.GetObject().(*v1beta1.KafkaTopic)
					if !ok || topic.Status.TopicID != left.ID.String() {
						return false, nil, nil
					}
					conflict := apierrors.NewConflict(v1beta1.SchemeGroupVersion.WithResource("kafkatopics").GroupResource(), "orders", errors.New("doomed"))
					conflict.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: topics.CauseDeletionPending}}
					return true, nil, conflict
				})
				if _, err := b.client.KafkaV1beta1().KafkaTopics("streams").Create(t.Context(), topicObject(), metav1.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
				b.wait(time.Minute)
				b.expectReady(metav1.ConditionFalse, topics.ReasonDeletionPending)
				b.expectStalled("")
				on.do(func() { delete(on.topics, "orders") })
				b.wait(2 * againMoved)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				if have := on.topics["orders"]; have.ID == left.ID || len(have.Partitions) != 3 {
					t.Errorf("the brokers have %+v", have)
				}
			})
		})
	}
}

func TestATopicThatTheAPIServerDoesNotGiveUsIsNotTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		on.put("orders", 1, 2, map[string]string{"cleanup.policy": "compact"})
		topic := topicObject(func(t *v1beta1.KafkaTopic) {
			t.Spec.AdoptTopicID, t.Status.TopicID = on.topics["orders"].ID.String(), "former"
		})
		client := kafkafake.NewSimpleClientset(kafkaObject(), topic)
		client.PrependReactor("update", "kafkatopics", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewConflict(v1beta1.SchemeGroupVersion.WithResource("kafkatopics").GroupResource(), "orders", errors.New("doomed"))
		})
		c, err := New(Config{Kafka: client, Connect: func(broker.Target) Cluster { return on }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { c.Run(ctx); close(done) }()
		time.Sleep(time.Minute)
		cancel()
		<-done
		if len(on.topics["orders"].Partitions) != 1 || on.configs["orders"]["cleanup.policy"] != "compact" {
			t.Errorf("changed: %+v, %v", on.topics["orders"], on.configs["orders"])
		}
	})
}
