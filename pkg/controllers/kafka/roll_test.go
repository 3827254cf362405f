package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// roller is a cluster whose pods have revisions, as a StatefulSet controller gives them.
type roller struct {
	*bench
	made int
}

// newRoller is a cluster of three combined nodes that has settled, with one topic on all of them.
func newRoller(t *testing.T) *roller {
	r := &roller{bench: newBench(t, nil, combined(persistent))}
	r.revise("1")
	r.bench.run(render.Broker, 0, 1, 2)
	for o := range int32(3) {
		if err := r.host.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "ns", render.PodName("c", render.Broker, o)); err != nil {
			t.Fatal(err)
		}
		r.pod(o, true)
	}
	r.brokers.set(func(k *brokers) {
		k.info = broker.ClusterInfo{KRaft: true, Brokers: registered(false, 0, 1, 2)}
		k.quorum = broker.QuorumInfo{LeaderID: 1}
		for id := range int32(3) {
			k.quorum.Voters = append(k.quorum.Voters, broker.QuorumReplica{ID: id})
		}
		k.topics = map[string]broker.Topic{"orders": {Name: "orders", Partitions: []broker.Partition{{Leader: 0, Replicas: []int32{0, 1, 2}, ISR: []int32{0, 1, 2}}}}}
		k.minISR = map[string]string{"orders": "2"}
	})
	r.settle()
	if got := r.condition(v1beta1.ConditionReady); got.Status != metav1.ConditionTrue {
		t.Fatalf("Ready = %+v", got)
	}
	return r
}

// revise has the StatefulSet controller see the newest template as a revision.
func (r *roller) revise(revision string) {
	r.t.Helper()
	set, err := r.host.AppsV1().StatefulSets("ns").Get(r.t.Context(), "c-kafka", metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	set.Status.ObservedGeneration, set.Status.UpdateRevision = set.Generation, revision
	if _, err := r.host.AppsV1().StatefulSets("ns").UpdateStatus(r.t.Context(), set, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// pod makes a pod of the newest revision.
func (r *roller) pod(ordinal int32, ready bool, change ...func(*corev1.Pod)) {
	r.t.Helper()
	set, err := r.host.AppsV1().StatefulSets("ns").Get(r.t.Context(), "c-kafka", metav1.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.made++
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: render.PodName("c", render.Broker, ordinal), UID: types.UID(fmt.Sprintf("pod-%d", r.made)),
			Labels: map[string]string{}, Annotations: set.Spec.Template.Annotations, CreationTimestamp: metav1.Now()},
		Spec: set.Spec.Template.Spec,
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status,
			LastTransitionTime: metav1.Now()}}},
	}
	for k, v := range set.Spec.Template.Labels {
		p.Labels[k] = v
	}
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = set.Status.UpdateRevision
	for _, c := range change {
		c(p)
	}
	if err := r.host.Tracker().Add(p); err != nil {
		r.t.Fatal(err)
	}
}

// isr says which replicas of the topic are in sync.
func (r *roller) isr(ids ...int32) {
	r.brokers.set(func(k *brokers) {
		topic := k.topics["orders"]
		topic.Partitions = slices.Clone(topic.Partitions)
		topic.Partitions[0].ISR, topic.Partitions[0].Leader = ids, ids[0]
		k.topics = map[string]broker.Topic{"orders": topic}
	})
}

// change gives the brokers another setting, and the StatefulSet its revision.
func (r *roller) change(revision, value string) {
	r.t.Helper()
	k := r.kafka()
	k.Generation++
	k.Spec.Brokers.Config = v1beta1.BrokerConfig{"num.io.threads": value}
	if _, err := r.kafkas.KafkaV1beta1().Kafkas("ns").Update(r.t.Context(), k, metav1.UpdateOptions{}); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
	r.revise(revision)
	r.settle()
}

// deleted are the pods that the controller has deleted, in order. One may be asked for again, by its uid, until it is seen to go.
func (r *roller) deleted() (names []string) {
	seen := map[types.UID]bool{}
	for _, action := range r.host.Actions() {
		if d, ok := action.(clienttesting.DeleteAction); ok && action.GetResource().Resource == "pods" {
			p := d.GetDeleteOptions().Preconditions
			if p == nil || p.UID == nil {
				r.t.Fatalf("pod %s was deleted whatever its uid", d.GetName())
			}
			if !seen[*p.UID] {
				names = append(names, strings.TrimPrefix(d.GetName(), "c-kafka-"))
			}
			seen[*p.UID] = true
		}
	}
	return names
}

func (r *roller) expectDeleted(when string, want ...string) {
	r.t.Helper()
	if got := r.deleted(); !slices.Equal(got, want) {
		r.t.Fatalf("%s: deleted %v, want %v", when, got, want)
	}
}

func TestAChangedSettingRestartsOneNodeAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.change("2", "9")
		// The active controller goes last.
		r.expectDeleted("at first", "0")
		status := r.kafka().Status.Roll
		if status == nil || !slices.Equal(status.InWork, []string{"c-kafka-0"}) || len(status.Waiting) != 2 || len(status.Restarts) != 1 || !slices.Equal(status.Restarts[0].Reasons, []string{"ConfigChanged"}) {
			t.Fatalf("status.roll = %+v", status)
		}
		if got := r.condition(v1beta1.ConditionProgressing); got.Reason != reasonRolling || !strings.Contains(got.Message, "0 of 3 nodes are restarted, in work: c-kafka-0") {
			t.Errorf("Progressing = %+v", got)
		}
		r.isr(1, 2)
		r.pod(0, false)
		r.settle()
		r.expectDeleted("while it starts", "0")
		if err := r.host.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "ns", "c-kafka-0"); err != nil {
			t.Fatal(err)
		}
		r.pod(0, true)
		r.settle()
		r.expectDeleted("while it is ready and not in sync", "0")
		if got := r.kafka().Status.Roll; got.Phase != v1beta1.RollWaiting || got.Reason != "NotInSync" || !strings.Contains(got.Message, "orders-0") {
			t.Errorf("status.roll = %+v", got)
		}
		// A process that comes next knows what was done.
		r.stop()
		r.start()
		r.expectDeleted("after a crash", "0")
		r.isr(0, 1, 2)
		r.settle()
		r.expectDeleted("when it is in sync", "0", "2")
		r.pod(2, true)
		r.settle()
		r.expectDeleted("when all others are done", "0", "2", "1")
		r.pod(1, true)
		r.settle()
		if got := r.kafka().Status.Roll; got != nil {
			t.Errorf("status.roll = %+v when all is done", got)
		}
		if got := r.condition(v1beta1.ConditionProgressing); got.Reason != reasonSettled {
			t.Errorf("Progressing = %+v", got)
		}
		r.clear()
		time.Sleep(time.Hour)
		synctest.Wait()
		if w := r.writes(); len(w) > 0 {
			t.Errorf("a settled system was written to: %v", w)
		}
	})
}

func TestNoNodeIsRestartedThatAPartitionNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.isr(1)
		r.change("2", "9")
		r.expectDeleted("while one of three is in sync")
		if got := r.kafka().Status.Roll; got == nil || got.Phase != v1beta1.RollWaiting || got.Reason != "Denied" || !strings.Contains(got.Message, "orders-0") {
			t.Errorf("status.roll = %+v", got)
		}
		time.Sleep(5 * time.Minute)
		r.settle()
		r.expectDeleted("minutes later")
		if got := r.condition(v1beta1.ConditionRollBlocked); got.Reason != "Denied" || !strings.Contains(got.Message, "min.insync.replicas") {
			t.Errorf("RollBlocked = %+v", got)
		}
		r.isr(0, 1, 2)
		time.Sleep(time.Minute)
		r.settle()
		r.expectDeleted("when it may go", "0")
		if c := meta.FindStatusCondition(r.kafka().Status.Conditions, v1beta1.ConditionRollBlocked); c != nil {
			t.Errorf("RollBlocked = %+v", c)
		}
	})
}

// A setting by which brokers do not start stops the roll at the first of them, and goes on when it is corrected.
func TestANodeThatDoesNotComeBackStopsTheRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		r.change("2", "0")
		r.expectDeleted("at first", "0")
		r.isr(1, 2)
		r.pod(0, false, func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: render.Container, RestartCount: 3,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
		})
		time.Sleep(time.Hour)
		r.settle()
		r.expectDeleted("an hour later", "0")
		if got := r.condition(v1beta1.ConditionRollBlocked); got.Reason != "Stuck" || !strings.Contains(got.Message, "c-kafka-0") || !strings.Contains(got.Message, "CrashLoopBackOff") {
			t.Errorf("RollBlocked = %+v", got)
		}
		r.change("3", "9")
		r.expectDeleted("when it is corrected", "0", "0")
		r.pod(0, true)
		r.isr(0, 1, 2)
		r.settle()
		r.expectDeleted("when the first is back", "0", "0", "2")
	})
}

// A container that is started again gets what its pod was made with, until no pod has it.
func TestConfigurationsStayWhileAPodHasThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		first := r.configs()
		if len(first) != 1 {
			t.Fatalf("configurations: %v", first)
		}
		r.change("2", "9")
		both := r.configs()
		if len(both) != 2 || !slices.Contains(both, first[0]) {
			t.Errorf("while pods have both: %v, want %s and another", both, first)
		}
		for _, o := range []int32{0, 2, 1} {
			r.pod(o, true)
			r.settle()
		}
		if got := r.configs(); len(got) != 1 || got[0] == first[0] {
			t.Errorf("in the end: %v, want another than %s", got, first)
		}
	})
}

// configs are the names of the immutable configurations.
func (r *roller) configs() (names []string) {
	r.t.Helper()
	list, err := r.host.CoreV1().ConfigMaps("ns").List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, config := range list.Items {
		if config.Immutable != nil && *config.Immutable {
			names = append(names, config.Name)
		}
	}
	return names
}

// The status is written before a pod goes, so that it cannot be forgotten.
func TestARestartIsStoredBeforeItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		refuse := true
		r.kafkas.PrependReactor("update", "kafkas", func(action clienttesting.Action) (bool, runtime.Object, error) {
			if action.GetSubresource() == "status" && refuse {
				return true, nil, apierrors.NewConflict(v1beta1.Resource("kafkas"), "c", nil)
			}
			return false, nil, nil
		})
		r.change("2", "9")
		r.expectDeleted("while the status cannot be written")
		refuse = false
		time.Sleep(time.Minute)
		r.settle()
		r.expectDeleted("then", "0")
	})
}

// What is read of pods may be behind: somebody else has deleted one that is to be restarted.
func TestAPodThatIsGoneAlreadyIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoller(t)
		defer func() { r.stop() }()
		behind := true
		r.host.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return behind, nil, apierrors.NewConflict(corev1.Resource("pods"), "c-kafka-0", nil)
		})
		r.change("2", "9")
		r.expectDeleted("while it is behind", "0")
		behind = false
		r.settle()
		r.expectDeleted("then", "0")
		r.pod(0, true)
		r.settle()
		r.expectDeleted("when it is back", "0", "2")
	})
}
