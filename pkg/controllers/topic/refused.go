package topic

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	// minRetry and maxRetry bound how soon a change that the brokers refused is tried again.
	minRetry = time.Second
	maxRetry = 30 * time.Second
	// retryProbes is how many topics of a cluster are tried again sooner than after maxRetry.
	retryProbes = 10
)

// refusals know since when brokers refuse specs, and which topics find out whether they still do.
//
// Brokers that return do so one after the other, and the first of them refuse the replicas that the others are to have. Were each of a
// thousand topics to find out by itself when that is over, brokers and API server would be busy with refusals while they start.
type refusals struct {
	observations

	mu       sync.Mutex
	clusters map[types.NamespacedName]*refusedTopics
	// clusterOf has the topics of all of them: a topic that is forgotten is looked for in one.
	clusterOf map[types.NamespacedName]types.NamespacedName
}

// refusedTopics are those of one cluster; the retry probes among them are true.
type refusedTopics struct {
	topics map[types.NamespacedName]bool
	probes int
}

// again is how soon a refused spec is tried again. A few topics of each cluster are tried after a third of the time for which they have
// been refused: if that was half a minute, the others follow within ten seconds of the end of what made brokers refuse. All the rest, and
// what is refused for good, costs a request every 30 seconds.
func (r *refusals) again(key types.NamespacedName, topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	// The loop adds a fifth at most, which makes it a third.
	soon := max(r.age(key, topic, now)*5/18, minRetry)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clusters == nil {
		r.clusters, r.clusterOf = map[types.NamespacedName]*refusedTopics{}, map[types.NamespacedName]types.NamespacedName{}
	}
	cluster := clusterKey(topic)
	if was, known := r.clusterOf[key]; known && was != cluster {
		// The object is another of the same name.
		r.drop(key, was)
	}
	refused := r.clusters[cluster]
	if refused == nil {
		refused = &refusedTopics{topics: map[types.NamespacedName]bool{}}
		r.clusters[cluster] = refused
	}
	r.clusterOf[key] = cluster
	refused.set(key, soon < maxRetry && (refused.topics[key] || refused.probes < retryProbes))
	if refused.topics[key] {
		return soon
	}
	return maxRetry
}

func (r *refusedTopics) set(key types.NamespacedName, probe bool) {
	if r.topics[key] {
		r.probes--
	}
	if r.topics[key] = probe; probe {
		r.probes++
	}
}

// accepted says that brokers took what they had refused of a topic, if they had, and returns the others of its cluster that they
// refused: they may be taken now, too.
func (r *refusals) accepted(key, cluster types.NamespacedName) []types.NamespacedName {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := r.clusters[cluster]
	if refused == nil {
		return nil
	}
	if _, was := refused.topics[key]; !was {
		return nil
	}
	delete(r.clusters, cluster)
	var others []types.NamespacedName
	for topic := range refused.topics {
		delete(r.clusterOf, topic)
		r.observations.forget(topic)
		if topic != key {
			others = append(others, topic)
		}
	}
	return others
}

// forget says that nothing is known of a topic any more.
func (r *refusals) forget(key types.NamespacedName) {
	r.observations.forget(key)
	r.mu.Lock()
	defer r.mu.Unlock()
	if cluster, was := r.clusterOf[key]; was {
		r.drop(key, cluster)
	}
}

// drop takes a topic from those of a cluster. The lock is held.
func (r *refusals) drop(key, cluster types.NamespacedName) {
	delete(r.clusterOf, key)
	refused := r.clusters[cluster]
	refused.set(key, false)
	if delete(refused.topics, key); len(refused.topics) == 0 {
		delete(r.clusters, cluster)
	}
}
