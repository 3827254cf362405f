package kafka

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	hostfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

func TestAClusterIsCreatedBecomesReadyAndIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()

		status := b.kafka().Status
		if status.ClusterID == "" || len(status.Quorum) != 3 || status.Mode != v1beta1.ModeCombined {
			t.Fatalf("identity is not in the status: %+v", status)
		}
		if got := b.condition(v1beta1.ConditionProgressing); got.Reason != reasonCreating {
			t.Errorf("Progressing = %+v", got)
		}
		if first := b.kafkas.Actions(); len(first) == 0 {
			t.Fatal("no request")
		}
		for _, name := range []string{"c-brokers", "c-bootstrap"} {
			if _, err := b.host.CoreV1().Services("ns").Get(t.Context(), name, metav1.GetOptions{}); err != nil {
				t.Error(err)
			}
		}
		b.run(render.Broker, 0, 1, 2)
		b.brokers.set(func(k *brokers) { k.info = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2)} })
		b.settle()

		status = b.kafka().Status
		if want := (v1beta1.BrokerCounts{Desired: 3, Registered: 3, Ready: 3}); status.Brokers != want {
			t.Errorf("brokers = %+v, want %+v", status.Brokers, want)
		}
		for kind, want := range map[string]metav1.ConditionStatus{
			v1beta1.ConditionReady: metav1.ConditionTrue, v1beta1.ConditionProgressing: metav1.ConditionFalse, v1beta1.ConditionDegraded: metav1.ConditionFalse,
		} {
			if got := b.condition(kind); got.Status != want || got.ObservedGeneration != 1 {
				t.Errorf("%s = %+v, want %s", kind, got, want)
			}
		}
		if got := status.Listeners[0]; got.BootstrapServers != "c-bootstrap.ns.svc:9092" || got.Addresses[2] != "c-kafka-2.c-brokers.ns.svc:9092" {
			t.Errorf("listener = %+v", got)
		}
		claims, err := b.host.CoreV1().PersistentVolumeClaims("ns").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(claims.Items) != 3 {
			t.Fatal(claims, err)
		}
		for _, c := range claims.Items {
			if c.Annotations[render.AnnotationFormed] == "" || c.Annotations[render.AnnotationClusterID] != status.ClusterID {
				t.Errorf("claim %s does not know its cluster: %v", c.Name, c.Annotations)
			}
		}

		b.clear()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("a settled system was written to: %v", w)
		}
		// A new process must not write either.
		b.stop()
		b.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("a restart wrote: %v", w)
		}
	})
}

func TestTheIdentityIsStoredBeforeAnythingIsMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, host: hostfake.NewClientset(), kafkas: kafkafake.NewSimpleClientset(combined(persistent)), brokers: &brokers{}}
		b.kafkas.PrependReactor("update", "kafkas", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewInternalError(errors.New("storage is full"))
		})
		b.start()
		defer b.stop()
		for _, w := range b.writes() {
			if !strings.HasPrefix(w, "update kafkas status") {
				t.Errorf("written without an identity: %s", w)
			}
		}
	})
}

func TestDriftInTheHostIsReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()
		service, err := b.host.CoreV1().Services("ns").Get(t.Context(), "c-brokers", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		service.Spec.PublishNotReadyAddresses = false
		if _, err := b.host.CoreV1().Services("ns").Update(t.Context(), service, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := b.host.CoreV1().ConfigMaps("ns").Delete(t.Context(), "c-kafka", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if service, err = b.host.CoreV1().Services("ns").Get(t.Context(), "c-brokers", metav1.GetOptions{}); err != nil || !service.Spec.PublishNotReadyAddresses {
			t.Errorf("the Service was not put right: %v", err)
		}
		if _, err := b.host.CoreV1().ConfigMaps("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnObjectOfSomebodyElseIsNotTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c-bootstrap"}}
		b := newBench(t, []runtime.Object{theirs}, combined(persistent))
		defer func() { b.stop() }()
		if got := b.condition(v1beta1.ConditionDegraded); got.Reason != reasonNameTaken || !strings.Contains(got.Message, "c-bootstrap") {
			t.Errorf("Degraded = %+v", got)
		}
	})
}

func TestAGrowingClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.brokers.set(func(k *brokers) { k.info = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2)} })
		b.settle()
		k := b.kafka()
		k.Generation++
		k.Spec.Brokers.Storage.Size = ptr.To(resource.MustParse("3Gi"))
		if _, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		claims, err := b.host.CoreV1().PersistentVolumeClaims("ns").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims.Items {
			if got := c.Spec.Resources.Requests[corev1.ResourceStorage]; got.String() != "3Gi" {
				t.Errorf("claim %s asks for %s", c.Name, got.String())
			}
		}
		set, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]; got.String() != "3Gi" {
			t.Errorf("the template asks for %s", got.String())
		}
		orphaned := false
		for _, action := range b.host.Actions() {
			if d, ok := action.(clienttesting.DeleteAction); ok {
				if action.GetResource().Resource != "statefulsets" {
					t.Errorf("deleted %s %s", action.GetResource().Resource, d.GetName())
				}
				policy := d.GetDeleteOptions().PropagationPolicy
				orphaned = policy != nil && *policy == metav1.DeletePropagationOrphan
			}
		}
		if !orphaned {
			t.Error("the StatefulSet was not replaced with its pods orphaned")
		}
	})
}

func TestScaleInWaitsForTheBrokersToBeEmptyAndUnregistersThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent, func(k *v1beta1.Kafka) { k.Spec.Brokers.Replicas = ptr.To[int32](4) }))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2, 3)
		hosted := brokertest.Snapshot(map[string]broker.Topic{"t": {Partitions: []broker.Partition{{Replicas: []int32{3}}}}})
		b.brokers.set(func(k *brokers) {
			k.info, k.snapshot = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2, 3)}, hosted
		})
		b.settle()
		k := b.kafka()
		k.Spec.Brokers.Replicas = ptr.To[int32](3)
		if _, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		replicas := func() int32 {
			set, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return *set.Spec.Replicas
		}
		if got := replicas(); got != 4 {
			t.Fatalf("scaled to %d past a broker that hosts a replica", got)
		}
		if got := b.condition(v1beta1.ConditionProgressing); got.Reason != reasonScaleInBlocked {
			t.Errorf("Progressing = %+v", got)
		}
		b.brokers.set(func(k *brokers) { k.snapshot = broker.Snapshot{} })
		b.settle()
		if got := replicas(); got != 3 {
			t.Fatalf("replicas = %d, want 3", got)
		}
		if len(b.brokers.unregistered) > 0 {
			t.Error("unregistered a broker that still runs")
		}
		b.brokers.set(func(k *brokers) { k.info.Brokers = append(registered(false, 0, 1, 2), registered(true, 3)...) })
		if err := b.host.CoreV1().Pods("ns").Delete(t.Context(), "c-kafka-3", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if !slices.Equal(b.brokers.unregistered, []int32{3}) {
			t.Errorf("unregistered %v, want [3]", b.brokers.unregistered)
		}
		if got := b.condition(v1beta1.ConditionProgressing); got.Status != metav1.ConditionFalse {
			t.Errorf("Progressing = %+v", got)
		}
	})
}
