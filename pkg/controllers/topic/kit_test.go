package topic

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/brokertest"
	kafkafake "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/fake"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func TestMain(m *testing.M) {
	// The fake API gives up on a watcher that is as many events behind.
	watch.DefaultChanSize = 20_000
	os.Exit(m.Run())
}

var errLost = errors.New("the connection was closed")

// lastLook is when a cluster has been looked at since something happened to it: loops add a fifth to pauses, or take it.
const lastLook = patrolEvery * 6 / 5

// brokers hold topics in memory.
type brokers struct {
	mu   sync.Mutex
	away bool
	// why is why they are away; nil when nobody answers.
	why error
	// bug is what an answer makes of this process.
	bug bool
	// hidden makes reads answer as a broker that has not heard of any topic.
	hidden  bool
	refuse  error
	next    byte
	topics  map[string]broker.Topic
	alive   map[int32]broker.BrokerInfo
	configs map[string]map[string]string
	// moves are the reassignments that are under way, by topic.
	moves map[string]map[int32]broker.Reassignment
	asked int
	// single counts the requests about one topic, and bulk those about many.
	single, bulk int
	// creates counts what was asked to be created.
	creates int
	deleted []broker.TopicID
	// capacity is how many partitions brokers can add at once; more end them before they answer. 0 is any number.
	capacity int32
	// used says that topics have held records.
	used bool
	// perBroker is how many replicas the controller lets each broker have; 0 for any number.
	perBroker int
	// understood is what brokers make of a value of a setting; nil for the value itself.
	understood func(key, value string) string
	// alters counts changes of settings, and grows those of partitions.
	alters, grows int
}

// overwhelmed ends the brokers when they are asked for too much; the caller holds the lock.
func (b *brokers) overwhelmed(added int32) error {
	if b.capacity == 0 || added <= b.capacity {
		return nil
	}
	b.away = true
	return &kafkaerr.UnknownOutcomeError{Op: "write", Object: "orders", Err: b.answer()}
}

func (b *brokers) answer() error {
	b.asked++
	if b.bug {
		panic("a bug")
	}
	if b.away {
		why := b.why
		if why == nil {
			why = errors.New("connection refused")
		}
		return &kafkaerr.UnreachableError{Cluster: "c", Err: why}
	}
	return nil
}

func (b *brokers) Describe(context.Context) (broker.ClusterInfo, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return broker.ClusterInfo{}, b.answer()
}

func (b *brokers) Snapshot(context.Context, time.Duration) (*broker.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bulk++
	if err := b.answer(); err != nil {
		return nil, err
	}
	topics := maps.Clone(b.topics)
	if b.hidden {
		clear(topics)
	}
	snapshot := brokertest.Snapshot(topics)
	snapshot.Brokers = maps.Clone(b.alive)
	return &snapshot, nil
}

func (b *brokers) TopicConfigs(_ context.Context, names ...string) (map[string][]broker.ConfigEntry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bulk += (len(names) + configChunk - 1) / configChunk
	if err := b.answer(); err != nil {
		return nil, err
	}
	configs := map[string][]broker.ConfigEntry{}
	for _, name := range names {
		configs[name] = b.config(name)
	}
	return configs, nil
}

// config is all of a topic's settings; the caller holds the lock.
func (b *brokers) config(name string) []broker.ConfigEntry {
	entries := []broker.ConfigEntry{{Name: "min.insync.replicas", Value: "2", Source: broker.SourceStaticBroker}}
	for key, value := range b.configs[name] {
		if b.understood != nil {
			value = b.understood(key, value)
		}
		entries = append(entries, broker.ConfigEntry{Name: key, Value: value, Source: broker.SourceTopic})
	}
	return entries
}

func (b *brokers) Topic(_ context.Context, name string) (broker.Topic, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.single++
	t, ok := b.topics[name]
	return t, ok && !b.hidden, b.answer()
}

func (b *brokers) ConfigOpinions(ctx context.Context, name string) ([][]broker.ConfigEntry, error) {
	said, err := b.TopicConfig(ctx, name)
	return [][]broker.ConfigEntry{said}, err
}

func (b *brokers) TopicConfig(_ context.Context, name string) ([]broker.ConfigEntry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.single++
	return b.config(name), b.answer()
}

func (b *brokers) ReassignmentsOf(context.Context, ...broker.Topic) (map[string]map[int32]broker.Reassignment, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.moves), b.answer()
}

func (b *brokers) CreateTopic(_ context.Context, t broker.NewTopic, _ bool) (broker.CreatedTopic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.single++
	b.creates++
	if err := errors.Join(b.answer(), b.refuse); err != nil {
		return broker.CreatedTopic{}, err
	}
	if err := b.overwhelmed(t.Partitions); err != nil {
		return broker.CreatedTopic{}, err
	}
	if _, exists := b.topics[t.Name]; exists {
		return broker.CreatedTopic{}, &kafkaerr.Error{Op: "create topic", Object: t.Name, Code: 36, Name: "TOPIC_ALREADY_EXISTS"}
	}
	made := b.put(t.Name, max(t.Partitions, 1), int32(max(t.Replicas, 1)), t.Config)
	return broker.CreatedTopic{ID: made.ID, Partitions: int32(len(made.Partitions)), Replicas: int16(made.ReplicationFactor())}, nil
}

func (b *brokers) CreatePartitions(_ context.Context, name string, total int32, _ [][]int32, _ bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.grows++
	if err := b.answer(); err != nil {
		return err
	}
	t := b.topics[name]
	if err := b.overwhelmed(total - int32(len(t.Partitions))); err != nil {
		return err
	}
	for int32(len(t.Partitions)) < total {
		t.Partitions = append(t.Partitions, t.Partitions[0])
	}
	b.topics[name] = t
	return b.answer()
}

func (b *brokers) AlterTopicConfig(_ context.Context, name string, set map[string]string, remove []string, _ bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alters++
	for key, value := range set {
		b.configs[name][key] = value
	}
	for _, key := range remove {
		delete(b.configs[name], key)
	}
	return b.answer()
}

func (b *brokers) DeleteTopic(_ context.Context, id broker.TopicID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted = append(b.deleted, id)
	for name, t := range b.topics {
		if t.ID == id {
			delete(b.topics, name)
		}
	}
	return b.answer()
}

func (b *brokers) NeverUsed(context.Context, broker.Topic) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.used, b.answer()
}

// put makes a topic; the caller holds the lock.
func (b *brokers) put(name string, partitions, replicas int32, config map[string]string) broker.Topic {
	b.next++
	t := broker.Topic{Name: name, ID: broker.TopicID{15: b.next}}
	for i := range partitions {
		t.Partitions = append(t.Partitions, broker.Partition{ID: i, Replicas: make([]int32, replicas)})
	}
	if b.topics == nil {
		b.topics, b.configs = map[string]broker.Topic{}, map[string]map[string]string{}
	}
	b.topics[name], b.configs[name] = t, map[string]string{}
	for key, value := range config {
		b.configs[name][key] = value
	}
	return t
}

func (b *brokers) do(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func kafkaObject() *v1beta1.Kafka {
	return &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "c", UID: "k"},
		Status:     v1beta1.KafkaStatus{Listeners: []v1beta1.ListenerStatus{{Name: "plain", Addresses: []string{"c-0:9092"}}}},
	}
}

func topicObject(change ...func(*v1beta1.KafkaTopic)) *v1beta1.KafkaTopic {
	t := &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "orders", UID: "t", Generation: 1},
		Spec: v1beta1.KafkaTopicSpec{
			ClusterRef: v1beta1.ClusterReference{Name: "c"}, Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2),
			Config: map[string]string{"retention.ms": "1000"},
		},
	}
	for _, f := range change {
		f(t)
	}
	return t
}

type bench struct {
	t          *testing.T
	client     *kafkafake.Clientset
	brokers    *brokers
	controller *Controller
	events     chan string
	// stored counts the updates of topics that changed something.
	stored *atomic.Int32
	stop   func()
}

// newBench runs a controller inside a synctest bubble.
func newBench(t *testing.T, b *brokers, objects ...runtime.Object) *bench {
	client := kafkafake.NewSimpleClientset(objects...)
	// The fake API carries dry runs out, and writes what changes nothing, which is an event then.
	stored := &atomic.Int32{}
	client.PrependReactor("update", "kafkatopics", func(action clienttesting.Action) (bool, runtime.Object, error) {
		update, ok := action.(clienttesting.UpdateActionImpl)
		if !ok {
			return false, nil, nil
		}
		if len(update.UpdateOptions.DryRun) > 0 {
			return true, update.Object, nil
		}
		topic := update.Object.(*v1beta1.KafkaTopic)
		have, err := client.Tracker().Get(action.GetResource(), topic.Namespace, topic.Name)
		if err == nil && equality.Semantic.DeepEqual(have, update.Object) {
			return true, update.Object, nil
		}
		stored.Add(1)
		return false, nil, nil
	})
	recorder := events.NewFakeRecorder(10_000)
	c, err := New(Config{Kafka: client, ReplicasPerBroker: b.perBroker, Connect: func(broker.Target) Cluster { return b }, Recorder: recorder})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { c.Run(ctx); close(done) }()
	bench := &bench{t, client, b, c, recorder.Events, stored, func() { cancel(); <-done }}
	// A new object is left to its request first.
	bench.wait(gracePeriod + time.Second)
	return bench
}

// told are the events since the last look.
func (b *bench) told() (events []string) {
	for {
		select {
		case event := <-b.events:
			events = append(events, event)
		default:
			return events
		}
	}
}

func (b *bench) expectEvent(words ...string) {
	b.t.Helper()
	events := b.told()
	for _, event := range events {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(event, word) }) {
			return
		}
	}
	b.t.Errorf("events are %q, want one with %q", events, words)
}

func (b *bench) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) topic() *v1beta1.KafkaTopic {
	b.t.Helper()
	topic, err := b.client.KafkaV1beta1().KafkaTopics("streams").Get(b.t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return topic
}

func (b *bench) expectReady(status metav1.ConditionStatus, reason string) {
	b.t.Helper()
	got := meta.FindStatusCondition(b.topic().Status.Conditions, v1beta1.ConditionReady)
	if got == nil || got.Status != status || got.Reason != reason {
		b.t.Errorf("Ready = %+v, want %s because of %s", got, status, reason)
	}
}

func (b *bench) writes() (out []string) {
	for _, action := range b.client.Actions() {
		if v := action.GetVerb(); v != "get" && v != "list" && v != "watch" {
			out = append(out, fmt.Sprintf("%s %s %s", v, action.GetResource().Resource, action.GetSubresource()))
		}
	}
	return out
}
