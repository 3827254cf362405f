package topic

import (
	"context"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

const (
	// probeEvery is how often a cluster that topics wait for is asked whether it is back. The gateway dials an address that failed again
	// after 1.5 seconds.
	probeEvery = 500 * time.Millisecond
	// probeTimeout bounds one such question.
	probeTimeout = 5 * time.Second
)

// unreachableQueue holds the topics of clusters of which no broker answers. One question per cluster finds out when one does: were each
// topic to try on its own, the workers would all wait for the same dead brokers.
type unreachableQueue struct {
	mu sync.Mutex
	// clusters are those that Kafkas are, by the Kafka: one that is another cluster today is not asked where it was before.
	clusters map[string]*unreachableCluster
}

// kafkaOf is the Kafka of a target's key: namespace, name and uid.
func kafkaOf(key string) string {
	parts := strings.SplitN(key, "/", 4)
	return strings.Join(parts[:min(len(parts), 3)], "/")
}

// unreachableCluster is a cluster of which no broker answers, with the topics that wait for it.
type unreachableCluster struct {
	target  broker.Target
	topics  map[types.NamespacedName]struct{}
	probing bool
	// why is what was found out last.
	why error
}

// add makes a topic wait for a cluster, which is not reached for a reason.
func (q *unreachableQueue) add(t broker.Target, topic types.NamespacedName, why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.clusters == nil {
		q.clusters = map[string]*unreachableCluster{}
	}
	cluster := q.clusters[kafkaOf(t.Key)]
	if cluster == nil {
		cluster = &unreachableCluster{topics: map[types.NamespacedName]struct{}{}}
		q.clusters[kafkaOf(t.Key)] = cluster
	}
	cluster.target, cluster.why = t, why
	cluster.topics[topic] = struct{}{}
}

// has tells why topics wait for a cluster, so that asking it is a waste; nil when none do.
func (q *unreachableQueue) has(t broker.Target) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if cluster := q.clusters[kafkaOf(t.Key)]; cluster != nil && cluster.target.Key == t.Key {
		return cluster.why
	}
	return nil
}

// release returns the topics that waited for what a Kafka is, whichever cluster that was.
func (q *unreachableQueue) release(key string) []types.NamespacedName {
	q.mu.Lock()
	defer q.mu.Unlock()
	cluster := q.clusters[kafkaOf(key)]
	if cluster == nil {
		return nil
	}
	delete(q.clusters, kafkaOf(key))
	waited := make([]types.NamespacedName, 0, len(cluster.topics))
	for topic := range cluster.topics {
		waited = append(waited, topic)
	}
	return waited
}

// due are the clusters to ask now; the caller answers each with probed.
func (q *unreachableQueue) due() []broker.Target {
	q.mu.Lock()
	defer q.mu.Unlock()
	var targets []broker.Target
	for _, cluster := range q.clusters {
		if !cluster.probing {
			cluster.probing = true
			targets = append(targets, cluster.target)
		}
	}
	return targets
}

func (q *unreachableQueue) probed(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if cluster := q.clusters[kafkaOf(key)]; cluster != nil {
		cluster.probing = false
	}
}

// probe asks all clusters that topics wait for, and wakes the topics of those that answer. It does not wait for the answers, so
// that one slow cluster does not delay the others.
func (c *Controller) probe(ctx context.Context, running *sync.WaitGroup) {
	for _, t := range c.unreachable.due() {
		running.Go(func() {
			defer c.unreachable.probed(t.Key)
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			if err := crash.Call(func() error {
				_, err := c.connect(t).Describe(ctx)
				return err
			}); err != nil {
				return
			}
			for _, topic := range c.unreachable.release(t.Key) {
				c.loop.Add(topic)
			}
		})
	}
}
