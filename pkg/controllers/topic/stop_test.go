package topic_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
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
	server, k, tenant := start(t)
	k.Refuse()
	all := store(t, tenant, newTopic(k.Object, "orders"))
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
	got, err := all.Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if have := k.Topics(t)["orders"].ID; have == "" || got.Status.TopicID != have || !meta.IsStatusConditionTrue(got.Status.Conditions, v1beta1.ConditionReady) {
		t.Errorf("the brokers have topic %q, the object %+v", have, got.Status)
	}
}
