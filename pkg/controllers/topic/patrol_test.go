package topic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// In a settled system nothing is written, and what is asked does not grow with each topic.
func TestAThousandSettledTopicsAreQuiet(t *testing.T) {
	for _, count := range []int{1000, 10_000} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{}
				objects := []runtime.Object{kafkaObject()}
				for i := range count {
					topic := topicObject(func(o *v1beta1.KafkaTopic) {
						o.Name, o.UID = fmt.Sprintf("t-%d", i), types.UID(fmt.Sprint(i))
						made := on.put(o.Name, 3, 2, o.Spec.Config)
						made.ID = broker.TopicID{1, byte(i >> 8), byte(i)}
						on.topics[o.Name] = made
						o.Status = v1beta1.KafkaTopicStatus{TopicID: made.ID.String(), Partitions: 3, Replicas: 2, ObservedGeneration: 1,
							Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: topics.ReasonReady}}}
					})
					objects = append(objects, topic)
				}
				b := newBench(t, on, objects...)
				defer b.stop()
				b.client.ClearActions()
				on.do(func() { on.single, on.bulk = 0, 0 })
				b.wait(5 * time.Minute)
				if w := b.writes(); len(w) > 0 {
					t.Errorf("%d writes in five minutes: %v", len(w), w[:1])
				}
				if on.single != 0 {
					t.Errorf("%d requests about single topics", on.single)
				}
				if on.bulk == 0 || on.bulk > 5*15 {
					t.Errorf("%d requests in five minutes, want some, at most 15 a minute", on.bulk)
				}
				// And still each change is found, wherever it is.
				last := fmt.Sprintf("t-%d", count-1)
				on.do(func() { on.configs[last]["retention.ms"] = "7"; delete(on.topics, "t-0") })
				b.wait(lastLook + time.Second)
				if _, ok := on.topics["t-0"]; !ok {
					t.Error("a deleted topic was not found by the next look")
				}
				b.wait(configRound)
				if got := on.configs[last]["retention.ms"]; got != "1000" {
					t.Errorf("retention.ms of %s is %s after a round", last, got)
				}
			})
		})
	}
}

func TestNextNames(t *testing.T) {
	names := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("%05d", i))
		}
		return all
	}
	for _, tc := range []struct {
		rule        string
		n           int
		after       string
		want        int
		first, last string
	}{
		{"few are all looked at", 3, "", 3, "00000", "00002"},
		{"from where it was", 3, "00001", 3, "00002", "00001"},
		{"also when that one is gone", 3, "00001x", 3, "00002", "00001"},
		{"at most a request's worth", 1000, "00199", 200, "00200", "00399"},
		{"in a circle", 1000, "00899", 200, "00900", "00099"},
		{"so many that a round is in time", 10_000, "", 500, "00000", "00499"},
	} {
		got := nextNames(names(tc.n), tc.after)
		if len(got) != tc.want || got[0] != tc.first || got[len(got)-1] != tc.last {
			t.Errorf("%s: %d names from %s to %s", tc.rule, len(got), got[0], got[len(got)-1])
		}
	}
	if got := nextNames(nil, "x"); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}

// What is as specified stays so while brokers are away: an outage is not written to each topic.
func TestAnOutageIsNotWrittenToSettledTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.client.ClearActions()
		b.brokers.do(func() { b.brokers.away = true })
		b.wait(time.Hour)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %v", w)
		}
		// What was done outside meanwhile is found.
		b.brokers.do(func() { b.brokers.away = false; delete(b.brokers.topics, "orders") })
		b.wait(lastLook + 2*time.Second)
		if _, ok := b.brokers.topics["orders"]; !ok {
			t.Error("the topic did not come back")
		}
	})
}

// A broker that has not heard of a topic answers that there is none, and a create says otherwise.
func TestABrokerThatIsBehindDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		id := b.topic().Status.TopicID
		b.brokers.do(func() { b.brokers.hidden = true })
		b.wait(lastLook + 5*time.Second)
		b.brokers.do(func() { b.brokers.hidden = false })
		b.wait(lastLook + 5*time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if got := b.topic().Status.TopicID; got != id {
			t.Errorf("the topic is %s and was %s", got, id)
		}
	})
}

// A broker that comes may be what a refused topic lacked.
func TestARefusedTopicIsTriedWhenABrokerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 38, Name: "INVALID_REPLICATION_FACTOR"}
		b := newBench(t, &brokers{refuse: refusal, alive: map[int32]broker.BrokerInfo{0: {}}}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
		b.brokers.do(func() { b.brokers.refuse, b.brokers.alive = nil, map[int32]broker.BrokerInfo{0: {}, 1: {}} })
		b.wait(lastLook)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}

// Brokers return one after the other, and the first of them lack those that are to have the other replicas. Nobody tells when the last
// is back.
func TestARefusedTopicFollowsSoonAfterItsBrokersReturn(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Second, 29 * time.Second} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{away: true, alive: map[int32]broker.BrokerInfo{0: {}}}
				b := newBench(t, on, kafkaObject(), topicObject())
				defer b.stop()
				// A look at the cluster would find out, too, and happens to be just over.
				b.wait(patrolEvery - gracePeriod - time.Second)
				on.do(func() {
					on.away, on.refuse = false, &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 38, Name: "INVALID_REPLICATION_FACTOR"}
				})
				b.wait(late + time.Second)
				b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
				on.do(func() { on.refuse = nil })
				b.wait(10 * time.Second)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
			})
		})
	}
}

// What is refused for good is asked for ever more rarely.
// A few topics find out for a thousand, so that what the brokers refuse while they return costs little.
func TestAThousandRefusedTopicsSendAFewProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const topics = 1000
		on := &brokers{away: true, alive: map[int32]broker.BrokerInfo{0: {}}}
		objects := []runtime.Object{kafkaObject()}
		for i := range topics {
			objects = append(objects, topicObject(func(o *v1beta1.KafkaTopic) { o.Name, o.UID = fmt.Sprintf("t-%d", i), types.UID(fmt.Sprint(i)) }))
		}
		b := newBench(t, on, objects...)
		defer b.stop()
		b.wait(patrolEvery - gracePeriod - time.Second)
		on.do(func() {
			on.away, on.refuse = false, &kafkaerr.Error{Op: "create topic", Code: 38, Name: "INVALID_REPLICATION_FACTOR"}
		})
		// Each is refused once, and once more by the event of its own status.
		b.wait(time.Second)
		on.do(func() { on.creates = 0 })
		b.wait(20 * time.Second)
		on.do(func() {
			if on.creates == 0 || on.creates > 20*retryProbes {
				t.Errorf("%d creates were tried in twenty seconds, want some by %d topics", on.creates, retryProbes)
			}
			on.refuse = nil
		})
		b.wait(10 * time.Second)
		on.do(func() {
			if len(on.topics) != topics {
				t.Errorf("the brokers have %d topics", len(on.topics))
			}
		})
		if clusters := len(b.controller.refused.clusters); clusters != 0 || len(b.controller.refused.first) != 0 {
			t.Errorf("%d clusters and %d topics are remembered to be refused", clusters, len(b.controller.refused.first))
		}
	})
}

func TestWhatIsRefusedForGoodIsAskedRarely(t *testing.T) {
	start := time.Now()
	key, topic := types.NamespacedName{Namespace: "streams", Name: "orders"}, topicObject()
	var refused refusals
	tries, now := 0, start
	for ; now.Sub(start) < time.Hour; tries++ {
		now = now.Add(refused.again(key, topic, now))
	}
	if tries > 140 {
		t.Errorf("%d tries in the first hour, want two a minute and some at first", tries)
	}
	if again := refused.again(key, topic, now); again != maxRetry {
		t.Errorf("after an hour it is tried again in %s", again)
	}
	topic.Generation = 2
	if again := refused.again(key, topic, now); again != minRetry {
		t.Errorf("another spec is tried again in %s", again)
	}
}

// The API server that fails between the brokers' answer and ours must not make us forget whose the topic is.
func TestATopicWhoseIDIsNotStoredYetIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{away: true}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		failing := true
		b.client.PrependReactor("update", "kafkatopics", func(clienttesting.Action) (bool, runtime.Object, error) {
			return failing, nil, apierrors.NewInternalError(errors.New("etcd is away"))
		})
		on.do(func() { on.away = false })
		b.wait(10 * time.Second)
		made := on.topics["orders"].ID
		// The spec changes meanwhile, so that the topic is not as specified any more.
		failing = false
		grown := b.topic()
		grown.Spec.Partitions, grown.Generation = ptr.To[int32](6), 2
		if _, err := b.client.KafkaV1beta1().KafkaTopics("streams").Update(context.Background(), grown, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.wait(20 * time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if have := on.topics["orders"]; have.ID != made || len(have.Partitions) != 6 || len(on.deleted) != 0 {
			t.Errorf("the brokers have %+v, deleted %v; made was %s", have, on.deleted, made)
		}
	})
}

// How long a spec is left to its request is this process's own time: whatever the object's says, and whichever way clocks jump.
func TestANewSpecIsLeftToItsRequestFirst(t *testing.T) {
	start := time.Now()
	key := types.NamespacedName{Namespace: "streams", Name: "orders"}
	topic := topicObject(func(t *v1beta1.KafkaTopic) { t.CreationTimestamp = metav1.NewTime(start.Add(100 * time.Hour)) })
	specs := &grace{}
	if wait := specs.left(key, topic, start); wait != gracePeriod {
		t.Errorf("a new object waits %s", wait)
	}
	if wait := specs.left(key, topic, start.Add(gracePeriod)); wait > 0 {
		t.Errorf("a request that was cut short is waited for another %s", wait)
	}
	topic.Generation = 2
	if wait := specs.left(key, topic, start.Add(gracePeriod)); wait != gracePeriod {
		t.Errorf("a new spec waits %s", wait)
	}
	topic.Status = v1beta1.KafkaTopicStatus{ObservedGeneration: 2, Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse}}}
	if wait := specs.left(key, topic, start.Add(gracePeriod)); wait > 0 {
		t.Errorf("a request that said what came of it is waited for another %s", wait)
	}
	if len(specs.first) != 0 {
		t.Errorf("it is remembered: %v", specs.first)
	}
}

// A controller that was killed inside a batch left topics without a status. The next one takes each for what it is.
func TestAControllerKilledInsideABatchLosesAndDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		objects := []runtime.Object{kafkaObject()}
		made := map[string]broker.TopicID{}
		for i := range 100 {
			topic := topicObject(func(o *v1beta1.KafkaTopic) { o.Name, o.UID = fmt.Sprintf("t-%d", i), types.UID(fmt.Sprint(i)) })
			if i%2 == 0 {
				made[topic.Name] = on.put(topic.Name, 3, 2, topic.Spec.Config).ID
			}
			objects = append(objects, topic)
		}
		b := newBench(t, on, objects...)
		defer b.stop()
		b.wait(30 * time.Second)
		list, err := b.client.KafkaV1beta1().KafkaTopics("streams").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range list.Items {
			have := on.topics[topic.Name]
			if !meta.IsStatusConditionTrue(topic.Status.Conditions, v1beta1.ConditionReady) || topic.Status.TopicID != have.ID.String() {
				t.Errorf("%s is %+v, the brokers have %s", topic.Name, topic.Status, have.ID)
			}
			if id, was := made[topic.Name]; was && id != have.ID {
				t.Errorf("%s was made again", topic.Name)
			}
		}
		if len(on.topics) != 100 || len(on.deleted) != 0 {
			t.Errorf("%d topics, %d deleted", len(on.topics), len(on.deleted))
		}
	})
}

// What a policy or a quota of Kubernetes refuses of the controller is told on the object, and not asked for every five seconds for ever.
func TestWhatKubernetesRefusesIsAskedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		var refusing atomic.Bool
		var refused atomic.Int32
		b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
			if action.GetSubresource() != "" || !refusing.Load() {
				return false, nil, nil
			}
			refused.Add(1)
			return true, nil, apierrors.NewForbidden(v1beta1.Resource("kafkatopics"), "orders", errors.New("at most three partitions, says the policy"))
		})
		refusing.Store(true)
		b.brokers.do(func() {
			have := b.brokers.topics["orders"]
			have.Partitions = append(slices.Clone(have.Partitions), broker.Partition{ID: 3, Replicas: make([]int32, 2)})
			b.brokers.topics["orders"] = have
		})
		b.wait(10 * time.Minute)
		// Every 30 seconds or so, after a few that were sooner.
		if n := refused.Load(); n == 0 || n > 40 {
			t.Errorf("it was asked for %d times in ten minutes", n)
		}
		b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
		if message := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionReady).Message; !strings.Contains(message, "says the policy") {
			t.Errorf("the object says %q", message)
		}
		if !meta.IsStatusConditionTrue(b.topic().Status.Conditions, v1beta1.ConditionStalled) {
			t.Error("it is not told that this waits for a person")
		}
		refusing.Store(false)
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if n := *b.topic().Spec.Partitions; n != 4 {
			t.Errorf("the spec has %d partitions", n)
		}
	})
}
