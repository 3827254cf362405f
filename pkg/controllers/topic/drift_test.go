package topic

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
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
	if c := b.controller; len(c.grace.first)+len(c.recheck.known)+len(c.unrecorded.known)+len(c.reverts.known) > 0 {
		b.t.Errorf("a settled topic is remembered: %v, %v, %v, %v", c.grace.first, c.recheck.known, c.unrecorded.known, c.reverts.known)
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
			wantReady: metav1.ConditionTrue, wantReason: topics.ReasonReady},
		{name: "with numbers that the spec leaves open", partitions: 5, replicas: 1, config: map[string]string{"retention.ms": "1000"},
			change:    func(t *v1beta1.KafkaTopic) { t.Spec.Partitions, t.Spec.Replicas = nil, nil },
			wantReady: metav1.ConditionTrue, wantReason: topics.ReasonReady},
		{name: "with more partitions", partitions: 12, replicas: 2, config: map[string]string{"retention.ms": "1000"},
			wantReady: metav1.ConditionFalse, wantReason: topics.ReasonTopicExists, words: []string{"spec.partitions", "topic has 12; set 12 to adopt it"}},
		{name: "with other replicas", partitions: 3, replicas: 1, config: map[string]string{"retention.ms": "1000"},
			wantReady: metav1.ConditionFalse, wantReason: topics.ReasonTopicExists, words: []string{"spec.replicas", "topic has 1; set 1 to adopt it"}},
		{name: "with a setting of its own", partitions: 3, replicas: 2, config: map[string]string{"retention.ms": "1000", "cleanup.policy": "compact"},
			wantReady: metav1.ConditionFalse, wantReason: topics.ReasonTopicExists, words: []string{"spec.config[cleanup.policy]"}},
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
		first := b.topic().Status.TopicID

		b.brokers.do(func() {
			b.brokers.configs["orders"]["retention.ms"] = "7"
			b.brokers.configs["orders"]["segment.ms"] = "9"
		})
		b.wait(lastLook + time.Second)
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
		b.wait(lastLook + 2*time.Second)
		if got := b.topic(); *got.Spec.Partitions != 5 || got.Status.Partitions != 5 || got.Status.GrownFrom != 3 {
			t.Errorf("spec %d, status %d partitions grown from %d, want the 5 of the brokers grown from 3", *got.Spec.Partitions, got.Status.Partitions, got.Status.GrownFrom)
		}
		b.expectEvent("GrownOutside", "5 partitions")

		b.brokers.do(func() { delete(b.brokers.topics, "orders") })
		b.wait(lastLook + 2*time.Second)
		again, ok := b.brokers.topics["orders"]
		if got := b.topic().Status.TopicID; !ok || got != again.ID.String() || got == first {
			t.Errorf("status has %s, the brokers %+v", got, again)
		}
		b.expectEvent("Warning TopicRecreated", "not on the brokers any more")
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.quiet()
	})
}

func TestWhatWasDoneOutsideIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject(reporting))
		defer b.stop()
		b.expectDrifted(metav1.ConditionFalse, topics.ReasonAsSpecified)
		b.told()

		drift := func(value string) {
			b.brokers.do(func() { b.brokers.configs["orders"]["retention.ms"] = value })
			b.wait(lastLook + time.Second)
			if got := b.brokers.configs["orders"]["retention.ms"]; got != value {
				t.Errorf("retention.ms = %s, want it left alone", got)
			}
		}
		drift("7")
		b.expectDrifted(metav1.ConditionTrue, topics.ReasonConfigDiffers, `retention.ms is "7", the spec says "1000"`)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.expectEvent("Warning ConfigDiffers", "retention.ms")
		b.quiet()
		drift("8")
		b.expectDrifted(metav1.ConditionTrue, topics.ReasonConfigDiffers, `retention.ms is "8"`)
		b.quiet()
		drift("1000")
		b.expectDrifted(metav1.ConditionFalse, topics.ReasonAsSpecified)
		b.quiet()

		b.brokers.do(func() { delete(b.brokers.topics, "orders") })
		b.wait(lastLook + time.Second)
		if _, ok := b.brokers.topics["orders"]; ok {
			t.Error("the topic was made again")
		}
		b.expectReady(metav1.ConditionFalse, topics.ReasonTopicMissing)
		b.expectDrifted(metav1.ConditionTrue, topics.ReasonTopicDeleted)
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
				b.wait(lastLook + time.Second)
				b.expectReady(metav1.ConditionFalse, topics.ReasonTopicReplaced)
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
				b.wait(gracePeriod + time.Second)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
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

// A setting that looks changed outside may be what a newer spec says: the API server carries that out before we hear of it.
func TestANewerSpecIsNotReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.told()
		var behind atomic.Bool
		behind.Store(true)
		b.client.PrependReactor("get", "kafkatopics", func(clienttesting.Action) (bool, runtime.Object, error) {
			return behind.Load(), topicObject(func(t *v1beta1.KafkaTopic) { t.Generation, t.Spec.Config["retention.ms"] = 2, "7" }), nil
		})
		retention := func() (value string) {
			b.brokers.do(func() { value = b.brokers.configs["orders"]["retention.ms"] })
			return value
		}
		b.brokers.do(func() { b.brokers.configs["orders"]["retention.ms"] = "7" })
		b.wait(lastLook + 10*time.Second)
		if got := retention(); got != "7" {
			t.Errorf("retention.ms = %s, want the newer spec's", got)
		}
		if events := b.told(); len(events) != 0 {
			t.Errorf("told %q", events)
		}
		// It was no newer spec after all.
		behind.Store(false)
		b.wait(2 * time.Second)
		if got := retention(); got != "1000" {
			t.Errorf("retention.ms = %s, want it reverted", got)
		}
	})
}

// A move of all partitions takes hours. Until it ends each has the replicas of both places, which waits for nobody.
func TestAMoveOfAllPartitionsIsNoDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.client.ClearActions()
		place := func(replicas []int32, move *broker.Reassignment) {
			b.brokers.do(func() {
				have := b.brokers.topics["orders"]
				have.Partitions = slices.Clone(have.Partitions)
				moves := map[int32]broker.Reassignment{}
				for i := range have.Partitions {
					have.Partitions[i].Replicas = replicas
					if move != nil {
						moves[have.Partitions[i].ID] = *move
					}
				}
				b.brokers.topics["orders"], b.brokers.moves = have, map[string]map[int32]broker.Reassignment{"orders": moves}
			})
			b.wait(lastLook)
		}
		place([]int32{2, 3, 0, 1}, &broker.Reassignment{Replicas: []int32{2, 3, 0, 1}, Adding: []int32{2, 3}, Removing: []int32{0, 1}})
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		place([]int32{2, 3}, nil)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if w := b.writes(); len(w) > 0 {
			t.Errorf("it was written: %v", w)
		}
		place([]int32{2, 3, 0}, nil)
		b.expectReady(metav1.ConditionFalse, topics.ReasonReplicasDiffer)
	})
}

// A controller makes a topic again and is killed before its object hears of it.
func TestATopicThatWasMadeAgainBeforeACrashIsKnown(t *testing.T) {
	for name, tc := range map[string]struct {
		partitions int32
		reason     string
	}{"what was made": {3, topics.ReasonReady}, "what others made": {1, topics.ReasonTopicReplaced}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{}
				b := newBench(t, on, kafkaObject(), topicObject())
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				former := b.topic().Status.TopicID
				on.do(func() {
					delete(on.topics, "orders")
					// The create is refused as if the process had ended before its answer came.
					on.refuse = &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 7, Name: "REQUEST_TIMED_OUT", Retriable: true}
				})
				on.awaitTries(t, 2)
				b.stop()
				b.expectReady(metav1.ConditionFalse, topics.ReasonRecreating)
				if on.topics["orders"].ID.String() == former || b.topic().Status.TopicID != former {
					t.Fatalf("the status has id %s", b.topic().Status.TopicID)
				}
				stored := b.topic()
				on.refuse = nil
				made := on.put("orders", tc.partitions, 2, map[string]string{"retention.ms": "1000"})
				b = newBench(t, on, kafkaObject(), stored)
				defer b.stop()
				b.wait(lastLook)
				b.expectReady(map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[tc.reason == topics.ReasonReady], tc.reason)
				if id := b.topic().Status.TopicID; (id == made.ID.String()) != (tc.reason == topics.ReasonReady) {
					t.Errorf("the status has id %s, the topic %s", id, made.ID)
				}
				if tc.reason == topics.ReasonReady {
					b.expectEvent("TopicRecreated")
				}
			})
		})
	}
}

// What brokers say to a topic that is made again is told, and not written with each try.
func TestATopicThatCannotBeMadeAgainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		on.do(func() {
			delete(on.topics, "orders")
			on.refuse = &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 44, Name: "POLICY_VIOLATION", Message: "no more topics"}
		})
		b.wait(2 * lastLook)
		b.expectReady(metav1.ConditionFalse, topics.ReasonRecreating)
		b.expectStalled(topics.ReasonRecreating)
		if message := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionReady).Message; !strings.Contains(message, "no more topics") {
			t.Errorf("told is %q", message)
		}
		stored := b.stored.Load()
		b.wait(time.Hour)
		if again := b.stored.Load(); again != stored {
			t.Errorf("written %d times again", again-stored)
		}
		on.do(func() { on.refuse = nil })
		b.wait(lastLook)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}
