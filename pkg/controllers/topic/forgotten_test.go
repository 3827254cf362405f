package topic_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// The answer to a create is lost, and brokers refuse it from then on. What has the name long after that is somebody's.
func TestWhatComesLongAfterALostCreateIsSomebodys(t *testing.T) {
	server, k, tenant := start(t)
	k.Refuse()
	all := store(t, tenant, newTopic(k.Object, "orders"))
	var asked, refusal atomic.Int32
	// Too few brokers.
	refusal.Store(int32(kafkaerr.InvalidReplicationFactor))
	k.ControlKey(int16(kmsg.CreateTopics), func(r kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if r.(*kmsg.CreateTopicsRequest).TimeoutMillis == kmsg.NewPtrCreateTopicsRequest().TimeoutMillis {
			// The product's have a deadline of their own: this is somebody else's.
			return nil, nil, false
		}
		if asked.Add(1) == 1 {
			return nil, errors.New("closed"), true
		}
		resp := r.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range r.(*kmsg.CreateTopicsRequest).Topics {
			one := kmsg.NewCreateTopicsResponseTopic()
			one.Topic, one.ErrorCode = topic.Topic, int16(refusal.Load())
			resp.Topics = append(resp.Topics, one)
		}
		return resp, nil, true
	})
	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	k.Return()
	apiservertest.Eventually(t, "the create is lost, and refused after that", func() bool { return asked.Load() >= 2 })
	apiservertest.Eventually(t, "the API server has forgotten", func() bool {
		server.Clock.Step(20 * time.Second)
		wanted := 0
		if err := server.Claims.List(t.Context(), func(c *storage.Claim) error { wanted += len(c.Wanted); return nil }); err != nil {
			t.Fatal(err)
		}
		return wanted == 0
	})
	k.Refuse()
	k.CreateTopic(t, "orders", 3, 2)
	refusal.Store(int32(kafkaerr.TopicAlreadyExists))
	k.Return()
	id := k.Topics(t)["orders"].ID
	apiservertest.Eventually(t, "the object waits for a person", func() bool {
		got, err := all.Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status.TopicID == id {
			t.Fatalf("somebody's topic is the object's: %+v", got)
		}
		ready := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady)
		return ready != nil && ready.Reason == "TopicExists"
	})
	if err := all.Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if have := k.Topics(t)["orders"].ID; have != id {
		t.Errorf("the brokers have topic %q, want %s", have, id)
	}
}
