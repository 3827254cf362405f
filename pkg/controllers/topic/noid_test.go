package topic

import (
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
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Brokers before 2.8 give no ids. A topic is taken over once, goes on being its object's, and gets its id when brokers of 2.8 have given it one.
func TestATopicWithoutAnIDGetsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{}
		have := on.put("orders", 3, 2, map[string]string{"retention.ms": "1000"})
		id := have.ID
		give := func(id broker.TopicID) {
			on.do(func() {
				have.ID = id
				on.topics["orders"] = have
			})
		}
		give(broker.TopicID{})
		b := newBench(t, on, kafkaObject(), topicObject(func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicDelete }))
		defer b.stop()
		adoptions := func() int { return strings.Count(strings.Join(b.told(), "\n"), "TopicAdopted") }
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if topic := b.topic(); topic.Status.TopicID != "" || topic.Status.Partitions != 3 || adoptions() != 1 {
			t.Errorf("taken over as %+v", topic.Status)
		}

		b.client.ClearActions()
		on.do(func() { on.configs["orders"]["retention.ms"] = "7" })
		b.wait(time.Hour)
		on.do(func() {
			if on.configs["orders"]["retention.ms"] != "1000" || on.creates != 1 {
				t.Errorf("the settings are %v, %d creates were sent", on.configs["orders"], on.creates)
			}
		})
		if writes := b.writes(); len(writes) != 0 || adoptions() != 0 {
			t.Errorf("written: %v", writes)
		}

		// The API server knows that the object had it.
		b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
			next, ok := action.(clienttesting.UpdateAction).GetObject().(*v1beta1.KafkaTopic)
			if !ok {
				return false, nil, nil
			}
			if ready := meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionReady); ready == nil || ready.Reason != topics.ReasonAdopting {
				return false, nil, nil
			}
			conflict := apierrors.NewConflict(v1beta1.SchemeGroupVersion.WithResource("kafkatopics").GroupResource(), next.Name, errLost)
			conflict.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: topics.CauseMade}}
			return true, nil, conflict
		})
		give(id)
		b.wait(2 * patrolEvery)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		if topic := b.topic(); topic.Status.TopicID != id.String() || topic.Status.ReplacementID != "" || adoptions() != 0 {
			t.Errorf("the topic is %s, the status %+v", id, topic.Status)
		}
	})
}
