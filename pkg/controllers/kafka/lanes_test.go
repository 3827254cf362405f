package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// silentBrokers accept questions and answer none.
type silentBrokers struct{ *brokers }

func (silentBrokers) Describe(ctx context.Context) (broker.ClusterInfo, error) {
	<-ctx.Done()
	return broker.ClusterInfo{}, ctx.Err()
}

// Clusters whose pods are ready and whose brokers do not answer keep nobody from running a new one.
func TestSilentBrokersDelayNoOtherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.stop()
		b.budget, b.newID = loop.NewBudget(2, 1000), NewID
		b.connect = func(at broker.Target) Cluster {
			if strings.Contains(at.Key, "/silent-") {
				return silentBrokers{b.brokers}
			}
			return b.brokers
		}
		b.start()
		defer func() { b.stop() }()
		create := func(name string) {
			t.Helper()
			k := combined(func(k *v1beta1.Kafka) { k.Name, k.UID = name, types.UID("uid-of-"+name) })
			if _, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Create(t.Context(), k, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			name := fmt.Sprintf("silent-%d", i)
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: render.PodName(name, render.Broker, 0), Labels: render.PodLabels(name, render.Broker)},
				Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
			}
			if err := b.host.Tracker().Add(pod); err != nil {
				t.Fatal(err)
			}
			create(name)
			synctest.Wait()
		}
		// Less than it takes until one that is silent is given up.
		time.Sleep(askTimeout / 2)
		create("c")
		time.Sleep(askTimeout / 3)
		synctest.Wait()
		if _, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), render.WorkloadName("c", render.Broker), metav1.GetOptions{}); err != nil {
			t.Errorf("while 20 clusters do not answer, a new one is not run: %v; its conditions are %v", err, b.kafka().Status.Conditions)
		}
	})
}
