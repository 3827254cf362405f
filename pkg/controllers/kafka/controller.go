package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appsv1listers "k8s.io/client-go/listers/apps/v1"
	corev1listers "k8s.io/client-go/listers/core/v1"
	policyv1listers "k8s.io/client-go/listers/policy/v1"
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
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
	"kafka.openshift.io/kafka-apiserver/pkg/zookeeper"
)

// FieldManager owns the fields of host objects that this controller applies.
const FieldManager = "kafka-apiserver-controllers"

// identityField of the ConfigMap in Config.StorageIdentity is the storage's identity.
const identityField = "identity"

// Cluster is what the controller asks of a cluster's brokers.
type Cluster interface {
	Describe(ctx context.Context) (broker.ClusterInfo, error)
	Quorum(ctx context.Context) (broker.QuorumInfo, error)
	Opinions(ctx context.Context) ([]*broker.Snapshot, error)
	Snapshot(ctx context.Context, maxAge time.Duration) (*broker.Snapshot, error)
	Topics(ctx context.Context, names ...string) (map[string]broker.Topic, error)
	TopicSetting(ctx context.Context, name string, topics ...string) (map[string]string, error)
	UnregisterBroker(ctx context.Context, id int32) error
}

var _ Cluster = (*broker.Cluster)(nil)

// Config is what a Controller works with.
type Config struct {
	// Host is the Kubernetes API, Kafka ours.
	Host  kubernetes.Interface
	Kafka versioned.Interface
	// Informers are of our API, and what the controllers of a process share; those of this one alone when nil.
	Informers kafkainformers.SharedInformerFactory
	// Connect returns the handle on a cluster's brokers and never dials; Disconnect gives it up.
	Connect    func(broker.Target) Cluster
	Disconnect func(key string)
	// ZooKeeper asks a member of an ensemble what it is; zookeeper.Ask when nil.
	ZooKeeper func(ctx context.Context, address string) (zookeeper.State, error)
	// Recorder may be nil: then nobody is told.
	Recorder events.EventRecorder
	// Images replaces the image of a release.
	Images map[string]string
	// RunAsUser is the user and group of pods; nil leaves it to the platform.
	RunAsUser *int64
	// StorageIdentity names the ConfigMap in which the API server records the identity of its storage; empty when it does not.
	StorageIdentity types.NamespacedName
	// Budget is what the controllers of a process share; see loop.Options. Clock is the real one and NewID the function of that name
	// when nil. Metrics may be nil.
	Budget  *loop.Budget
	Clock   clock.WithTicker
	NewID   func() string
	Metrics *loopmetrics.Metrics
}

// Controller runs Kafkas.
type Controller struct {
	host        kubernetes.Interface
	kafkaClient versioned.Interface
	connect     func(broker.Target) Cluster
	disconnect  func(string)
	zooKeeper   func(context.Context, string) (zookeeper.State, error)
	recorder    events.EventRecorder
	images      map[string]string
	runAsUser   *int64
	identity    types.NamespacedName
	clock       clock.WithTicker
	newID       func() string

	hostInformers  informers.SharedInformerFactory
	kafkaInformers kafkainformers.SharedInformerFactory
	synced         []cache.InformerSynced

	kafkas       kafkalisters.KafkaLister
	configMaps   corev1listers.ConfigMapLister
	services     corev1listers.ServiceLister
	claims       corev1listers.PersistentVolumeClaimLister
	pods         corev1listers.PodLister
	statefulSets appsv1listers.StatefulSetLister
	budgets      policyv1listers.PodDisruptionBudgetLister

	loop       *loop.Loop
	deletions  deletions
	complaints complaints
	silences   silences
	storage    storageIdentity
}

// New builds a Controller. It starts nothing.
func New(cfg Config) (*Controller, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.NewID == nil {
		cfg.NewID = NewID
	}
	if cfg.Disconnect == nil {
		cfg.Disconnect = func(string) {}
	}
	if cfg.ZooKeeper == nil {
		cfg.ZooKeeper = zookeeper.Ask
	}
	if cfg.Informers == nil {
		cfg.Informers = kafkainformers.NewSharedInformerFactory(cfg.Kafka, 0)
	}
	c := &Controller{
		host: cfg.Host, kafkaClient: cfg.Kafka, connect: cfg.Connect, disconnect: cfg.Disconnect, zooKeeper: cfg.ZooKeeper, recorder: cfg.Recorder,
		images: cfg.Images, runAsUser: cfg.RunAsUser, identity: cfg.StorageIdentity, clock: cfg.Clock, newID: cfg.NewID,
		kafkaInformers: cfg.Informers,
	}
	c.loop = loop.New(loop.Options{
		Name: "kafka", Lane: types.NamespacedName.String, Budget: cfg.Budget, Clock: cfg.Clock, Metrics: cfg.Metrics,
	}, c.sync)

	kafkas := c.kafkaInformers.Kafka().V1beta1().Kafkas()
	c.kafkas = kafkas.Lister()
	errs := []error{c.watch(kafkas.Informer(), cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueueKafka,
		UpdateFunc: func(_, obj any) { c.enqueueKafka(obj) },
		DeleteFunc: c.kafkaDeleted,
	})}
	if err := errors.Join(append(errs, c.watchHost())...); err != nil {
		return nil, fmt.Errorf("watch for the kafka controller: %w", err)
	}
	return c, nil
}

// watchHost observes what carries our label in the host.
func (c *Controller) watchHost() error {
	c.hostInformers = informers.NewSharedInformerFactoryWithOptions(c.host, 0,
		informers.WithTransform(withoutManagedFields),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.LabelSelector = render.LabelManagedBy + "=" + render.ManagedBy
		}))
	core, apps, policy := c.hostInformers.Core().V1(), c.hostInformers.Apps().V1(), c.hostInformers.Policy().V1()
	c.configMaps, c.services, c.claims, c.pods = core.ConfigMaps().Lister(), core.Services().Lister(), core.PersistentVolumeClaims().Lister(), core.Pods().Lister()
	c.statefulSets, c.budgets = apps.StatefulSets().Lister(), policy.PodDisruptionBudgets().Lister()
	var errs []error
	child := cache.ResourceEventHandlerFuncs{
		AddFunc:    c.enqueueOwner,
		UpdateFunc: func(_, obj any) { c.enqueueOwner(obj) },
		DeleteFunc: c.enqueueOwner,
	}
	for _, informer := range []cache.SharedIndexInformer{
		core.ConfigMaps().Informer(), core.Services().Informer(), core.PersistentVolumeClaims().Informer(), core.Pods().Informer(),
		apps.StatefulSets().Informer(), policy.PodDisruptionBudgets().Informer(),
	} {
		errs = append(errs, c.watch(informer, child))
	}
	return errors.Join(errs...)
}

func (c *Controller) watch(informer cache.SharedIndexInformer, handler cache.ResourceEventHandler) error {
	registration, err := informer.AddEventHandler(handler)
	if err != nil {
		return err
	}
	c.synced = append(c.synced, registration.HasSynced)
	return nil
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	c.hostInformers.Start(ctx.Done())
	defer c.hostInformers.Shutdown()
	c.kafkaInformers.Start(ctx.Done())
	defer c.kafkaInformers.Shutdown()
	// Nothing is decided on half a picture: a Kafka or a claim that is not in a cache yet looks like one that does not exist.
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return
	}
	klog.FromContext(ctx).Info("Controller runs", "controller", "kafka")
	c.loop.Run(ctx)
}

func (c *Controller) enqueueKafka(obj any) {
	if m, err := meta.Accessor(obj); err == nil {
		c.loop.Add(types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()})
	}
}

func (c *Controller) kafkaDeleted(obj any) {
	// A tombstone says that the Kafka was missing when the cache was filled anew. Nobody saw it being deleted.
	if kafka, ok := obj.(*v1beta1.Kafka); ok {
		c.deletions.add(kafka.UID)
		c.disconnect(targetKey(kafka))
		c.complaints.settle(string(kafka.UID))
		c.silences.forget(kafka.UID)
	}
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	c.enqueueKafka(obj)
}

func (c *Controller) enqueueOwner(obj any) {
	if tombstone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = tombstone.Obj
	}
	if m, err := meta.Accessor(obj); err == nil {
		if cluster := m.GetLabels()[render.LabelCluster]; cluster != "" {
			c.loop.Add(types.NamespacedName{Namespace: m.GetNamespace(), Name: cluster})
		}
	}
}

// targetKey is the identity under which the gateway keeps the connections of a Kafka.
func targetKey(kafka *v1beta1.Kafka) string {
	return fmt.Sprintf("%s/%s/%s", kafka.Namespace, kafka.Name, kafka.UID)
}

// withoutManagedFields keeps caches small: managed fields are half of each object and nobody here reads them.
func withoutManagedFields(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
