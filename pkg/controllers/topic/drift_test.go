package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	"kafka.openshift.io/kafka-apiserver/pkg/topicplan"
)

func reporting(t *v1beta1.KafkaTopic) { t.Spec.DriftPolicy = v1beta1.DriftReport }

func (b *bench) expectDrifted(status metav1.ConditionStatus, reason string, words ...string) {
	b.t.Helper()
	got := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionDrifted)
	if got == nil || got.Status != status || got.Reason != reason {
		b.t.Fatalf("Drifted = %+v, want %s because of %s", got, status, reason)
	}
	for _, word := range words {
		if !strings.Contains(got.Message, word) {
			b.t.Errorf("the message does not say %q: %s", word, got.Message)
		}
	}
}

// quiet checks that a day changes nothing any more.
func (b *bench) quiet() {
	b.t.Helper()
	b.client.ClearActions()
	b.told()
	b.brokers.do(func() { b.brokers.single = 0 })
	b.wait(24 * time.Hour)
	if w := b.writes(); len(w) > 0 {
		b.t.Errorf("a settled topic was written to: %v", w)
	}
	if e := b.told(); len(e) > 0 {
		b.t.Errorf("a settled topic was told of: %v", e)
	}
	if n := b.brokers.single; n > 0 {
		b.t.Errorf("%d requests about a settled topic alone", n)
	}
}

// A topic that is there when its object comes to the brokers is taken over when it agrees, and left alone otherwise.
func TestATopicThatIsThereAlready(t *testing.T) {
	for _, tc := range []struct {
		name                 string
		partitions, replicas int32
		config               map[string]string
		change               func(*v1beta1.KafkaTopic)
		wantReady            metav1.ConditionStatus
		wantReason           string
		words                []string
	}{
		{name: "as specified", partitions: 3, replicas: 2, config: map[string]string{"retention.ms": "1000"},
			wantReady: metav1.ConditionTrue, wantReason: topicplan.ReasonReady},
		{name: "with numbers that the spec leaves open", partitions: 5, replicas: 1, config: map[string]string{"retention.ms": "1000"},
			change:    func(t *v1beta1.KafkaTopic) { t.Spec.Partitions, t.Spec.Replicas = nil, nil },
			wantReady: metav1.ConditionTrue, wantReason: topicplan.ReasonReady},
		{name: "with more partitions", partitions: 12, replicas: 2, config: map[string]string{"retention.ms": "1000"},
			wantReady: metav1.ConditionFalse, wantReason: topicplan.ReasonTopicExists, words: []string{"spec.partitions", "topic has 12; set 12 to adopt it"}},
		{name: "with other replicas", partitions: 3, replicas: 1, config: map[string]string{"retention.ms": "1000"},
			wantReady: metav1.ConditionFalse, wantReason: topicplan.ReasonTopicExists, words: []string{"spec.replicas", "topic has 1; set 1 to adopt it"}},
		{name: "with a setting of its own", partitions: 3, replicas: 2, config: map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"},
			wantReady: metav1.ConditionFalse, wantReason: topicplan.ReasonTopicExists, words: []string{"spec.config[cleanup.policy]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				topic := topicObject()
				if tc.change != nil {
					tc.change(topic)
				}
				on := &brokers{}
				made := on.put("orders", tc.partitions, tc.replicas, tc.config)
				b := newBench(t, on, kafkaObject(), topic)
				defer b.stop()
				b.expectReady(tc.wantReady, tc.wantReason)
				message := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionReady).Message
				for _, word := range tc.words {
					if !strings.Contains(message, word) {
						t.Errorf("the message does not say %q: %s", word, message)
					}
				}
				if have := on.topics["orders"]; have.ID != made.ID || len(have.Partitions) != int(tc.partitions) || !maps.Equal(on.configs["orders"], tc.config) {
					t.Errorf("the topic was changed: %+v with %v", have, on.configs["orders"])
				}
				if tc.wantReady == metav1.ConditionTrue {
					if spec := b.topic().Spec; *spec.Partitions != tc.partitions || *spec.Replicas != tc.replicas {
						t.Errorf("spec has %d partitions and %d replicas", *spec.Partitions, *spec.Replicas)
					}
					b.expectEvent("TopicAdopted")
					b.quiet()
				}
			})
		})
	}
}

func TestWhatWasDoneOutsideIsReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectEvent("TopicCreated")
		first := b.topic().Status.TopicID

		b.brokers.do(func() {
			b.brokers.configs["orders"]["retention.ms"] = "7"
			b.brokers.configs["orders"]["segment.ms"] = "9"
		})
		b.wait(patrolEvery + time.Second)
		if got, want := b.brokers.configs["orders"], (map[string]string{"retention.ms": "1000"}); !maps.Equal(got, want) {
			t.Errorf("settings are %v, want %v", got, want)
		}
		b.expectEvent("Warning ConfigReverted", `retention.ms is "7"`, `segment.ms is "9"`)
		b.quiet()

		b.brokers.do(func() {
			t := b.brokers.topics["orders"]
			t.Partitions = append(slices.Clone(t.Partitions), t.Partitions[0], t.Partitions[0])
			b.brokers.topics["orders"] = t
		})
		b.wait(patrolEvery + 2*time.Second)
		if got := b.topic(); *got.Spec.Partitions != 5 || got.Status.Partitions != 5 {
			t.Errorf("spec %d, status %d partitions, want the 5 of the brokers", *got.Spec.Partitions, got.Status.Partitions)
		}
		b.expectEvent("GrownOutside", "5 partitions")

		b.brokers.do(func() { delete(b.brokers.topics, "orders") })
		b.wait(patrolEvery + 2*time.Second)
		again, ok := b.brokers.topics["orders"]
		if got := b.topic().Status.TopicID; !ok || got != again.ID.String() || got == first {
			t.Errorf("status has %s, the brokers %+v", got, again)
		}
		b.expectEvent("Warning TopicRecreated", "deleted on the brokers")
		b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
		b.quiet()
	})
}

func TestWhatWasDoneOutsideIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject(reporting))
		defer b.stop()
		b.expectDrifted(metav1.ConditionFalse, topicplan.ReasonAsSpecified)
		b.told()

		drift := func(value string) {
			b.brokers.do(func() { b.brokers.configs["orders"]["retention.ms"] = value })
			b.wait(patrolEvery + time.Second)
			if got := b.brokers.configs["orders"]["retention.ms"]; got != value {
				t.Errorf("retention.ms = %s, want it left alone", got)
			}
		}
		drift("7")
		b.expectDrifted(metav1.ConditionTrue, topicplan.ReasonConfigDiffers, `retention.ms is "7", the spec says "1000"`)
		b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
		b.expectEvent("Warning ConfigDiffers", "retention.ms")
		b.quiet()
		drift("8")
		b.expectDrifted(metav1.ConditionTrue, topicplan.ReasonConfigDiffers, `retention.ms is "8"`)
		b.quiet()
		drift("1000")
		b.expectDrifted(metav1.ConditionFalse, topicplan.ReasonAsSpecified)
		b.quiet()

		b.brokers.do(func() { delete(b.brokers.topics, "orders") })
		b.wait(patrolEvery + time.Second)
		if _, ok := b.brokers.topics["orders"]; ok {
			t.Error("the topic was made again")
		}
		b.expectReady(metav1.ConditionFalse, topicplan.ReasonTopicMissing)
		b.expectDrifted(metav1.ConditionTrue, topicplan.ReasonTopicDeleted)
		b.expectEvent("Warning TopicMissing")
		b.quiet()
	})
}

// A topic that somebody made in the place of an object's own is told of, and nothing is done to it.
func TestAReplacedTopicIsLeftAlone(t *testing.T) {
	for _, policy := range []v1beta1.TopicDriftPolicy{v1beta1.DriftRevert, v1beta1.DriftReport} {
		t.Run(string(policy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &brokers{}, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) { t.Spec.DriftPolicy = policy }))
				defer b.stop()
				first := b.topic().Status.TopicID
				var other broker.Topic
				b.brokers.do(func() { other = b.brokers.put("orders", 1, 1, map[string]string{"cleanup.policy": "compact"}) })
				b.wait(patrolEvery + time.Second)
				b.expectReady(metav1.ConditionFalse, topicplan.ReasonTopicReplaced)
				if status := b.topic().Status; status.TopicID != first || status.ReplacementID != other.ID.String() {
					t.Errorf("the status has id %s and replacement %s, want %s and %s", status.TopicID, status.ReplacementID, first, other.ID)
				}
				b.expectEvent("Warning TopicReplaced", other.ID.String(), "spec.adoptTopicID")
				b.quiet()
				untouched := func() bool {
					have := b.brokers.topics["orders"]
					return have.ID == other.ID && len(have.Partitions) == 1 && b.brokers.configs["orders"]["cleanup.policy"] == "compact"
				}
				if !untouched() || len(b.brokers.deleted) != 0 {
					t.Errorf("the topic was changed: %+v with %v", b.brokers.topics["orders"], b.brokers.configs["orders"])
				}

				// The explicit act.
				adopting := b.topic()
				adopting.Spec.AdoptTopicID, adopting.Spec.Replicas, adopting.Generation = other.ID.String(), ptr.To[int32](1), adopting.Generation+1
				if _, err := b.client.KafkaV1beta1().KafkaTopics("streams").Update(t.Context(), adopting, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				b.wait(firstLook + time.Second)
				b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
				if status := b.topic().Status; status.TopicID != other.ID.String() || status.ReplacementID != "" {
					t.Errorf("the status has id %s and replacement %q", status.TopicID, status.ReplacementID)
				}
				if have := b.brokers.topics["orders"]; len(have.Partitions) != 3 || b.brokers.configs["orders"]["cleanup.policy"] != "" {
					t.Errorf("the adopted topic is %+v with %v", have, b.brokers.configs["orders"])
				}
				b.quiet()
			})
		})
	}
}

// In a settled system nothing is written, and what is asked does not grow with each topic.
func TestAThousandSettledTopicsAreQuiet(t *testing.T) {
	for _, topics := range []int{1000, 10_000} {
		t.Run(fmt.Sprint(topics), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{}
				objects := []runtime.Object{kafkaObject()}
				for i := range topics {
					topic := topicObject(func(o *v1beta1.KafkaTopic) {
						o.Name, o.UID = fmt.Sprintf("t-%d", i), types.UID(fmt.Sprint(i))
						made := on.put(o.Name, 3, 2, o.Spec.Config)
						made.ID = broker.TopicID{1, byte(i >> 8), byte(i)}
						on.topics[o.Name] = made
						o.Status = v1beta1.KafkaTopicStatus{TopicID: made.ID.String(), Partitions: 3, Replicas: 2, ObservedGeneration: 1,
							Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: topicplan.ReasonReady}}}
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
				last := fmt.Sprintf("t-%d", topics-1)
				on.do(func() { on.configs[last]["retention.ms"] = "7"; delete(on.topics, "t-0") })
				b.wait(patrolEvery + time.Second)
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
		b.wait(patrolEvery + 2*time.Second)
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
		b.wait(patrolEvery + 5*time.Second)
		b.brokers.do(func() { b.brokers.hidden = false })
		b.wait(patrolEvery + 5*time.Second)
		b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
		if got := b.topic().Status.TopicID; got != id {
			t.Errorf("the topic is %s and was %s", got, id)
		}
	})
}

// A broker that comes may be what a refused topic lacked.
func TestARefusedTopicIsTriedWhenABrokerComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := &broker.Error{Op: "create topic", Object: "orders", Code: 38, Name: "INVALID_REPLICATION_FACTOR"}
		b := newBench(t, &brokers{refuse: refusal, alive: map[int32]broker.BrokerInfo{0: {}}}, kafkaObject(), topicObject())
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topicplan.ReasonNotApplied)
		b.brokers.do(func() { b.brokers.refuse, b.brokers.alive = nil, map[int32]broker.BrokerInfo{0: {}, 1: {}} })
		b.wait(patrolEvery)
		b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
	})
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
		b.expectReady(metav1.ConditionTrue, topicplan.ReasonReady)
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
	heads := &headStarts{}
	if wait := heads.wait(key, topic, start); wait != firstLook {
		t.Errorf("a new object waits %s", wait)
	}
	if wait := heads.wait(key, topic, start.Add(firstLook)); wait > 0 {
		t.Errorf("a request that was cut short is waited for another %s", wait)
	}
	topic.Generation = 2
	if wait := heads.wait(key, topic, start.Add(firstLook)); wait != firstLook {
		t.Errorf("a new spec waits %s", wait)
	}
	topic.Status = v1beta1.KafkaTopicStatus{ObservedGeneration: 2, Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse}}}
	if wait := heads.wait(key, topic, start.Add(firstLook)); wait > 0 {
		t.Errorf("a request that said what came of it is waited for another %s", wait)
	}
	if len(heads.since) != 0 {
		t.Errorf("it is remembered: %v", heads.since)
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
