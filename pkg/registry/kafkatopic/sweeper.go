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
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
)

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
	wake     chan struct{}
	suspects suspects
}

func newSweeper(config Config) *Sweeper {
	return &Sweeper{claims: config.Claims, guard: config.Guard, clusters: config.Clusters, clock: config.Clock,
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
		if underWay(c) && s.suspects.watched(c.Cluster, c.Topic, c.Revision(), s.clock.Now()) < inFlight {
			return false, nil
		}
		ids = doomed(c)
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

func (s *Sweeper) deleteTopics(ctx context.Context, c *claim, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	k, err := s.clusters.Kafka(ctx, c.Cluster.Namespace, c.Cluster.Name)
	if apierrors.IsNotFound(err) {
		// The cluster went, and what it hosted with it.
		return nil
	}
	if err != nil {
		return err
	}
	cluster, err := s.clusters.Connect(k)
	if err != nil {
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
