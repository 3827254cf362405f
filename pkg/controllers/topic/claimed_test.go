package topic_test

import (
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
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/external"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Two Kafka objects for one cluster, with a topic of one name in each, of which the second was stored while the brokers were away: the
// topic on the brokers stays that of the first, with its settings, also when the second object goes.
func TestTwoKafkasOfOneCluster(t *testing.T) {
	server, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := server.NewKafka(t, 1)
	create := func(client versioned.Interface, of *v1beta1.Kafka, name, retention string) *v1beta1.KafkaTopic {
		topic, err := client.KafkaV1beta1().KafkaTopics(of.Namespace).Create(t.Context(), &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: of.Name}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1),
				Config: v1beta1.TopicConfig{"retention.ms": retention}}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return topic
	}
	create(server.Client, k.Object, "orders", "1000")
	before := k.Topics(t)["orders"].ID

	k.Refuse()
	tenant, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "own" })
	second, err := tenant.KafkaV1beta1().Kafkas(server.Namespace()).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "theirs"},
		Spec: v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: k.ListenAddrs()}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same, more := create(tenant, second, "orders", "2000"), create(tenant, second, "more", "2000")
	k.Return()

	clock := controllertest.NewFastClock()
	gateway := broker.New(broker.Options{ClientID: "controllers", NegativeTTL: time.Second, Clock: clock})
	targets := target.NewVerified(nil, clock)
	topics, err := topic.New(topic.Config{Kafka: server.Client, Clock: clock, Targets: targets,
		Connect: func(target broker.Target) topic.Cluster { return gateway.Cluster(target) }})
	if err != nil {
		t.Fatal(err)
	}
	externals, err := external.New(external.Config{Kafka: server.Client, Clock: clock, Targets: targets,
		Connect: func(target broker.Target) external.Cluster { return gateway.Cluster(target) }, Disconnect: gateway.Forget})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, gateway.Run, topics.Run, externals.Run)
	says := func(topic *v1beta1.KafkaTopic, reason string) func() bool {
		return func() bool {
			got, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Get(t.Context(), topic.Name, metav1.GetOptions{})
			if err != nil {
				return false
			}
			ready := meta.FindStatusCondition(got.Status.Conditions, v1beta1.ConditionReady)
			return ready != nil && ready.Reason == reason
		}
	}
	apiservertest.Eventually(t, "the first Kafka is ready", func() bool {
		got, err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Get(t.Context(), k.Object.Name, metav1.GetOptions{})
		return err == nil && meta.IsStatusConditionTrue(got.Status.Conditions, v1beta1.ConditionReady) && got.Status.ClusterID != ""
	})
	for _, topic := range []*v1beta1.KafkaTopic{same, more} {
		apiservertest.Eventually(t, "topic "+topic.Name+" of the second Kafka says whose the cluster is", says(topic, target.ReasonClusterClaimed))
	}
	// One that was as specified before says so as well: live requests to it are refused.
	settled, err := server.Client.KafkaV1beta1().KafkaTopics(more.Namespace).Get(t.Context(), more.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta.SetStatusCondition(&settled.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Applied", ObservedGeneration: settled.Generation})
	settled.Status.ObservedGeneration = settled.Generation
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(more.Namespace).UpdateStatus(t.Context(), settled, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "a settled topic of the second Kafka says whose the cluster is", says(more, target.ReasonClusterClaimed))
	// The controllers still do what is theirs to do.
	k.Configure(t, "orders", "retention.ms", "5000")
	apiservertest.Eventually(t, "the first object's settings are put back", func() bool { return k.Config(t, "orders")["retention.ms"] == "1000" })
	if err := tenant.KafkaV1beta1().KafkaTopics(same.Namespace).Delete(t.Context(), same.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	// Two rounds of the patrol, and many of the API server's sweeper.
	<-clock.After(time.Minute)
	have := k.Topics(t)
	if have["orders"].ID != before || len(have) != 1 || k.Config(t, "orders")["retention.ms"] != "1000" {
		t.Errorf("the brokers have %v, with %v", have, k.Config(t, "orders"))
	}
}
