package topic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	kafkainformers "kafka.openshift.io/kafka-apiserver/pkg/generated/informers/externalversions"
	kafkalisters "kafka.openshift.io/kafka-apiserver/pkg/generated/listers/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/jitter"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Cluster is what the controller asks and tells a cluster's brokers.
type Cluster interface {
	Describe(ctx context.Context) (broker.ClusterInfo, error)
	Snapshot(ctx context.Context, maxAge time.Duration) (*broker.Snapshot, error)
	TopicConfigs(ctx context.Context, topics ...string) (map[string][]broker.ConfigEntry, error)
	Topic(ctx context.Context, name string) (broker.Topic, bool, error)
	TopicConfig(ctx context.Context, topic string) ([]broker.ConfigEntry, error)
	ConfigOpinions(ctx context.Context, topic string) ([][]broker.ConfigEntry, error)
	ReassignmentsOf(ctx context.Context, topics ...broker.Topic) (map[string]map[int32]broker.Reassignment, error)
	CreateTopic(ctx context.Context, topic broker.NewTopic, validateOnly bool) (broker.CreatedTopic, error)
	CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error
	AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error
	DeleteTopic(ctx context.Context, id broker.TopicID) error
	NeverUsed(ctx context.Context, topic broker.Topic) (bool, error)
}

var _ Cluster = (*broker.Cluster)(nil)

// Config is what a Controller works with.
type Config struct {
	Kafka versioned.Interface
	// Informers are what the controllers of a process share; those of this one alone when nil.
	Informers kafkainformers.SharedInformerFactory
	// Targets finds the brokers of Kafkas; when nil, those that refer to Secrets cannot be reached.
	Targets *target.Resolver
	// Connect returns the handle on a cluster's brokers and never dials; Disconnect gives it up, with the connections that it has.
	Connect    func(broker.Target) Cluster
	Disconnect func(key string)
	// Recorder may be nil: then nobody is told.
	Recorder events.EventRecorder
	// ReplicasPerBroker is how many replicas of partitions a cluster takes for each broker; 0 for any number.
	ReplicasPerBroker int
	// Workers is the number of topics of one cluster in work at once; 64 when 0. What they ask of the brokers at the same time goes
	// into shared requests, so that many are faster than few.
	Workers int
	// Budget is what the controllers of a process share; see loop.Options. Clock is the real one when nil. Metrics may be nil.
	Budget  *loop.Budget
	Clock   clock.WithTicker
	Metrics *loopmetrics.Metrics
}

// Controller makes brokers have what KafkaTopics say.
type Controller struct {
	client     versioned.Interface
	targets    *target.Resolver
	connect    func(broker.Target) Cluster
	disconnect func(string)
	recorder   events.EventRecorder
	clock      clock.WithTicker
	capacity   *topics.Capacity

	informers kafkainformers.SharedInformerFactory
	synced    []cache.InformerSynced
	topics    kafkalisters.KafkaTopicLister
	kafkas    kafkalisters.KafkaLister
	byCluster cache.Indexer

	loop *loop.Loop
	// unreachable are the topics that wait for brokers, grace those that wait for the request that stored them, and refused those
	// that brokers refuse. failing are those of which syncs fail for other reasons.
	unreachable unreachableQueue
	grace       grace
	refused     refusals
	reverts     reverts
	failing     observations
	// recheck are topics that are as specified and that are compared with the brokers nevertheless.
	recheck    memory[struct{}]
	unrecorded memory[unrecordedTopic]

	// patrol compares the topics of whole clusters with the brokers; its keys are Kafkas.
	patrol  *loop.Loop
	cursors memory[cursor]
}

// clusterIndex finds the topics of a Kafka by its namespace/name.
const clusterIndex = "cluster"

// New builds a Controller. It starts nothing.
func New(cfg Config) (*Controller, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.Targets == nil {
		cfg.Targets = target.New(nil, cfg.Clock)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 64
	}
	if cfg.Informers == nil {
		cfg.Informers = kafkainformers.NewSharedInformerFactory(cfg.Kafka, 0)
	}
	if cfg.Disconnect == nil {
		cfg.Disconnect = func(string) {}
	}
	c := &Controller{
		client: cfg.Kafka, targets: cfg.Targets, connect: cfg.Connect, disconnect: cfg.Disconnect, recorder: cfg.Recorder, clock: cfg.Clock,
		informers: cfg.Informers,
	}
	if cfg.Budget == nil {
		cfg.Budget = loop.NewBudget(loop.DefaultSyncs, loop.DefaultAsides)
	}
	c.loop = loop.New(loop.Options{
		Name: "topic", Workers: cfg.Workers, Lane: c.lane, Budget: cfg.Budget, Clock: cfg.Clock, Metrics: cfg.Metrics,
	}, c.sync)
	c.capacity = topics.NewCapacity(cfg.ReplicasPerBroker, cfg.Clock, c.loop.Aside)
	c.patrol = loop.New(loop.Options{
		Name: "topic-patrol", Lane: types.NamespacedName.String, Budget: cfg.Budget, Clock: cfg.Clock, Metrics: cfg.Metrics,
	}, c.compareCluster)
	topics, kafkas := c.informers.Kafka().V1beta1().KafkaTopics(), c.informers.Kafka().V1beta1().Kafkas()
	c.topics, c.kafkas = topics.Lister(), kafkas.Lister()
	c.byCluster = topics.Informer().GetIndexer()
	indexErr := topics.Informer().AddIndexers(cache.Indexers{clusterIndex: func(obj any) ([]string, error) {
		topic, ok := obj.(*v1beta1.KafkaTopic)
		if !ok {
			return nil, nil
		}
		return []string{clusterKey(topic).String()}, nil
	}})
	ofTopics, topicErr := topics.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueue,
		UpdateFunc: func(_, obj any) { c.enqueue(obj) },
		DeleteFunc: c.enqueue,
	})
	ofKafkas, kafkaErr := kafkas.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { c.kafkaChanged(nil, obj) },
		UpdateFunc: c.kafkaChanged,
		DeleteFunc: c.kafkaDeleted,
	})
	if err := errors.Join(indexErr, topicErr, kafkaErr); err != nil {
		return nil, fmt.Errorf("watch for the topic controller: %w", err)
	}
	c.synced = []cache.InformerSynced{ofTopics.HasSynced, ofKafkas.HasSynced}
	return c, nil
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	c.informers.Start(ctx.Done())
	defer c.informers.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return
	}
	klog.FromContext(ctx).Info("Controller runs", "controller", "topic")
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		ticker := jitter.NewTicker(c.clock, probeEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C():
				ticker.Next()
				c.probe(ctx, &running)
			}
		}
	})
	running.Go(func() { c.patrol.Run(ctx) })
	c.loop.Run(ctx)
}

func (c *Controller) enqueue(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	if topic, ok := obj.(*v1beta1.KafkaTopic); ok {
		c.hear(topic)
	}
	if m, err := meta.Accessor(obj); err == nil {
		c.loop.Add(types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()})
	}
}

// kafkaChanged wakes the topics of a Kafka that appears, gets its first address or other ones, or becomes Ready or another's: what happened to them meanwhile
// is not known.
func (c *Controller) kafkaChanged(before, after any) {
	now, ok := after.(*v1beta1.Kafka)
	if !ok {
		return
	}
	if was, ok := before.(*v1beta1.Kafka); ok {
		_, had := c.targets.Of(was)
		if _, has := c.targets.Of(now); had == has && target.Claimed(was) == target.Claimed(now) && replaced(was) == replaced(now) && (ready(was) || !ready(now)) && was.UID == now.UID &&
			equality.Semantic.DeepEqual(was.Spec.External, now.Spec.External) {
			return
		}
		if id := target.Pinned(now); id != "" && id != target.Pinned(was) {
			// Nobody asks the cluster that it was any more.
			at, _ := c.targets.Of(was)
			c.disconnect(at.Key)
		}
	}
	c.wake(now)
}

// wake looks at the topics of a Kafka anew, and compares them with the brokers.
func (c *Controller) wake(kafka *v1beta1.Kafka) {
	at, _ := c.targets.Of(kafka)
	c.unreachable.release(at.Key)
	key := types.NamespacedName{Namespace: kafka.Namespace, Name: kafka.Name}
	for _, topic := range c.topicsOf(key) {
		c.loop.Add(types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name})
	}
	c.patrol.Add(key)
}

// topicsOf are the topics of a Kafka, as the cache has them.
func (c *Controller) topicsOf(kafka types.NamespacedName) []*v1beta1.KafkaTopic {
	objects, err := c.byCluster.ByIndex(clusterIndex, kafka.String())
	if err != nil {
		return nil
	}
	topics := make([]*v1beta1.KafkaTopic, 0, len(objects))
	for _, obj := range objects {
		if topic, ok := obj.(*v1beta1.KafkaTopic); ok {
			topics = append(topics, topic)
		}
	}
	return topics
}

// lane makes the topics of one cluster share their workers, so that a slow cluster delays no other.
func (c *Controller) lane(key types.NamespacedName) string {
	topic, err := c.topics.KafkaTopics(key.Namespace).Get(key.Name)
	if err != nil {
		return ""
	}
	return clusterKey(topic).String()
}

func clusterKey(topic *v1beta1.KafkaTopic) types.NamespacedName {
	return types.NamespacedName{Namespace: v1beta1.ClusterNamespace(topic), Name: topic.Spec.ClusterRef.Name}
}

// replaced tells whether another cluster answers in the place of the Kafka's, as its status says of the spec of today.
func replaced(kafka *v1beta1.Kafka) bool {
	ready := meta.FindStatusCondition(kafka.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Reason == kafkaerr.ReasonClusterReplaced && ready.ObservedGeneration == kafka.Generation
}

func ready(kafka *v1beta1.Kafka) bool {
	return meta.IsStatusConditionTrue(kafka.Status.Conditions, v1beta1.ConditionReady)
}
