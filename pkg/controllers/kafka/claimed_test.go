package kafka

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	targets "kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Claims on volumes that somebody wrote say that a cluster is one which another Kafka is: the API server does not store that, and nothing
// is made until it does.
func TestNothingIsStartedAsTheClusterOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var volumes []runtime.Object
		for ordinal := range int32(3) {
			volumes = append(volumes, claim(render.Broker, ordinal, v1beta1.ModeCombined, oldID, render.FormatQuorum(oldQuorum), false))
		}
		b := newBench(t, volumes)
		defer func() { b.stop() }()
		claimed, wrote := true, false
		b.kafkas.PrependReactor("update", "kafkas", func(action clienttesting.Action) (bool, runtime.Object, error) {
			k := action.(clienttesting.UpdateAction).GetObject().(*v1beta1.Kafka)
			if action.GetSubresource() != "status" || k.Status.ClusterID != oldID || !claimed {
				return false, nil, nil
			}
			k = k.DeepCopy()
			k.Status = v1beta1.KafkaStatus{ObservedGeneration: 1, Conditions: []metav1.Condition{{
				Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: targets.ReasonClusterClaimed}}}
			// The API server does not write what is there already.
			if wrote {
				return true, k, nil
			}
			wrote = true
			return true, k, b.kafkas.Tracker().Update(action.GetResource(), k, k.Namespace)
		})
		if err := b.kafkas.Tracker().Add(combined(persistent)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for _, w := range b.writes() {
			if !strings.HasPrefix(w, "update kafkas status") {
				t.Errorf("made as the cluster of another: %s", w)
			}
		}
		if got := b.condition(v1beta1.ConditionReady); got.Reason != targets.ReasonClusterClaimed {
			t.Errorf("Ready = %+v", got)
		}
		// It goes on when the other one is gone.
		claimed = false
		time.Sleep(2 * againSettled)
		synctest.Wait()
		if _, err := b.host.AppsV1().StatefulSets("ns").Get(t.Context(), "c-kafka", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		if got := b.kafka().Status.ClusterID; got != oldID {
			t.Errorf("the cluster is %q", got)
		}
	})
}

// A node that ends again and again does not come up by itself, also in a cluster that is being created.
func TestANodeThatEndsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, combined(persistent))
		defer func() { b.stop() }()
		b.run(render.Broker, 0, 1)
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c-kafka-2", Labels: render.Labels("c", string(render.Broker))}}
		set := func(restarts int32, waiting bool) {
			status := corev1.ContainerStatus{Name: "kafka", RestartCount: restarts}
			if restarts > 0 {
				status.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}
			}
			if waiting {
				status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
			}
			p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
			if _, err := b.host.CoreV1().Pods("ns").UpdateStatus(t.Context(), p.DeepCopy(), metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			b.settle()
		}
		if err := b.host.Tracker().Add(p.DeepCopy()); err != nil {
			t.Fatal(err)
		}
		// Brokers of a new cluster may wait for others once or twice.
		set(2, true)
		if got := b.condition(v1beta1.ConditionDegraded); got.Status != metav1.ConditionFalse {
			t.Errorf("after two restarts Degraded = %+v", got)
		}
		set(3, true)
		degraded := b.condition(v1beta1.ConditionDegraded)
		if degraded.Status != metav1.ConditionTrue || degraded.Reason != reasonCrashLoop || !strings.Contains(degraded.Message, "c-kafka-2") || !strings.Contains(degraded.Message, "code 1") {
			t.Errorf("Degraded = %+v", degraded)
		}
		if got := b.condition(v1beta1.ConditionProgressing); got.Reason != reasonCreating {
			t.Errorf("Progressing = %+v", got)
		}
		// That it is tried once more is no news.
		set(4, false)
		if got := b.condition(v1beta1.ConditionDegraded); got != degraded {
			t.Errorf("Degraded = %+v, before %+v", got, degraded)
		}
	})
}
