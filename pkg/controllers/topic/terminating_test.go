package topic

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Nothing is done for an object that waits for its finalizers, so that what it said before may not be so any more: it says that it goes.
func TestATerminatingObjectSaysSo(t *testing.T) {
	for _, before := range []topics.Verdict{
		topics.Unreachable("no broker answers"),
		topics.Exists("set 3 to adopt it"),
		{Status: metav1.ConditionTrue, Reason: topics.ReasonReady, DriftReason: topics.ReasonConfigDiffers, Drift: "retention.ms"},
	} {
		t.Run(before.Reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{away: true}
				b := newBench(t, on, kafkaObject(), topicObject(func(topic *v1beta1.KafkaTopic) {
					gone := metav1.Now()
					topic.DeletionTimestamp, topic.Finalizers, topic.Spec.DriftPolicy = &gone, []string{"example.com/hold"}, v1beta1.DriftReport
					topic.Status.ObservedGeneration = topic.Generation
					topics.SetConditions(&topic.Status.Conditions, before, topic.Spec.DriftPolicy, topic.Generation, gone.Time)
				}))
				defer b.stop()
				on.do(func() { on.away = false })
				b.wait(time.Minute)
				b.expectReady(metav1.ConditionFalse, topics.ReasonTerminating)
				b.expectStalled("")
				if drifted := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionDrifted); drifted != nil {
					t.Errorf("it still has %+v", drifted)
				}
				if len(on.topics) != 0 {
					t.Errorf("the brokers have %v", on.topics)
				}
				if events := b.told(); len(events) != 0 {
					t.Errorf("events: %q", events)
				}
				b.quiet()
			})
		})
	}
}
