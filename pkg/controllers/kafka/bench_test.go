package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
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
	quorumErr    error
	silent       int
	unregistered []int32
	// topics are what they tell of all topics, and minISR how many replicas have to be in sync.
	topics    map[string]broker.Topic
	minISR    map[string]string
	topicsErr error
}

func (b *brokers) Describe(context.Context) (broker.ClusterInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.info, b.err
}

func (b *brokers) Quorum(context.Context) (broker.QuorumInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.quorumErr != nil {
		b.silent++
	}
	return b.quorum, errors.Join(b.err, b.quorumErr)
}

func (b *brokers) Opinions(context.Context) ([]*broker.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return []*broker.Snapshot{&b.snapshot}, b.err
}

func (b *brokers) Snapshot(context.Context, time.Duration) (*broker.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	snapshot := brokertest.Snapshot(b.topics)
	return &snapshot, errors.Join(b.err, b.topicsErr)
}

func (b *brokers) Topics(_ context.Context, names ...string) (map[string]broker.Topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	some := maps.Clone(b.topics)
	maps.DeleteFunc(some, func(name string, _ broker.Topic) bool { return !slices.Contains(names, name) })
	return some, b.err
}

func (b *brokers) TopicSetting(context.Context, string, ...string) (map[string]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.minISR, b.err
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
	// connect is how brokers are reached, when not at those above.
	connect func(broker.Target) Cluster
	budget  *loop.Budget
	newID   func() string
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
	newID := b.newID
	if newID == nil {
		newID = counter()
	}
	if b.connect == nil {
		b.connect = func(broker.Target) Cluster { return b.brokers }
	}
	c, err := New(Config{
		Host: b.host, Kafka: b.kafkas, Budget: b.budget,
		Connect:         b.connect,
		Recorder:        &events.FakeRecorder{},
		StorageIdentity: types.NamespacedName{Namespace: "kafka-system", Name: "kafka-apiserver-storage"},
		NewID:           newID,
		RunAsUser:       ptr.To[int64](1000),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.stop = controllertest.Run(b.t, c.Run)
	b.settle()
}

// settle lets the requeued syncs of the next seconds happen, too.
func (b *bench) settle() {
	synctest.Wait()
	time.Sleep(7 * time.Second)
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
