package kafkatopic_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apistorage "k8s.io/apiserver/pkg/storage"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// gate holds one update of the storage.
type gate struct {
	// hold counts down the updates until the one that is held; reached is told of it, and it goes on when open is closed.
	hold          atomic.Int32
	reached, open chan struct{}
}

type gated struct {
	apistorage.Interface
	gate *gate
}

func (g gated) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *apistorage.Preconditions, update apistorage.UpdateFunc, cached runtime.Object) error {
	if strings.Contains(key, "kafkatopics") && g.gate.hold.Add(-1) == 0 {
		close(g.gate.reached)
		<-g.gate.open
		cached = nil
	}
	return g.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, update, cached)
}

// What came of a spec is recorded late, when a newer one has been stored and its outcome, too: the newer stays.
func TestAnOlderOutcomeDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		// first is the write whose record is held, the held update of the storage.
		first func(s *apiservertest.Server, k *apiservertest.Kafka) error
		held  int32
		// away says when the brokers are.
		awayFirst, awayThen bool
		reason, retention   string
	}{
		{"unreachable, then done", func(s *apiservertest.Server, k *apiservertest.Kafka) error {
			_, err := setRetention(s, k, "1000")
			return err
		}, 2, true, false, "Ready", "2000"},
		{"done, then unreachable", func(s *apiservertest.Server, k *apiservertest.Kafka) error {
			_, err := setRetention(s, k, "1000")
			return err
		}, 2, false, true, "ClusterUnreachable", "1000"},
		{"grown, then unreachable", func(s *apiservertest.Server, k *apiservertest.Kafka) error {
			_, err := topicsOf(s.Client, k).UpdateScale(context.Background(), "orders", &autoscalingv1.Scale{
				ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: k.Object.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: 6}}, metav1.UpdateOptions{})
			return err
		}, 1, false, true, "ClusterUnreachable", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			gate := &gate{reached: make(chan struct{}), open: make(chan struct{})}
			s, err := apiservertest.Start(apiservertest.Options{Objects: func(i apistorage.Interface) apistorage.Interface { return gated{i, gate} }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			k := s.NewKafka(t, 3)
			if _, err := create(s.Client, newTopic(k, "orders")); err != nil {
				t.Fatal(err)
			}
			if tc.awayFirst {
				k.Refuse()
			}
			gate.hold.Store(tc.held)
			var running sync.WaitGroup
			defer running.Wait()
			running.Go(func() {
				if err := tc.first(s, k); err != nil {
					t.Errorf("the first write: %v", err)
				}
			})
			<-gate.reached
			open := sync.OnceFunc(func() { close(gate.open) })
			defer open()
			if tc.awayThen {
				k.Refuse()
			} else {
				k.Return()
				apiservertest.Eventually(t, "the brokers are back", func() bool {
					_, err := topicsOf(s.Client, k).GetScale(t.Context(), "orders", metav1.GetOptions{})
					return served(err)
				})
			}
			newer, err := setRetention(s, k, "2000")
			if err != nil {
				t.Fatal(err)
			}
			open()
			running.Wait()
			got, err := topicsOf(s.Client, k).Get(t.Context(), "orders", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			status := metav1.ConditionFalse
			if tc.reason == "Ready" {
				status = metav1.ConditionTrue
			}
			expectReady(t, got, status, tc.reason)
			if observed := got.Status.ObservedGeneration; observed != newer.Generation {
				t.Errorf("generation %d is observed, that of the newer write is %d, that of the object %d", observed, newer.Generation, got.Generation)
			}
			if got := k.Config(t, "orders")["retention.ms"]; got != tc.retention {
				t.Errorf("the brokers have retention.ms=%s", got)
			}
			if got.Spec.Config["retention.ms"] != "2000" {
				t.Errorf("stored is %v", got.Spec.Config)
			}
		})
	}
}
