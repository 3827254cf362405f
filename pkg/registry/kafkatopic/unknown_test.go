package kafkatopic_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

var errTimedOut = errors.New("etcdserver: request timed out")

// lossy is a storage whose writes of topics may fail, before they are done or after.
type lossy struct {
	apistorage.Interface
	// before and after count down the writes whose error is still to come.
	before, after *atomic.Int32
}

func (l lossy) answer(key string, write func() error) error {
	if !strings.Contains(key, "kafkatopics") {
		return write()
	}
	if l.before.Load() > 0 {
		l.before.Add(-1)
		return errTimedOut
	}
	err := write()
	if err == nil && l.after.Load() > 0 {
		l.after.Add(-1)
		return errTimedOut
	}
	return err
}

func (l lossy) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	return l.answer(key, func() error { return l.Interface.Create(ctx, key, obj, out, ttl) })
}

// GuaranteedUpdate decides what is written before it fails.
func (l lossy) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *apistorage.Preconditions, update apistorage.UpdateFunc, cached runtime.Object) error {
	if l.before.Load() > 0 {
		have := out.DeepCopyObject()
		if err := l.Interface.Get(ctx, key, apistorage.GetOptions{}, have); err != nil {
			return err
		}
		if _, _, err := update(have, apistorage.ResponseMeta{}); err != nil {
			return err
		}
	}
	return l.answer(key, func() error {
		return l.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
	})
}

func (l lossy) Delete(ctx context.Context, key string, out runtime.Object, preconditions *apistorage.Preconditions, validate apistorage.ValidateObjectFunc, cached runtime.Object, options apistorage.DeleteOptions) error {
	return l.answer(key, func() error { return l.Interface.Delete(ctx, key, out, preconditions, validate, cached, options) })
}

// An error of etcd does not tell whether something was stored. What is stored is answered as what it is, whatever the request; what is not
// is an error, and nothing has happened.
func TestAnErrorOfEtcdIsNoAnswer(t *testing.T) {
	t.Parallel()
	var before, after atomic.Int32
	faulty, err := apiservertest.Start(apiservertest.Options{Objects: func(s apistorage.Interface) apistorage.Interface { return lossy{s, &before, &after} }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(faulty.Close)
	client := faulty.Client
	for _, tc := range []struct {
		name string
		// writes are those of the storage that the request leads to and whose answers are lost.
		writes int32
		send   func(k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) error
		done   func(k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) bool
	}{
		{"POST", 1, func(k *apiservertest.Kafka, _ *v1beta1.KafkaTopic) error {
			_, err := create(client, newTopic(k, "other"))
			return err
		}, func(k *apiservertest.Kafka, _ *v1beta1.KafkaTopic) bool {
			_, err := topicsOf(client, k).Get(context.Background(), "other", metav1.GetOptions{})
			return err == nil
		}},
		{"PUT", 2, func(k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) error {
			topic.Spec.Partitions = ptr.To[int32](5)
			updated, err := topicsOf(client, k).Update(context.Background(), topic, metav1.UpdateOptions{})
			if err == nil && (updated.Status.Partitions != 5 || updated.Status.ObservedGeneration != 2 || updated.Generation != 2) {
				return fmt.Errorf("the answer has generation %d and %+v", updated.Generation, updated.Status)
			}
			return err
		}, func(_ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) bool {
			return *topic.Spec.Partitions == 5 && topic.Status.Partitions == 5
		}},
		{"PATCH of a label", 1, func(k *apiservertest.Kafka, _ *v1beta1.KafkaTopic) error {
			_, err := topicsOf(client, k).Patch(context.Background(), "orders", types.MergePatchType, []byte(`{"metadata":{"labels":{"team":"a"}}}`), metav1.PatchOptions{})
			return err
		}, func(_ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) bool { return topic.Labels["team"] == "a" }},
		{"status", 1, func(k *apiservertest.Kafka, topic *v1beta1.KafkaTopic) error {
			topic.Status.Partitions = 7
			_, err := topicsOf(client, k).UpdateStatus(context.Background(), topic, metav1.UpdateOptions{})
			return err
		}, func(_ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) bool { return topic.Status.Partitions == 7 }},
		{"DELETE", 1, func(k *apiservertest.Kafka, _ *v1beta1.KafkaTopic) error {
			return topicsOf(client, k).Delete(context.Background(), "orders", metav1.DeleteOptions{})
		}, func(_ *apiservertest.Kafka, topic *v1beta1.KafkaTopic) bool { return topic == nil }},
	} {
		// The faults are the server's, so that one request is sent at a time.
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/stored %t", tc.name, lost), func(t *testing.T) {
				k := faulty.NewKafka(t, 3)
				topic, err := create(client, newTopic(k, "orders"))
				if err != nil {
					t.Fatal(err)
				}
				if lost {
					after.Store(tc.writes)
				} else {
					before.Store(1)
				}
				err = tc.send(k, topic.DeepCopy())
				if n := before.Swap(0) + after.Swap(0); n != 0 {
					t.Errorf("%d answers were not lost", n)
				}
				if lost && err != nil || !lost && !apierrors.IsInternalError(err) && !apierrors.IsTimeout(err) {
					t.Errorf("answered with %v", err)
				}
				got, err := topicsOf(client, k).Get(t.Context(), "orders", metav1.GetOptions{})
				switch {
				case apierrors.IsNotFound(err):
					got = nil
				case err != nil:
					t.Fatal(err)
				}
				if done := tc.done(k, got); done != lost {
					t.Errorf("it is stored: %v, want %v", done, lost)
				}
				if _, there := k.Topics(t)["orders"]; there != (got != nil) {
					t.Errorf("the object is there: %v, its topic: %v", got != nil, there)
				}
			})
		}
	}
	t.Run("the record of a scale", func(t *testing.T) {
		k := faulty.NewKafka(t, 3)
		if _, err := create(client, newTopic(k, "orders")); err != nil {
			t.Fatal(err)
		}
		warned, warnings := faulty.Warned(t)
		after.Store(1)
		if _, err := topicsOf(warned, k).UpdateScale(t.Context(), "orders", &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: k.Object.Namespace},
			Spec: autoscalingv1.ScaleSpec{Replicas: 6}}, metav1.UpdateOptions{}); err != nil {
			t.Error(err)
		}
		if after.Swap(0) != 0 {
			t.Error("no answer was lost")
		}
		if texts := warnings.Take(); len(texts) != 0 {
			t.Errorf("warnings are %q", texts)
		}
		got, err := topicsOf(client, k).Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if *got.Spec.Partitions != 6 || got.Status.Partitions != 6 {
			t.Errorf("stored are %d partitions with %+v", *got.Spec.Partitions, got.Status)
		}
	})
}
