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
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// A create of the controller's is carried out when it does not look any more. What it made was made for the object, unless somebody may have
// used it, or had it before.
func TestWhatALostCreateMadeLateIsMade(t *testing.T) {
	for _, tc := range []struct {
		name string
		// absent says that the topic was not there when the create was sent, used that it has held a record since.
		absent, used bool
		want         v1beta1.TopicDeletionPolicy
	}{
		{name: "not there before", absent: true},
		{name: "used since", absent: true, used: true, want: v1beta1.TopicRetain},
		{name: "there before, perhaps", want: v1beta1.TopicRetain},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				on := &brokers{refuse: &kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: errLost, Absent: tc.absent}}
				b := newBench(t, on, kafkaObject(), topicObject())
				defer b.stop()
				if said := b.said(topics.ReasonCreating) > 0; said != tc.absent {
					t.Errorf("the API server is told that the topic may appear: %v", said)
				}
				// The API server knows what it was told, and looks itself whether the topic was used.
				if tc.absent && !tc.used {
					b.knowsMade()
				}
				on.do(func() {
					on.refuse, on.used = nil, tc.used
					on.put("orders", 3, 2, map[string]string{"retention.ms": "1000"})
				})
				b.wait(time.Minute)
				b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
				b.expectPolicy(tc.want)
			})
		})
	}
}

// said is how often a status was written with a reason for not being ready.
func (b *bench) said(reason string) (times int) {
	for _, action := range b.client.Actions() {
		if update, ok := action.(clienttesting.UpdateActionImpl); ok && update.Subresource == "status" {
			ready := meta.FindStatusCondition(update.Object.(*v1beta1.KafkaTopic).Status.Conditions, v1beta1.ConditionReady)
			if ready != nil && ready.Reason == reason {
				times++
			}
		}
	}
	return times
}

// A create of the API server's is known to the API server alone, and so is what it was for when the spec was changed since.
func TestWhatTheAPIServerKnowsToBeMadeIsNotAdopted(t *testing.T) {
	for name, partitions := range map[string]int32{"as specified": 3, "for an earlier spec": 1} {
		t.Run(name, func(t *testing.T) { whatTheAPIServerKnows(t, partitions) })
	}
}

func whatTheAPIServerKnows(t *testing.T, partitions int32) {
	synctest.Test(t, func(t *testing.T) {
		on := &brokers{away: true}
		on.put("orders", partitions, 2, map[string]string{"retention.ms": "1000"})
		b := newBench(t, on, kafkaObject(), topicObject())
		defer b.stop()
		b.knowsMade()
		on.do(func() { on.away = false })
		b.wait(time.Minute)
		b.expectReady(metav1.ConditionTrue, topics.ReasonReady)
		b.expectPolicy("")
		on.do(func() {
			if have := on.topics["orders"]; len(have.Partitions) != 3 {
				t.Errorf("the brokers have %d partitions", len(have.Partitions))
			}
		})
	})
}

// knowsMade has the API server know that what is reported as taken over was made for the object.
func (b *bench) knowsMade() {
	b.client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
		next, ok := action.(clienttesting.UpdateAction).GetObject().(*v1beta1.KafkaTopic)
		if ok {
			if ready := meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionReady); ready != nil && ready.Reason == topics.ReasonAdopting {
				conflict := apierrors.NewConflict(v1beta1.SchemeGroupVersion.WithResource("kafkatopics").GroupResource(), next.Name, errLost)
				conflict.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: topics.CauseMade}}
				return true, nil, conflict
			}
		}
		return false, nil, nil
	})
}

func (b *bench) expectPolicy(want v1beta1.TopicDeletionPolicy) {
	b.t.Helper()
	if got := b.topic().Spec.DeletionPolicy; got != want {
		b.t.Errorf("the policy is %q, want %q", got, want)
	}
	adopted := strings.Contains(strings.Join(b.told(), "\n"), "TopicAdopted")
	if adopted != (want == v1beta1.TopicRetain) {
		b.t.Errorf("it is told to be adopted: %v", adopted)
	}
}

// Brokers before 2.8 give no ids: there is nothing by which a topic could be deleted whose object is gone.
func TestATopicWithoutAnIDIsNoOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &brokers{away: true}, kafkaObject(), topicObject())
		defer b.stop()
		w := &work{controller: b.controller, topic: topicObject()}
		w.made(topics.OnBrokers{Partitions: 3, Replicas: 2})
		if _, known := b.controller.unrecorded.get(w.key); known {
			t.Error("it is to be deleted by the id that nothing has")
		}
	})
}
