package topic

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// What a topic waits for is what its Kafka waits for: the brokers at its addresses can be reached, and are another cluster's. Which that is,
// and at which addresses, is not for who reads the topic.
func TestAWaitingTopicSaysThatItsClusterIsReplaced(t *testing.T) {
	const theirs, address = "id-of-the-other", "kafka-0.example.com:9092"
	replaced := &kafkaerr.SecurityError{Reason: kafkaerr.ReasonClusterReplaced, Text: `cluster "` + theirs + `" answers at ` + address}
	expectReplaced := func(b *bench) {
		t.Helper()
		b.expectReady(metav1.ConditionFalse, kafkaerr.ReasonClusterReplaced)
		message := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionReady).Message
		if !strings.Contains(message, "another cluster answers") || !strings.Contains(message, "spec.external.clusterID") {
			t.Errorf("the way out is not told: %q", message)
		}
		if strings.Contains(message, theirs) || strings.Contains(message, address) {
			t.Errorf("what is for who may get the Kafka is told: %q", message)
		}
	}
	t.Run("found out by the topic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &brokers{away: true, why: replaced}, kafkaObject(), topicObject())
			defer b.stop()
			expectReplaced(b)
			b.client.ClearActions()
			b.wait(time.Hour)
			if w := b.writes(); len(w) > 0 {
				t.Errorf("it is said again: %v", w)
			}
			b.brokers.do(func() { b.brokers.away = false })
			b.wait(10 * time.Second)
			b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		})
	})
	t.Run("found out by the Kafka", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, &brokers{away: true}, kafkaObject(), topicObject())
			defer b.stop()
			b.expectReady(metav1.ConditionFalse, topics.ReasonClusterUnreachable)
			say := func(reason string) {
				t.Helper()
				k := kafkaObject()
				k.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, ObservedGeneration: k.Generation}}
				if _, err := b.client.KafkaV1beta1().Kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				b.wait(time.Minute)
			}
			say(kafkaerr.ReasonClusterReplaced)
			expectReplaced(b)
			say("ClusterUnreachable")
			b.expectReady(metav1.ConditionFalse, topics.ReasonClusterUnreachable)
		})
	})
}
