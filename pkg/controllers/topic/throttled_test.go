package topic

import (
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Brokers with a quota on changes say when it allows the next one. To ask before that is for nothing.
func TestAThrottledTopicWaitsAsLongAsBrokersAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{refuse: &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 89, Name: "THROTTLING_QUOTA_EXCEEDED", Retriable: true, RetryAfter: 40 * time.Second}}
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		on.do(func() { on.creates = 0 })
		b.wait(10 * time.Minute)
		b.expectReady(metav1.ConditionFalse, topics.ReasonNotApplied)
		// The loop takes a fifth of a pause, or adds it.
		if n := on.creates; n < 10 || n > 20 {
			t.Errorf("asked %d times in ten minutes, want once in 40 seconds", n)
		}
		on.do(func() { on.refuse = nil })
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
	})
}
