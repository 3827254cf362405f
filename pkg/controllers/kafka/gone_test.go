package kafka

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// storage is the record of the API server's storage identity.
func storage(identity string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kafka-system", Name: "kafka-apiserver-storage"},
		Data:       map[string]string{"identity": identity},
	}
}

func (b *bench) anchorExists() bool {
	_, err := b.host.CoreV1().ConfigMaps("ns").Get(b.t.Context(), "c-anchor", metav1.GetOptions{})
	return err == nil
}

// firsts are the different writes in the order in which each came first.
func firsts(writes []string) (out []string) {
	for _, w := range writes {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

func TestADeletedKafkaTakesItsAnchorAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.settle()
		b.clear()
		if err := b.kafkas.KafkaV1beta1().Kafkas("ns").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if b.anchorExists() {
			t.Error("the anchor is still there")
		}
		// Caches that are behind, each by as much as it happens to be, make the controller delete some of it again, and that is harmless.
		want := []string{"delete pods  ", "delete statefulsets  ", "delete configmaps  ", "delete kafkas  "}
		if w := firsts(b.writes()); !slices.Equal(w, want) {
			t.Errorf("writes = %q, want %q", w, want)
		}
	})
}

func TestBrokersGoBeforeTheirMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent, dedicated))
		defer func() { b.stop() }()
		b.run(render.Controller, 0)
		b.run(render.Broker, 0)
		b.settle()
		// The broker takes its time.
		b.host.PrependReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
			return action.(clienttesting.DeleteAction).GetName() == "c-kafka-0", nil, nil
		})
		if err := b.kafkas.KafkaV1beta1().Kafkas("ns").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if _, err := b.host.CoreV1().Pods("ns").Get(t.Context(), "c-controller-0", metav1.GetOptions{}); err != nil || !b.anchorExists() {
			t.Errorf("the quorum or the anchor went before the brokers: %v", err)
		}
		if err := b.host.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "ns", "c-kafka-0"); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if _, err := b.host.CoreV1().Pods("ns").Get(t.Context(), "c-controller-0", metav1.GetOptions{}); !apierrors.IsNotFound(err) || b.anchorExists() {
			t.Errorf("the quorum or the anchor is still there: %v", err)
		}
	})
}

func TestAKafkaDeletedWhileTheControllersWereAway(t *testing.T) {
	for _, tc := range []struct {
		name     string
		identity string
		gone     bool
	}{
		{"in the storage that held it", "s", true},
		{"or never stored in the storage of today", "another", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
				defer func() { b.stop() }()
				b.stop()
				if err := b.kafkas.KafkaV1beta1().Kafkas("ns").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				if err := b.host.Tracker().Update(corev1.SchemeGroupVersion.WithResource("configmaps"), storage(tc.identity), "kafka-system"); err != nil {
					t.Fatal(err)
				}
				b.start()
				if b.anchorExists() == tc.gone {
					t.Errorf("anchor exists: %v, want %v", b.anchorExists(), !tc.gone)
				}
			})
		})
	}
}

// An emptied storage answers 503. Whatever the caches say, nothing may go.
func TestAnEmptiedStorageDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.settle()
		b.kafkas.PrependReactor("get", "kafkas", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewServiceUnavailable("the storage is not the one this installation knows")
		})
		b.clear()
		if err := b.kafkas.Tracker().Delete(v1beta1.SchemeGroupVersion.WithResource("kafkas"), "ns", "c"); err != nil {
			t.Fatal(err)
		}
		b.settle()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %v", w)
		}
	})
}

// An administrator who lost the storage has it replaced. The cache still holds the Kafkas of the old one for a moment; the new
// one must not be taken for their home, or it would be believed when it says that it has none.
func TestAReplacedStorageDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.settle()
		b.kafkas.PrependReactor("get", "kafkas", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewNotFound(v1beta1.Resource("kafkas"), "c")
		})
		if err := b.host.Tracker().Update(corev1.SchemeGroupVersion.WithResource("configmaps"), storage("another"), "kafka-system"); err != nil {
			t.Fatal(err)
		}
		// Long enough for every sync that the cached Kafka can cause.
		time.Sleep(time.Hour)
		synctest.Wait()
		b.clear()
		b.stop()
		if err := b.kafkas.Tracker().Delete(v1beta1.SchemeGroupVersion.WithResource("kafkas"), "ns", "c"); err != nil {
			t.Fatal(err)
		}
		b.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if !b.anchorExists() {
			t.Error("the cluster of a Kafka that nobody deleted is gone")
		}
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %v", w)
		}
	})
}

// Whoever created the objects again in a new storage can delete them, too, and at once.
func TestAKafkaCreatedAgainInANewStorageCanBeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.settle()
		if err := b.host.Tracker().Update(corev1.SchemeGroupVersion.WithResource("configmaps"), storage("another"), "kafka-system"); err != nil {
			t.Fatal(err)
		}
		kafkas := b.kafkas.KafkaV1beta1().Kafkas("ns")
		if err := b.kafkas.Tracker().Delete(v1beta1.SchemeGroupVersion.WithResource("kafkas"), "ns", "c"); err != nil {
			t.Fatal(err)
		}
		if _, err := kafkas.Create(t.Context(), combined(persistent, func(k *v1beta1.Kafka) { k.UID = "another-uid" }), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if err := kafkas.Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.settle()
		if b.anchorExists() {
			t.Error("the cluster of a deleted Kafka stays")
		}
	})
}

func TestAKafkaCreatedAgainKeepsItsCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, []runtime.Object{storage("s")}, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1, 2)
		b.settle()
		before := b.kafka().Status
		b.stop()
		if err := b.kafkas.KafkaV1beta1().Kafkas("ns").Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		again := combined(persistent, func(k *v1beta1.Kafka) { k.UID = "another-uid" })
		if _, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Create(t.Context(), again, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		b.start()
		after := b.kafka().Status
		if after.ClusterID != before.ClusterID || render.FormatQuorum(after.Quorum) != render.FormatQuorum(before.Quorum) {
			t.Errorf("identity changed: %+v, was %+v", after, before)
		}
		anchor, err := b.host.CoreV1().ConfigMaps("ns").Get(t.Context(), "c-anchor", metav1.GetOptions{})
		if err != nil || anchor.Data[keyKafkaUID] != "another-uid" {
			t.Errorf("the anchor was not taken over: %v, %v", anchor.Data, err)
		}
	})
}

// Package external observes those.
func TestAnExternalClusterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		external := &v1beta1.Kafka{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: "u", Generation: 1},
			Spec:       v1beta1.KafkaSpec{External: &v1beta1.ExternalSpec{BootstrapServers: []string{"k:9092"}}},
		}
		b := newBench(t, nil, external)
		defer func() { b.stop() }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := b.writes(); len(w) > 0 {
			t.Errorf("written: %v", w)
		}
	})
}
