// Package external observes Kafkas that somebody else runs: it asks their brokers and
// writes the status. It changes nothing else, and needs no Kubernetes around it.
package external

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/informers/externalversions"
	kafkalisters "kafka.openshift.io/kafka-apiserver/pkg/generated/listers/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

const (
	// askTimeout bounds one question; a cluster is known to be away within five seconds.
	askTimeout = 6 * time.Second
	// againSettled is how soon a cluster that answered is asked again, againAway one that did not.
	againSettled = 30 * time.Second
	againAway    = 5 * time.Second

	listenerName = "plain"

	reasonReady       = "BrokersReady"
	reasonUnreachable = "ClusterUnreachable"
	reasonAsExpected  = "AsExpected"
	reasonMissing     = "MissingRights"
)

// Cluster is what the controller asks of a cluster's brokers.
type Cluster interface {
	Describe(ctx context.Context) (broker.ClusterInfo, error)
	DescribeWithRights(ctx context.Context) (broker.ClusterInfo, error)
}

var _ Cluster = (*broker.Cluster)(nil)

// Config is what a Controller works with.
type Config struct {
	Kafka versioned.Interface
	// Informers are what the controllers of a process share; those of this one alone when nil.
	Informers externalversions.SharedInformerFactory
	// Targets finds the brokers of Kafkas; when nil, those that refer to Secrets cannot be reached.
	Targets *target.Resolver
	// Connect returns the handle on a cluster's brokers and never dials; Disconnect gives it up, with the connections that it has.
	Connect    func(broker.Target) Cluster
	Disconnect func(key string)
	// Budget is what the controllers of a process share; see loop.Options. Clock is the real one when nil. Metrics may be nil.
	Budget  *loop.Budget
	Clock   clock.WithTicker
	Metrics *loopmetrics.Metrics
}

// Controller observes external Kafkas.
type Controller struct {
	client     versioned.Interface
	targets    *target.Resolver
	connect    func(broker.Target) Cluster
	disconnect func(string)
	clock      clock.WithTicker
	informers  externalversions.SharedInformerFactory
	synced     cache.InformerSynced
	kafkas     kafkalisters.KafkaLister
	loop       *loop.Loop
	tries      tries
}

// New builds a Controller. It starts nothing.
func New(cfg Config) (*Controller, error) {
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.Targets == nil {
		cfg.Targets = target.New(nil, cfg.Clock)
	}
	if cfg.Informers == nil {
		cfg.Informers = externalversions.NewSharedInformerFactory(cfg.Kafka, 0)
	}
	if cfg.Disconnect == nil {
		cfg.Disconnect = func(string) {}
	}
	c := &Controller{
		client: cfg.Kafka, targets: cfg.Targets, connect: cfg.Connect, disconnect: cfg.Disconnect, clock: cfg.Clock, informers: cfg.Informers,
	}
	c.loop = loop.New(loop.Options{
		Name: "external", Lane: types.NamespacedName.String, Budget: cfg.Budget, Clock: cfg.Clock, Metrics: cfg.Metrics,
	}, c.sync)
	kafkas := c.informers.Kafka().V1beta1().Kafkas()
	c.kafkas = kafkas.Lister()
	enqueue := func(obj any) {
		if k, ok := obj.(*v1beta1.Kafka); ok && k.Spec.External != nil {
			c.loop.Add(types.NamespacedName{Namespace: k.Namespace, Name: k.Name})
		}
	}
	registration, err := kafkas.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue,
		UpdateFunc: func(before, after any) {
			// A write of the status is this controller's own and no news.
			if b, ok := before.(*v1beta1.Kafka); ok && b.Generation == after.(*v1beta1.Kafka).Generation {
				return
			}
			enqueue(after)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch external Kafkas: %w", err)
	}
	c.synced = registration.HasSynced
	return c, nil
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) {
	c.informers.Start(ctx.Done())
	defer c.informers.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), c.synced) {
		return
	}
	klog.FromContext(ctx).Info("Controller runs", "controller", "external")
	var running sync.WaitGroup
	running.Go(func() { c.loop.Run(ctx) })
	running.Wait()
}

func (c *Controller) sync(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	k, err := c.kafkas.Kafkas(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.tries.forget(key)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if k.Spec.External == nil {
		return 0, nil
	}
	at, _ := c.targets.Of(k)
	// It has to see what answers where others who ask the same brokers do not look as long as the status does not let them.
	at.Key += "/observer"
	if at.Gate == nil {
		at.Gate = anyCluster{}
	}
	answer, askErr := loop.Await(ctx, c.loop, func() (said, error) { return c.ask(ctx, k, at) })
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	again := againSettled
	if askErr != nil {
		again = againAway
	}
	next := k.DeepCopy()
	next.Status = status(k, answer, askErr, c.clock.Now())
	if equality.Semantic.DeepEqual(next.Status, k.Status) {
		return again, nil
	}
	if _, err := c.client.KafkaV1beta1().Kafkas(k.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{}); err != nil {
		return 0, fmt.Errorf("update status of Kafka %s: %w", key, err)
	}
	return again, nil
}

// anyCluster is the gate of a Kafka that is pinned to no cluster, in the place of the one that it had while its spec named a wrong one: no gate
// leaves the one that is there.
type anyCluster struct{}

var _ broker.Gate = anyCluster{}

// Admit implements broker.Gate.
func (anyCluster) Admit(context.Context, string) error { return nil }

// ask asks who the brokers are, over connections that are kept, and tries where new ones lead.
func (c *Controller) ask(ctx context.Context, k *v1beta1.Kafka, at broker.Target) (said, error) {
	known, isNew := c.tries.of(k)
	if isNew {
		// What is connected to is where the spec of before led.
		c.disconnect(at.Key)
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, err := c.connect(at).DescribeWithRights(asking)
	if target.Claimed(k) {
		// Where the brokers of another Kafka are is nothing to find out for this one.
		return said{ClusterInfo: info}, err
	}
	if err != nil && !kafkaerr.IsNotAdmitted(err) {
		return said{}, err
	}
	found := known.look(ctx, func(ctx context.Context, address string) (string, error) { return c.try(ctx, at, address) },
		k.Spec.External.BootstrapServers, info.Brokers, c.clock.Now())
	if found.replaced != nil {
		return said{}, found.replaced
	}
	found.ClusterInfo = info
	return found, err
}

// try asks an address of which cluster it is, over a new connection.
func (c *Controller) try(ctx context.Context, at broker.Target, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at.Key, at.Bootstrap = at.Key+"/"+address, []string{address}
	defer c.disconnect(at.Key)
	info, err := c.connect(at).Describe(ctx)
	return info.ID, err
}
