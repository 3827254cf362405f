package topic_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
)

// Brokers that go between the question and the write leave an object that is stored and says so; the controller carries it out when
// they are back, once.
func TestBrokersThatGoBetweenValidateAndApply(t *testing.T) {
	server, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := server.NewKafka(t, 3)
	var cut atomic.Bool
	k.ControlKey(19, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if request.(*kmsg.CreateTopicsRequest).ValidateOnly || cut.Swap(true) {
			return nil, nil, false
		}
		// The write is lost, and nothing reaches them after it.
		k.Refuse()
		return nil, context.Canceled, true
	})
	topics := server.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace)
	created, err := topics.Create(t.Context(), &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: "orders"},
		Spec:       v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Object.Name}, Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionFalse(created.Status.Conditions, v1beta1.ConditionReady) {
		t.Errorf("answered with %+v", created.Status)
	}
	if have := k.Topics(t); len(have) != 0 {
		t.Fatalf("the brokers have %v", have)
	}

	control(t, server, controllertest.NewFastClock(), broker.Options{NegativeTTL: 20 * time.Millisecond})
	k.Return()
	apiservertest.Eventually(t, "the topic is made", func() bool {
		now, err := topics.Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		have := k.Topics(t)["orders"]
		return meta.IsStatusConditionTrue(now.Status.Conditions, v1beta1.ConditionReady) && now.Status.TopicID == have.ID && len(have.Partitions) == 3
	})
	if have := k.Topics(t); len(have) != 1 {
		t.Errorf("the brokers have %v", have)
	}
}
