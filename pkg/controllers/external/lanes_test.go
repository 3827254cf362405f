package external

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
)

// silent accepts questions and answers none.
type silent struct{}

func (s silent) DescribeWithRights(ctx context.Context) (broker.ClusterInfo, error) {
	return s.Describe(ctx)
}

func (silent) Describe(ctx context.Context) (broker.ClusterInfo, error) {
	<-ctx.Done()
	return broker.ClusterInfo{}, ctx.Err()
}

type healthy struct{}

func (h healthy) DescribeWithRights(ctx context.Context) (broker.ClusterInfo, error) {
	return h.Describe(ctx)
}

func (healthy) Describe(context.Context) (broker.ClusterInfo, error) {
	return broker.ClusterInfo{ID: "abc", Brokers: []broker.BrokerInfo{{ID: 0}}}, nil
}

// However many clusters are silent, a new one that answers is Ready before any of them is given up: none waits for another, neither
// for a worker nor for a seat of the budget.
func TestSilentClustersDelayNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		named := func(name string) *v1beta1.Kafka {
			k := newKafka()
			k.Name, k.UID = name, ""
			return k
		}
		client := fake.NewSimpleClientset()
		connect := func(at broker.Target) Cluster {
			if strings.Contains(at.Key, "/silent") {
				return silent{}
			}
			return healthy{}
		}
		controller, err := New(Config{Kafka: client, Connect: connect, Budget: loop.NewBudget(2, 1000)})
		if err != nil {
			t.Fatal(err)
		}
		controllertest.Run(t, controller.Run)
		time.Sleep(time.Second)
		synctest.Wait()
		kafkas := client.KafkaV1beta1().Kafkas("streams")
		for i := range 100 {
			if _, err := kafkas.Create(t.Context(), named(fmt.Sprintf("silent-%d", i)), metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		start := time.Now()
		if _, err := kafkas.Create(t.Context(), named("new"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		k, err := kafkas.Get(t.Context(), "new", metav1.GetOptions{})
		if err != nil || !meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionReady) {
			t.Errorf("after %v a cluster that answers is not Ready: %v, %v", time.Since(start), k.Status.Conditions, err)
		}
	})
}

// Clusters that were first seen in the same moment are not all asked in the same moment for ever.
func TestClustersAreNotAllAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewSimpleClientset()
		asked := make(chan time.Time, 1000)
		controller, err := New(Config{Kafka: client, Connect: func(broker.Target) Cluster {
			asked <- time.Now()
			return healthy{}
		}})
		if err != nil {
			t.Fatal(err)
		}
		controllertest.Run(t, controller.Run)
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range 20 {
			k := newKafka()
			k.Name = fmt.Sprint("k-", i)
			if _, err := client.KafkaV1beta1().Kafkas("streams").Create(t.Context(), k, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		start := time.Now()
		for len(asked) > 0 {
			<-asked
		}
		time.Sleep(againSettled * 6 / 5)
		synctest.Wait()
		moments := map[time.Duration]bool{}
		for len(asked) > 0 {
			after := (<-asked).Sub(start)
			if after < againSettled*4/5 {
				t.Errorf("asked again after %v", after)
			}
			moments[after] = true
		}
		if len(moments) < 10 {
			t.Errorf("20 clusters were asked again at %d moments", len(moments))
		}
	})
}
