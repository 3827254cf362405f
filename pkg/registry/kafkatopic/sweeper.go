package kafkatopic

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/topicplan"
)

// sweeperName is the sweeper's in metrics.
const sweeperName = "topic-sweeper"

const (
	// scanEvery is how often all claims are looked through. It is for what no request of this server knows of: what was left by a
	// server that was killed. Everything else is suspected by name when it happens, so that a scan finds nothing, usually.
	scanEvery = 5 * time.Minute
	// sweepEvery is how often the suspects are looked at, and so how soon topics go when their brokers are back.
	sweepEvery = 5 * time.Second
	// requestFirst is how long a suspect is left to the request that deleted its object.
	requestFirst = 2 * time.Second
	// sweepTimeout bounds the deletion of one topic.
	sweepTimeout = 10 * time.Second
	// sweepWidth is the number of topics of one cluster in work at once; the gateway puts them into shared requests.
	sweepWidth = 64
	// maxSweepDelay bounds the delays after refusals.
	maxSweepDelay = 5 * time.Minute
	// inFlight is how long a claim that may be that of a create under way has to stand unchanged before this server's eyes until it is
	// taken for what is left of a server that was killed: well above the 34 seconds that a write can last.
	inFlight = 60 * time.Second
)

// Sweeper deletes, by id, topics on the brokers whose objects are gone: those whose brokers were away when the object
// was deleted, and those of objects that went many at a time. With nothing deleted it asks nobody for anything.
type Sweeper struct {
	claims   Claims
	topics   *stored.Store
	guard    stored.Guard
	clusters *live.Clusters
	clock    clock.WithTicker
	metrics  *loopmetrics.Metrics
	wake     chan struct{}
	suspects suspects
}

func newSweeper(config Config) *Sweeper {
	return &Sweeper{claims: config.Claims, guard: config.Guard, clusters: config.Clusters, clock: config.Clock, metrics: config.Metrics,
		wake: make(chan struct{}, 1)}
}

// suspect makes Run look at the claim on a topic name after some time.
func (s *Sweeper) suspect(cluster types.NamespacedName, topic string, after time.Duration) {
	s.suspects.add(cluster, topic, s.clock.Now().Add(after))
	if after == 0 {
		s.nudge()
	}
}

// hurry makes Run look at once at what would be left to requests.
func (s *Sweeper) hurry() {
	s.suspects.hurry(s.clock.Now())
	s.nudge()
}

func (s *Sweeper) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sweeps until ctx ends. Several servers may do so at once: deleting by id can be repeated.
func (s *Sweeper) Run(ctx context.Context) {
	scan, sweep := s.clock.NewTicker(scanEvery), s.clock.NewTicker(sweepEvery)
	defer scan.Stop()
	defer sweep.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	scanned := s.scan(ctx)
	for {
		s.metrics.Waiting(sweeperName, s.suspects.count())
		for _, cluster := range s.suspects.idle(s.clock.Now()) {
			running.Go(func() {
				defer s.suspects.ended(cluster)
				s.sweepCluster(ctx, cluster)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-scan.C():
			scanned = false
		case <-sweep.C():
		case <-s.wake:
		}
		if !scanned {
			scanned = s.scan(ctx)
		}
	}
}

// scan suspects all claims that owe a deletion or have no owner, and tells whether it could look. Of owners it sees the watch cache's;
// what that does not know yet is looked up again before anything is deleted.
func (s *Sweeper) scan(ctx context.Context) bool {
	err := s.scanOnce(ctx)
	if err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Claims not looked through, will try again")
	}
	return err == nil
}

func (s *Sweeper) scanOnce(ctx context.Context) error {
	if s.guard.Err() != nil {
		if err := s.guard.Verify(ctx); err != nil {
			return err
		}
	}
	claims, err := s.claims.List(ctx)
	if err != nil || len(claims) == 0 {
		return err
	}
	list, err := s.topics.List(inNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	owners := map[types.UID]bool{}
	for i := range list.(*kafka.KafkaTopicList).Items {
		owners[list.(*kafka.KafkaTopicList).Items[i].UID] = true
	}
	for _, c := range claims {
		if len(c.Doomed) > 0 || !owners[c.Owner.UID] {
			s.suspects.add(c.Cluster, c.Topic, s.clock.Now())
		}
	}
	return nil
}

// sweepCluster looks at the suspects of a cluster that are due: at one alone first, to know whether the brokers are there, then at
// many at once.
func (s *Sweeper) sweepCluster(ctx context.Context, cluster types.NamespacedName) {
	names := s.suspects.due(cluster, s.clock.Now())
	var mu sync.Mutex
	var lastErr error
	left := 0
	look := func(name string) error {
		err := s.sweepName(ctx, cluster, name)
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			lastErr = err
			left++
		}
		return err
	}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if live.IsAway(look(name)) {
			left += len(names)
			names = nil
		}
		var running sync.WaitGroup
		for range min(sweepWidth, len(names)) {
			name := names[0]
			names = names[1:]
			running.Go(func() { _ = look(name) })
		}
		running.Wait()
	}
	logger := klog.FromContext(ctx)
	if live.IsAway(lastErr) {
		// Said again and again while an outage lasts, which the Kafka's status tells.
		logger = logger.V(2)
	}
	if lastErr != nil && ctx.Err() == nil {
		logger.Info("Topics of deleted objects stay for now", "kafka", cluster, "topics", left, "err", lastErr)
	}
}

// sweepName looks at the claim on one name.
func (s *Sweeper) sweepName(ctx context.Context, cluster types.NamespacedName, name string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	start := s.clock.Now()
	c, err := s.claims.Get(ctx, cluster, name)
	done := err == nil && c == nil
	if err == nil && c != nil {
		done, err = s.sweep(ctx, c)
	}
	switch {
	case done:
		s.suspects.clear(cluster, name)
	case err != nil && !live.IsAway(err):
		s.suspects.refused(cluster, name, s.clock.Now())
	}
	failure := err
	if live.IsAway(err) {
		// Brokers that are away are no failure of this loop, as of no controller: the name waits.
		failure = nil
	}
	s.metrics.Observe(sweeperName, failure, s.clock.Since(start))
	s.metrics.Waiting(sweeperName, s.suspects.count())
	return err
}

// finish sweeps the topic of an object that was just deleted.
func (s *Sweeper) finish(ctx context.Context, topic *kafka.KafkaTopic) error {
	c, err := s.claims.Get(ctx, clusterOf(topic), topic.TopicName())
	if err != nil {
		return err
	}
	if c == nil || c.Owner.UID != topic.UID {
		return nil
	}
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	done, err := s.sweep(ctx, c)
	if done {
		s.suspects.clear(c.Cluster, topic.TopicName())
	}
	return err
}

// sweep does what a claim still asks for, and drops it when its owner is gone. done is false when there is to be another look
// although nothing failed.
func (s *Sweeper) sweep(ctx context.Context, c *claim) (done bool, err error) {
	owned, err := (&plane{topics: s.topics}).owned(ctx, c)
	if err != nil {
		return false, err
	}
	if owned && len(c.Doomed) == 0 {
		return true, nil
	}
	ids := c.Doomed
	if !owned {
		if underWay(c) && s.watched(c) < inFlight {
			return false, nil
		}
		if c.Sought != nil {
			if c, err = s.seek(ctx, c); err != nil {
				return false, err
			}
		}
		if ids = doomed(c); len(ids) == 0 && c.Sought != nil && s.watched(c) < inFlight {
			// What creates the topic may still be on its way to the brokers.
			return false, nil
		}
	}
	if err := s.deleteTopics(ctx, c, ids); err != nil {
		return false, err
	}
	if owned {
		_, err = s.claims.Update(ctx, c, func(c *claim) { c.Doomed = nil })
	} else {
		err = s.claims.Drop(ctx, c)
	}
	return err == nil, err
}

func (s *Sweeper) watched(c *claim) time.Duration {
	return s.suspects.watched(c.Cluster, c.Topic, c.Revision(), s.clock.Now())
}

// seek looks for a topic of a deleted object that was made although nobody could record its id: the answer to its creation was lost, or
// the server that got it was killed. With the same name, partitions, replicas and settings it is one that the object would have adopted,
// and whose deletion was asked for with the object's; but somebody else can have made it, so it has to be one that never held a record.
// It becomes the claim's, which nobody must have taken over meanwhile, before it is deleted. The claim returned seeks nothing any more
// when that is found, or that there is no such topic to come.
func (s *Sweeper) seek(ctx context.Context, c *claim) (*claim, error) {
	cluster, err := s.connect(ctx, c)
	if err != nil {
		return c, err
	}
	none := *c
	none.Sought = nil
	if cluster == nil {
		return &none, nil
	}
	have, found, err := cluster.Topic(ctx, c.Topic)
	if err != nil || !found || have.ID.IsZero() {
		return c, err
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return c, err
	}
	wanted := topicplan.Spec{Partitions: c.Sought.Partitions, Replicas: c.Sought.Replicas, Config: c.Sought.Config}
	if problems := topicplan.Disagreements(wanted, have, config, field.NewPath("spec")); len(problems) > 0 {
		klog.FromContext(ctx).V(2).Info("A topic with the name of a deleted object's is another", "kafka", c.Cluster, "topic", c.Topic, "why", problems.ToAggregate())
		return &none, nil
	}
	offsets, err := cluster.OffsetsOf(ctx, have, broker.ReadUncommitted)
	if err != nil {
		return c, err
	}
	for _, p := range have.Partitions {
		if o := offsets[p.ID]; o.Err != nil {
			return c, o.Err
		} else if o.End != 0 {
			klog.FromContext(ctx).Info("A topic that may be a deleted object's holds records, and stays", "kafka", c.Cluster, "topic", c.Topic, "id", have.ID)
			return &none, nil
		}
	}
	return s.claims.Update(ctx, c, func(c *claim) { c.TopicID, c.Sought = have.ID.String(), nil })
}

// connect gives the cluster of a claim, nil when it went, and what it hosted with it.
func (s *Sweeper) connect(ctx context.Context, c *claim) (*broker.Cluster, error) {
	k, err := s.clusters.Kafka(ctx, c.Cluster.Namespace, c.Cluster.Name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.clusters.Connect(k)
}

func (s *Sweeper) deleteTopics(ctx context.Context, c *claim, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	cluster, err := s.connect(ctx, c)
	if cluster == nil || err != nil {
		return err
	}
	for _, text := range ids {
		id, err := broker.ParseTopicID(text)
		if err != nil {
			return fmt.Errorf("claim on topic %s: %w", c.Topic, err)
		}
		if err := cluster.DeleteTopic(ctx, id); err != nil {
			return err
		}
		klog.FromContext(ctx).Info("Topic deleted", "kafka", c.Cluster, "topic", c.Topic, "id", text)
	}
	return nil
}
