package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	hostfake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// brokers are the brokers as the controller sees them.
type brokers struct {
	mu           sync.Mutex
	info         broker.ClusterInfo
	quorum       broker.QuorumInfo
	snapshot     broker.Snapshot
	err          error
	unregistered []int32
}

func (b *brokers) Describe(context.Context) (broker.ClusterInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info, b.err
}

func (b *brokers) Quorum(context.Context) (broker.QuorumInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.quorum, b.err
}

func (b *brokers) Snapshot(context.Context, time.Duration) (*broker.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &b.snapshot, b.err
}

func (b *brokers) UnregisterBroker(_ context.Context, id int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unregistered = append(b.unregistered, id)
	b.info.Brokers = slices.DeleteFunc(b.info.Brokers, func(i broker.BrokerInfo) bool { return i.ID == id })
	return b.err
}

func (b *brokers) set(change func(*brokers)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

func registered(fenced bool, ids ...int32) (out []broker.BrokerInfo) {
	for _, id := range ids {
		out = append(out, broker.BrokerInfo{ID: id, Fenced: fenced})
	}
	return out
}

// bench is a controller over fake APIs, inside a synctest bubble: settle lets everything that can happen now happen.
type bench struct {
	t       *testing.T
	host    *hostfake.Clientset
	kafkas  *kafkafake.Clientset
	brokers *brokers
	stop    func()
}

func newBench(t *testing.T, host []runtime.Object, kafkas ...runtime.Object) *bench {
	b := &bench{t: t, host: hostfake.NewClientset(host...), kafkas: kafkafake.NewSimpleClientset(kafkas...), brokers: &brokers{}}
	// The fake API has no UIDs; the anchor needs one.
	b.host.PrependReactor("patch", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		handled, obj, err := clienttesting.ObjectReaction(b.host.Tracker())(action)
		if cm, ok := obj.(*corev1.ConfigMap); ok && err == nil && cm.UID == "" {
			cm.UID = types.UID("uid-of-" + cm.Name)
			err = b.host.Tracker().Update(action.GetResource(), cm, cm.Namespace)
		}
		return handled, obj, err
	})
	b.start()
	return b
}

func (b *bench) start() {
	c, err := New(Config{
		Host: b.host, Kafka: b.kafkas,
		Connect:         func(broker.Target) Cluster { return b.brokers },
		Recorder:        &events.FakeRecorder{},
		StorageIdentity: types.NamespacedName{Namespace: "kafka-system", Name: "kafka-apiserver-storage"},
		NewID:           counter(),
		RunAsUser:       ptr.To[int64](1000),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	b.stop = func() { cancel(); <-done }
	b.settle()
}

// settle lets the requeued syncs of the next seconds happen, too.
func (b *bench) settle() {
	synctest.Wait()
	time.Sleep(6 * time.Second)
	synctest.Wait()
}

func (b *bench) kafka() *v1beta1.Kafka {
	b.t.Helper()
	k, err := b.kafkas.KafkaV1beta1().Kafkas("ns").Get(b.t.Context(), "c", metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// run does what the StatefulSet controller and kubelet do: claims and ready pods.
func (b *bench) run(role render.Role, ordinals ...int32) {
	b.t.Helper()
	for _, o := range ordinals {
		set, err := b.host.AppsV1().StatefulSets("ns").Get(b.t.Context(), render.WorkloadName("c", role), metav1.GetOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, template := range set.Spec.VolumeClaimTemplates {
			c := template.DeepCopy()
			c.Namespace, c.Name = "ns", fmt.Sprintf("%s-%s-%d", template.Name, set.Name, o)
			if err := b.host.Tracker().Add(c); err != nil && !apierrors.IsAlreadyExists(err) {
				b.t.Fatal(err)
			}
		}
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: render.PodName("c", role, o), Labels: set.Spec.Template.Labels},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
		}
		if err := b.host.Tracker().Add(p); err != nil {
			b.t.Fatal(err)
		}
	}
}

// writes are all requests that change something, of both APIs.
func (b *bench) writes() (out []string) {
	for _, action := range slices.Concat(b.host.Actions(), b.kafkas.Actions()) {
		if v := action.GetVerb(); v == "get" || v == "list" || v == "watch" {
			continue
		}
		name := ""
		if patch, ok := action.(clienttesting.PatchAction); ok {
			name = patch.GetName()
		}
		out = append(out, strings.Join([]string{action.GetVerb(), action.GetResource().Resource, action.GetSubresource(), name}, " "))
	}
	return out
}

func (b *bench) clear() {
	b.host.ClearActions()
	b.kafkas.ClearActions()
}

func (b *bench) condition(kind string) metav1.Condition {
	b.t.Helper()
	c := meta.FindStatusCondition(b.kafka().Status.Conditions, kind)
	if c == nil {
		b.t.Fatalf("no condition %s", kind)
	}
	return *c
}

func persistent(k *v1beta1.Kafka) { k.Spec.Brokers.Storage.Size = ptr.To(resource.MustParse("1Gi")) }

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
		hosted := broker.Snapshot{Topics: map[string]broker.Topic{"t": {Partitions: []broker.Partition{{Replicas: []int32{3}}}}}}
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
		if err := b.host.CoreV1().Pods("ns").Delete(t.Context(), "c-kafka-3", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		b.brokers.set(func(k *brokers) { k.info.Brokers[3].Fenced = true })
		b.settle()
		if !slices.Equal(b.brokers.unregistered, []int32{3}) {
			t.Errorf("unregistered %v, want [3]", b.brokers.unregistered)
		}
		if got := b.condition(v1beta1.ConditionProgressing); got.Status != metav1.ConditionFalse {
			t.Errorf("Progressing = %+v", got)
		}
	})
}

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
		// A cache that is behind makes the controller try again, and that is harmless.
		want := []string{"delete pods  ", "delete statefulsets  ", "delete configmaps  ", "delete kafkas  "}
		if w := slices.Compact(b.writes()); !slices.Equal(w, want) {
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
