package external

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A wrong spec.external.clusterID of a Kafka that was never reached keeps no cluster out any more when it is taken out again.
func TestAClusterIDThatIsTakenOut(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ClusterID("abc"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	k := newKafka()
	k.Spec.External.BootstrapServers, k.Spec.External.ClusterID = brokers.ListenAddrs(), "mistyped"
	client, clock := fake.NewClientset(k), controllertest.NewFastClock()
	gateway := broker.New(broker.Options{Clock: clock})
	controller, err := New(Config{Kafka: client, Clock: clock, Connect: func(at broker.Target) Cluster { return gateway.Cluster(at) }, Disconnect: gateway.Forget})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, gateway.Run, controller.Run)
	kafkas := client.KafkaV1beta1().Kafkas(k.Namespace)
	var now *v1beta1.Kafka
	is := func(status metav1.ConditionStatus, reason string) func() bool {
		return func() bool {
			if now, err = kafkas.Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
				return false
			}
			ready := meta.FindStatusCondition(now.Status.Conditions, v1beta1.ConditionReady)
			return ready != nil && ready.Status == status && ready.Reason == reason
		}
	}
	apiservertest.Eventually(t, "another cluster answers than the spec names", is(metav1.ConditionFalse, kafkaerr.ReasonClusterReplaced))
	now.Spec.External.ClusterID = ""
	now.Generation++
	if _, err := kafkas.Update(t.Context(), now, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "the cluster that answers is the Kafka's", is(metav1.ConditionTrue, reasonReady))
	if now.Status.ClusterID != "abc" {
		t.Errorf("it is cluster %q", now.Status.ClusterID)
	}
}
