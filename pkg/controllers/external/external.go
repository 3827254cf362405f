// Package external observes Kafkas that somebody else runs: it asks their brokers and
// writes the status. It changes nothing else, and needs no Kubernetes around it.
package external

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
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
	Reach(ctx context.Context, ids ...int32) []error
}

var _ Cluster = (*broker.Cluster)(nil)

// Config is what a Controller works with.
type Config struct {
	Kafka versioned.Interface
	// Informers are what the controllers of a process share; those of this one alone when nil.
	Informers externalversions.SharedInformerFactory
	// Targets finds the brokers of Kafkas; when nil, those that refer to Secrets cannot be reached.
	Targets *target.Resolver
	// Connect returns the handle on a cluster's brokers and never dials.
	Connect func(broker.Target) Cluster
	// Budget is what the controllers of a process share; see loop.Options. Clock is the real one when nil. Metrics may be nil.
	Budget  *loop.Budget
	Clock   clock.WithTicker
	Metrics *loopmetrics.Metrics
}

// Controller observes external Kafkas.
type Controller struct {
	client    versioned.Interface
	targets   *target.Resolver
	connect   func(broker.Target) Cluster
	clock     clock.WithTicker
	informers externalversions.SharedInformerFactory
	synced    cache.InformerSynced
	kafkas    kafkalisters.KafkaLister
	loop      *loop.Loop
	tries     tries
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
	c := &Controller{client: cfg.Kafka, targets: cfg.Targets, connect: cfg.Connect, clock: cfg.Clock, informers: cfg.Informers}
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
	answer, askErr := loop.Await(ctx, c.loop, func() (said, error) { return c.ask(ctx, k, c.connect(at)) })
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

// said is what the brokers of a cluster said.
type said struct {
	broker.ClusterInfo
	// unreachable are those that do not answer at the addresses that they advertise.
	unreachable []v1beta1.UnreachableBroker
}

// ask asks who the brokers are, and each of them whether it is where it says.
func (c *Controller) ask(ctx context.Context, k *v1beta1.Kafka, cluster Cluster) (said, error) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	info, err := cluster.Describe(asking)
	if err != nil {
		return said{}, err
	}
	return said{info, c.tries.of(k).look(ctx, cluster, info.Brokers, c.clock.Now())}, nil
}

// unreachable says why a cluster is not reached, in the same words for as long as they are true. An error names addresses in the order
// in which they were tried, and brokers may each have an objection of their own: all of it would be news each time.
func unreachable(k *v1beta1.Kafka, err error) (reason, message string) {
	objections := kafkaerr.SecurityErrors(err)
	if why := target.NotAllowed(k); why != nil && len(objections) == 0 {
		// Where the other brokers are is not found out by one that does not answer now.
		return why.Reason, why.Text
	}
	if len(objections) == 0 {
		return reasonUnreachable, "no broker answers at " + strings.Join(k.Spec.External.BootstrapServers, ",")
	}
	before := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
	for _, objection := range objections {
		if before != nil && before.Reason == objection.Reason && before.Message == objection.Text {
			return before.Reason, before.Message
		}
	}
	return objections[0].Reason, objections[0].Text
}

// status is what the brokers at the bootstrap servers said. Without an answer the last one stands, only not as Ready.
func status(k *v1beta1.Kafka, info said, err error, now time.Time) v1beta1.KafkaStatus {
	status := *k.Status.DeepCopy()
	servers := k.Spec.External.BootstrapServers
	status.ObservedGeneration = k.Generation
	status.Mode = v1beta1.ModeExternal
	status.Listeners = []v1beta1.ListenerStatus{{Name: listenerName, BootstrapServers: strings.Join(servers, ","), Addresses: servers}}
	ready := metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, Reason: reasonUnreachable}
	degraded := metav1.Condition{Type: v1beta1.ConditionDegraded, Status: metav1.ConditionFalse, Reason: reasonAsExpected, Message: "the cluster answers"}
	if err != nil {
		ready.Reason, ready.Message = unreachable(k, err)
		degraded.Status, degraded.Reason, degraded.Message = metav1.ConditionTrue, ready.Reason, ready.Message
	} else {
		var registered int32
		for _, b := range info.Brokers {
			if !b.Fenced {
				registered++
			}
		}
		status.ClusterID = info.ID
		answering := registered - int32(len(info.unreachable))
		status.Brokers = v1beta1.BrokerCounts{Desired: int32(len(info.Brokers)), Registered: registered, Ready: answering}
		status.UnreachableBrokers = validation.CutUnreachable(slices.Clone(info.unreachable))
		ready.Status, ready.Reason = metav1.ConditionTrue, reasonReady
		ready.Message = fmt.Sprintf("%d brokers are registered", registered)
		if len(info.unreachable) > 0 {
			ready.Message = fmt.Sprintf("%d of %d brokers answer at the addresses that they advertise", answering, registered)
			degraded.Status, degraded.Reason, degraded.Message = metav1.ConditionTrue, target.ReasonBrokersUnreachable, unreachableMessage(info.unreachable)
			if answering == 0 {
				ready.Status, ready.Reason = metav1.ConditionFalse, target.ReasonBrokersUnreachable
			}
		}
	}
	conditions := []metav1.Condition{ready, degraded}
	switch {
	case err != nil:
		// What was said of the account stands, as the rest does.
	case info.Authorized == nil:
		meta.RemoveStatusCondition(&status.Conditions, v1beta1.ConditionAuthorized)
	default:
		conditions = append(conditions, authorized(*info.Authorized, info.Before28))
	}
	for _, condition := range conditions {
		condition.ObservedGeneration = status.ObservedGeneration
		condition.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&status.Conditions, condition)
	}
	validation.CutMessages(status.Conditions)
	return status
}
