package topic

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// expectStalled checks the condition Stalled; "" wants none.
func (b *bench) expectStalled(reason string) {
	b.t.Helper()
	got := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionStalled)
	if (got == nil) != (reason == "") || got != nil && (got.Status != metav1.ConditionTrue || got.Reason != reason) {
		b.t.Errorf("Stalled = %+v, want %q", got, reason)
	}
}

// write is what the API server does with a change of the spec that finds the brokers away.
func (b *bench) write(change func(*v1beta1.KafkaTopicSpec)) {
	b.t.Helper()
	next := b.topic()
	change(&next.Spec)
	next.Generation++
	if _, err := b.client.KafkaV1beta1().KafkaTopics("streams").Update(b.t.Context(), next, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
	b.wait(gracePeriod + time.Second)
}

// A request that ended its brokers ends them again, each time that they are back.
func TestARequestThatEndedItsBrokersIsNotRepeated(t *testing.T) {
	for name, topicIsThere := range map[string]bool{"create": false, "growth": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{capacity: 1000}
				topic := topicObject(func(t *v1beta1.KafkaTopic) { t.Spec.Partitions = ptr.To[int32](5000) })
				if topicIsThere {
					topic.Status.TopicID = on.put("orders", 1, 2, topic.Spec.Config).ID.String()
				}
				b := newBench(t, on, kafkaObject(), topic)
				defer b.stop()
				b.expectReady(metav1.ConditionFalse, topics.ReasonOutcomeUnknown)
				b.expectStalled(topics.ReasonOutcomeUnknown)
				sent := func() (n int) { on.do(func() { n = on.creates + on.grows }); return n }
				if sent() != 1 {
					t.Fatalf("%d requests, want the one that ended the brokers", sent())
				}
				b.client.ClearActions()
				for range 10 {
					on.do(func() { on.away = false })
					b.wait(10 * time.Minute)
				}
				if n := sent(); n != 1 {
					t.Errorf("the request was sent %d times", n)
				}
				if w := b.writes(); len(w) > 0 {
					t.Errorf("written: %v", w)
				}
				// A person asks for less.
				b.write(func(s *v1beta1.KafkaTopicSpec) { s.Partitions = ptr.To[int32](12) })
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				b.expectStalled("")
				if have := on.topics["orders"]; len(have.Partitions) != 12 {
					t.Errorf("the brokers have %d partitions", len(have.Partitions))
				}
				b.quiet()
			})
		})
	}
}

// What the brokers did before they went shows when they are back.
func TestARequestThatWasCarriedOutAfterAllIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{capacity: 1000}
		b := newBench(t, on, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) { t.Spec.Partitions = ptr.To[int32](5000) }))
		defer b.stop()
		b.expectStalled(topics.ReasonOutcomeUnknown)
		on.do(func() {
			on.away = false
			on.put("orders", 5000, 2, map[string]string{"retention.ms": "1000"})
		})
		b.wait(lastLook + 2*time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.expectStalled("")
		if on.creates != 1 {
			t.Errorf("%d creates", on.creates)
		}
	})
}

// A wish that was stored before there was a limit, or while nobody could be asked.
func TestMorePartitionsThanARequestMayAddAreNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		b := newBench(t, on, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) { t.Spec.Partitions = ptr.To[int32](2_000_000_000) }))
		defer b.stop()
		b.expectReady(metav1.ConditionFalse, topics.ReasonTooManyPartitions)
		b.expectStalled(topics.ReasonTooManyPartitions)
		b.quiet()
		if on.creates != 0 {
			t.Errorf("asked %d times", on.creates)
		}
		b.write(func(s *v1beta1.KafkaTopicSpec) { s.Partitions = ptr.To[int32](3) })
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.expectStalled("")
	})
}

// What was stored while no broker could be asked is held to the bound that it would have been held to.
func TestMoreReplicasThanAClusterTakesAreNotAskedFor(t *testing.T) {
	for name, topicIsThere := range map[string]bool{"create": false, "growth": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{perBroker: topics.DefaultReplicasPerBroker, alive: map[int32]broker.BrokerInfo{0: {}}}
				topic := topicObject(func(t *v1beta1.KafkaTopic) {
					t.Spec.Partitions, t.Spec.Replicas = ptr.To[int32](4100), ptr.To[int32](1)
				})
				if topicIsThere {
					topic.Status.TopicID = on.put("orders", 1, 1, nil).ID.String()
				}
				b := newBench(t, on, kafkaObject(), topic)
				defer b.stop()
				b.expectReady(metav1.ConditionFalse, topics.ReasonTooManyPartitions)
				b.expectStalled(topics.ReasonTooManyPartitions)
				if on.creates+on.grows != 0 {
					t.Errorf("the brokers were asked for %d topics and %d growths", on.creates, on.grows)
				}
				if topicIsThere && on.configs["orders"]["retention.ms"] != "1000" {
					t.Error("the settings are left as they were")
				}
				b.client.ClearActions()
				b.wait(10 * time.Minute)
				if w := b.writes(); len(w) > 0 {
					t.Errorf("written: %v", w)
				}
				on.do(func() { on.alive = map[int32]broker.BrokerInfo{0: {}, 1: {}} })
				b.wait(lastLook)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				b.expectStalled("")
				if have := on.topics["orders"]; len(have.Partitions) != 4100 {
					t.Errorf("the brokers have %d partitions", len(have.Partitions))
				}
				b.quiet()
			})
		})
	}
}

// The cache may not have heard that a wish was taken back. Partitions never become fewer again.
func TestAWishThatWasTakenBackIsNotCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		topic := topicObject(func(t *v1beta1.KafkaTopic) { t.Spec.Partitions = ptr.To[int32](120) })
		topic.Status.TopicID = on.put("orders", 1, 2, topic.Spec.Config).ID.String()
		client := newBench(t, on, kafkaObject())
		client.client.PrependReactor("get", "kafkatopics", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, topicObject(func(t *v1beta1.KafkaTopic) { t.Generation, t.Spec.Partitions = 2, ptr.To[int32](12) }), nil
		})
		defer client.stop()
		if _, err := client.client.KafkaV1beta1().KafkaTopics("streams").Create(t.Context(), topic, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		client.wait(time.Minute)
		if n := len(on.topics["orders"].Partitions); n != 1 || on.grows != 0 {
			t.Errorf("the brokers have %d partitions after %d requests", n, on.grows)
		}
	})
}

// Brokers of 4.3 leave out what a list has twice.
func deduplicated(_, value string) string {
	return strings.Join(slices.Compact(strings.Split(value, ",")), ",")
}

func TestASettingThatBrokersReadDifferentlyIsNotReverted(t *testing.T) {
	for _, policy := range []v1beta1.TopicDriftPolicy{v1beta1.DriftRevert, v1beta1.DriftReport} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &brokers{understood: deduplicated}, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) {
				t.Spec.DriftPolicy, t.Spec.Config = policy, v1beta1.TopicConfig{"cleanup.policy": "compact,compact"}
			}))
			defer b.stop()
			b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
			if policy == v1beta1.DriftReport {
				b.expectDrifted(metav1.ConditionFalse, topics.ReasonAsSpecified)
			}
			b.quiet()
			if n := b.brokers.alters; n != 0 {
				t.Errorf("%s: settings were changed %d times", policy, n)
			}
		})
	}
}

// Whatever brings a setting back after each revert, it is told once, and reverted again after pauses that grow to an hour.
func TestARevertThatDoesNotStickIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{understood: func(key, value string) string {
			if key == "message.format.version" {
				return "3.0-IV1"
			}
			return value
		}}
		b := newBench(t, on, kafkaObject(), topicObject(func(t *v1beta1.KafkaTopic) {
			t.Spec.Config = v1beta1.TopicConfig{"message.format.version": "2.8"}
		}))
		defer b.stop()
		b.wait(10 * time.Minute)
		b.expectReady(metav1.ConditionFalse, topics.ReasonConfigNotKept)
		b.expectStalled(topics.ReasonConfigNotKept)
		b.expectEvent("Warning ConfigNotKept", "message.format.version")
		// A minute, two and four later, each at the next look.
		if n := on.alters - maxReverts; n < 2 || n > 3 {
			t.Errorf("reverted %d times more", n)
		}
		told := b.controller
		b.client.ClearActions()
		b.told()
		before := on.alters
		b.wait(24 * time.Hour)
		if w := b.writes(); len(w) > 0 || on.alters < before+20 || on.alters > before+28 || len(b.told()) != 0 {
			t.Errorf("a day later: %v, reverted %d times more", w, on.alters-before)
		}
		before = on.alters
		// Another process that takes over knows it from the status.
		told.reverts.forget(types.NamespacedName{Namespace: "streams", Name: "orders"})
		told.check(b.topic())
		b.wait(time.Minute)
		if on.alters != before {
			t.Errorf("another process reverted it: %d times", on.alters-before)
		}
		// What was not kept by accident is as specified when it is found so.
		on.do(func() { on.understood = nil })
		b.wait(lastLook + 2*time.Second)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.expectStalled("")
		b.quiet()
	})
}

// Somebody who changes a setting now and then is reverted each time.
func TestRevertsThatStickAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		for range 3 * maxReverts {
			b.brokers.do(func() { b.brokers.configs["orders"]["retention.ms"] = "7" })
			b.wait(3 * lastLook)
			if got := b.brokers.configs["orders"]["retention.ms"]; got != "1000" {
				t.Fatalf("retention.ms is %s", got)
			}
		}
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.quiet()
	})
}

// What waits for a person is Stalled, and nothing else is.
func TestWhatWaitsForAPersonIsStalled(t *testing.T) {
	refused := func(code int16) error {
		return &kafkaerr.Error{Op: "create topic", Object: "orders", Code: code, Name: "NO"}
	}
	for _, tc := range []struct {
		name    string
		brokers *brokers
		ready   string
		stalled bool
	}{
		{"brokers that are away", &brokers{away: true}, topics.ReasonClusterUnreachable, false},
		{"too few brokers", &brokers{refuse: refused(38)}, topics.ReasonNotApplied, false},
		{"brokers that wait for others", &brokers{refuse: &kafkaerr.TooFewBrokersError{Op: "create topic", Object: "orders", Serving: 1, Brokers: 3, Err: refused(38)}},
			topics.ReasonClusterUnreachable, false},
		{"a setting that is not valid", &brokers{refuse: refused(40)}, topics.ReasonNotApplied, true},
		{"a policy", &brokers{refuse: refused(44)}, topics.ReasonNotApplied, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, tc.brokers, kafkaObject(), topicObject())
				defer b.stop()
				b.expectReady(metav1.ConditionFalse, tc.ready)
				if tc.stalled {
					b.expectStalled(tc.ready)
				} else {
					b.expectStalled("")
				}
				b.brokers.do(func() { b.brokers.away, b.brokers.refuse = false, nil })
				b.wait(time.Minute)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				b.expectStalled("")
			})
		})
	}
}

// An event for each of thousands of topics that were made as asked for tells nobody anything.
func TestWhatWasAskedForIsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{}, kafkaObject(), topicObject())
		defer b.stop()
		b.write(func(s *v1beta1.KafkaTopicSpec) {
			s.Partitions, s.Config = ptr.To[int32](6), v1beta1.TopicConfig{"retention.ms": "7"}
		})
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if have := b.brokers.topics["orders"]; len(have.Partitions) != 6 || b.brokers.configs["orders"]["retention.ms"] != "7" {
			t.Fatalf("the brokers have %d partitions and %v", len(have.Partitions), b.brokers.configs["orders"])
		}
		if status := b.topic().Status; status.Partitions != 6 || status.Replicas != 2 {
			t.Errorf("the status has %d partitions and %d replicas", status.Partitions, status.Replicas)
		}
		if events := b.told(); len(events) != 0 {
			t.Errorf("events: %q", events)
		}
	})
}
