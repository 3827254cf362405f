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
	sweepEvery = 10 * time.Second
	// sweepTimeout bounds the deletion of one topic, so that a sick cluster delays only itself.
	sweepTimeout = 10 * time.Second
)

// Sweeper deletes, by id, topics on the brokers whose objects are gone: those whose brokers were away when the object
// was deleted, and those of objects that went many at a time.
type Sweeper struct {
	claims   Claims
	topics   *stored.Store
	guard    stored.Guard
	clusters *live.Clusters
	clock    clock.WithTicker
	wake     chan struct{}
}

func newSweeper(config Config) *Sweeper {
	return &Sweeper{claims: config.Claims, guard: config.Guard, clusters: config.Clusters, clock: config.Clock,
		wake: make(chan struct{}, 1)}
}

// nudge makes Run look at once.
func (s *Sweeper) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sweeps until ctx ends. Several servers may do so at once: deleting by id can be repeated.
func (s *Sweeper) Run(ctx context.Context) {
	ticker := s.clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweepAll(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Topics of deleted objects not swept")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		case <-s.wake:
		}
	}
}

func (s *Sweeper) sweepAll(ctx context.Context) error {
	if s.guard.Err() != nil {
		if err := s.guard.Verify(ctx); err != nil {
			return err
		}
	}
	claims, err := s.claims.List(ctx)
	if err != nil {
		return err
	}
	if len(claims) == 0 {
		return nil
	}
	owners, err := s.owners(ctx)
	if err != nil {
		return err
	}
	byCluster := map[types.NamespacedName][]*claim{}
	for _, c := range claims {
		if len(c.Doomed) > 0 || !owners[c.Owner.UID] {
			byCluster[c.Cluster] = append(byCluster[c.Cluster], c)
		}
	}
	var wg sync.WaitGroup
	for cluster, suspects := range byCluster {
		wg.Go(func() {
			for _, c := range suspects {
				ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
				err := s.sweep(ctx, c)
				cancel()
				if err != nil {
					klog.FromContext(ctx).Info("Topic of a deleted object stays for now", "kafka", cluster, "topic", c.Topic, "err", err)
				}
				if live.IsAway(err) {
					return
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// owners are the UIDs of all topics in the watch cache. What it does not know yet is looked up again before anything is deleted.
func (s *Sweeper) owners(ctx context.Context) (map[types.UID]bool, error) {
	list, err := s.topics.List(inNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	owners := map[types.UID]bool{}
	for i := range list.(*kafka.KafkaTopicList).Items {
		owners[list.(*kafka.KafkaTopicList).Items[i].UID] = true
	}
	return owners, nil
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
	return s.sweep(ctx, c)
}

// sweep does what a claim still asks for, and drops it when its owner is gone.
func (s *Sweeper) sweep(ctx context.Context, c *claim) error {
	owned, err := (&plane{topics: s.topics}).owned(ctx, c)
	if err != nil {
		return err
	}
	ids := c.Doomed
	if !owned {
		if c.TopicID == "" && len(ids) == 0 && s.clock.Since(c.Since) < inFlight {
			return nil
		}
		ids = doomed(c)
	}
	if err := s.deleteTopics(ctx, c, ids); err != nil {
		return err
	}
	switch {
	case !owned:
		err = s.claims.Drop(ctx, c)
	case len(c.Doomed) > 0:
		_, err = s.claims.Update(ctx, c, func(c *claim) { c.Doomed = nil })
	}
	return err
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
