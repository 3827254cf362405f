package topic_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
)

// stopping are brokers during whose answer to a create the controllers are told to end.
type stopping struct {
	topic.Cluster
	stop func()
}

func (s stopping) CreateTopic(ctx context.Context, t broker.NewTopic, validateOnly bool) (broker.CreatedTopic, error) {
	created, err := s.Cluster.CreateTopic(ctx, t, validateOnly)
	s.stop()
	return created, err
}

// Controllers that are told to end, by a rollout or because the lease goes to others, write down what they have made, which nobody else knows.
func TestWhatWasMadeIsRecordedByControllersThatEnd(t *testing.T) {
	server, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := server.NewKafka(t, 3)
	user, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "own" })
	k.Refuse()
	if _, err := user.KafkaV1beta1().KafkaTopics(k.Object.Namespace).Create(t.Context(), &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "orders"},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Object.Name}, Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	clock := controllertest.NewFastClock()
	gateway := broker.New(broker.Options{ClientID: "controllers", NegativeTTL: time.Second, Clock: clock})
	ctx, stop := context.WithCancel(t.Context())
	controller, err := topic.New(topic.Config{Kafka: server.Client, Clock: clock,
		Connect: func(target broker.Target) topic.Cluster { return stopping{gateway.Cluster(target), stop} }})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { gateway.Run(ctx) })
	running.Go(func() { controller.Run(ctx) })
	k.Return()
	running.Wait()
	got, err := server.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace).Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if have := k.Topics(t)["orders"].ID; have == "" || got.Status.TopicID != have || !meta.IsStatusConditionTrue(got.Status.Conditions, v1beta1.ConditionReady) {
		t.Errorf("the brokers have topic %q, the object %+v", have, got.Status)
	}
}
