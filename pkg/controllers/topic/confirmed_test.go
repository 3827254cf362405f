package topic

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// A Kafka that is confirmed to be another cluster has its topics judged there at once, whatever is connected to the former one. The clock stands
// still: nothing of it is waited for.
func TestTopicsAreJudgedInTheConfirmedClusterAtOnce(t *testing.T) {
	var addresses, ids [2]string
	clock := clocktesting.NewFakeClock(metav1.Now().Time)
	for i, name := range []string{"east", "west"} {
		brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID(name), kfake.SeedTopics(1, "orders"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(brokers.Close)
		addresses[i] = brokers.ListenAddrs()[0]
		snapshot, err := broker.New(broker.Options{}).Cluster(broker.Target{Key: name, Bootstrap: addresses[i : i+1]}).Snapshot(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = snapshot.Topics["orders"].ID.String()
	}
	var mu sync.Mutex
	leads := addresses[0]
	gateway := broker.New(broker.Options{Clock: clock, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		mu.Lock()
		address := leads
		mu.Unlock()
		return broker.Dial(ctx, network, address)
	}})

	key := types.NamespacedName{Namespace: "streams", Name: "theirs"}
	kafka := &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: "k", Generation: 1},
		Spec:   v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"front:9092"}, ClusterID: "east"}},
		Status: v1beta1.KafkaStatus{ClusterID: "east", ObservedGeneration: 1}}
	orders := topicObject()
	orders.Spec.ClusterRef.Name = key.Name
	orders.Spec.Partitions, orders.Spec.Replicas, orders.Spec.Config = nil, nil, nil
	orders.Status = v1beta1.KafkaTopicStatus{TopicID: ids[0], Partitions: 1, Replicas: 1, ObservedGeneration: 1, Conditions: []metav1.Condition{
		{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: topics.ReasonReady, ObservedGeneration: 1}}}
	client := kafkafake.NewClientset(kafka, orders)
	c, err := New(Config{Kafka: client, Clock: clock, Targets: target.NewVerified(nil, clock),
		Connect: func(at broker.Target) Cluster { return gateway.Cluster(at) }, Disconnect: gateway.Forget})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, gateway.Run, c.Run)
	apiservertest.Eventually(t, "the topics are compared with the former cluster", func() bool {
		_, looked := c.cursors.get(key)
		return looked
	})

	mu.Lock()
	leads = addresses[1]
	mu.Unlock()
	kafka = kafka.DeepCopy()
	kafka.Spec.External.ClusterID, kafka.Generation = "west", 2
	if kafka, err = client.KafkaV1beta1().Kafkas(key.Namespace).Update(t.Context(), kafka, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	kafka.Status.ClusterID, kafka.Status.ObservedGeneration = "west", 2
	if _, err := client.KafkaV1beta1().Kafkas(key.Namespace).UpdateStatus(t.Context(), kafka, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the topic is known to be another one", func() bool {
		is, err := client.KafkaV1beta1().KafkaTopics(orders.Namespace).Get(t.Context(), orders.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(is.Status.Conditions, v1beta1.ConditionReady)
		return ready.Reason == topics.ReasonTopicReplaced && is.Status.ReplacementID == ids[1]
	})
}
