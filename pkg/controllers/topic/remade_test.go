package topic

import (
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// While a topic cannot be made again somebody else makes one of its name and numbers: what he has used is his.
func TestWhatOthersMadeMeanwhileIsNotTheTopicMadeAgain(t *testing.T) {
	for name, used := range map[string]bool{"used": true, "never used": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{}
				b := newBench(t, on, kafkaObject(), topicObject())
				defer b.stop()
				former := b.topic().Status.TopicID
				refuseMaking(on)
				b.wait(2 * lastLook)
				b.expectReady(metav1.ConditionFalse, topics.ReasonRecreating)
				b.told()
				var other broker.Topic
				on.do(func() {
					on.used = used
					other = on.put("orders", 3, 2, map[string]string{"retention.ms": "1000"})
				})
				b.wait(2 * maxRetry)
				status := b.topic().Status
				if used {
					b.expectReady(metav1.ConditionFalse, topics.ReasonTopicReplaced)
					if status.TopicID != former || status.ReplacementID != other.ID.String() {
						t.Errorf("the topic is %s, replaced by %s; want %s and %s", status.TopicID, status.ReplacementID, former, other.ID)
					}
					return
				}
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				b.expectEvent("TopicRecreated", "made again")
				if status.TopicID != other.ID.String() {
					t.Errorf("the topic is %s, want %s", status.TopicID, other.ID)
				}
			})
		})
	}
}

// What the brokers have answered to a create is the object's, used since or not, and the API server is told so.
func TestWhatWasMadeAgainIsKnownToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		b := newBench(t, on, kafkaObject(), topicObject(func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = nil }))
		defer b.stop()
		refuseMaking(on)
		b.wait(2 * lastLook)
		b.expectReady(metav1.ConditionFalse, topics.ReasonRecreating)
		// The API server forgets after a while what was said, so that it is said before each attempt.
		said := b.said(topics.ReasonRecreating)
		b.wait(2 * maxRetry)
		if again := b.said(topics.ReasonRecreating); again <= said {
			t.Errorf("said %d times, and %d times after more attempts", said, again)
		}
		former := b.topic().Status.TopicID
		b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
			next := action.(clienttesting.UpdateActionImpl).Object.(*v1beta1.KafkaTopic)
			if ready := meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionReady); next.Status.TopicID != former && recreating(next) {
				t.Errorf("the API server was to find out whose topic %s is: %+v", next.Status.TopicID, ready)
			}
			return false, nil, nil
		})
		on.do(func() { on.refuse, on.used = nil, true })
		b.wait(2 * maxRetry)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if b.topic().Status.TopicID == former {
			t.Error("no topic was made")
		}
	})
}

// refuseMaking takes the topic away, and has brokers refuse another.
func refuseMaking(on *brokers) {
	on.do(func() {
		delete(on.topics, "orders")
		on.refuse = &kafkaerr.Error{Op: "create topic", Object: "orders", Code: 44, Name: "POLICY_VIOLATION", Message: "no more topics"}
	})
}
