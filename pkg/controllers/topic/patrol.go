package topic

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

const (
	// patrolEvery is how often a cluster's topics are compared with one snapshot of its metadata, and so how soon it is found that a
	// topic was deleted, replaced or grown outside.
	patrolEvery = 30 * time.Second
	// configRound is how soon it is found that settings were changed outside, in large clusters. Each look compares the settings of
	// some topics, at least configChunk of them; in a cluster of so many topics or fewer each look compares all.
	configRound = 10 * time.Minute
	// configChunk is the number of topics in one DescribeConfigs request.
	configChunk = 200
	// patrolTimeout bounds one look at a cluster.
	patrolTimeout = 20 * time.Second
)

// beats are where the patrols of clusters are.
type beats struct {
	mu sync.Mutex
	at map[types.NamespacedName]beat
}

// beat is where the patrol of one cluster is.
type beat struct {
	// after is the name of the last topic whose settings were compared.
	after string
	// brokers are the ids of those that lived when it was last looked.
	brokers []int32
}

func (b *beats) get(kafka types.NamespacedName) beat {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at[kafka]
}

func (b *beats) put(kafka types.NamespacedName, at beat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = map[types.NamespacedName]beat{}
	}
	b.at[kafka] = at
}

func (b *beats) forget(kafka types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.at, kafka)
}

// walk compares the topics of a cluster that are as specified with the brokers, in few requests for all, and has those synced that
// are not as they were. It decides nothing and writes nothing: a snapshot may be older than the object.
func (c *Controller) walk(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	kafka, err := c.kafkas.Kafkas(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.beats.forget(key)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	at, known := c.targets.Of(kafka)
	if !known {
		// Its addresses appear in its status, and that event brings us back.
		return 0, nil
	}
	hosted := c.topicsOf(key)
	if len(hosted) == 0 || c.parking.away(at) {
		return patrolEvery, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patrolTimeout)
	defer cancel()
	cluster := c.connect(at)
	snapshot, err := cluster.Snapshot(ctx, patrolEvery/2)
	if err != nil {
		// What the cluster has to say of that is in the status of its Kafka.
		klog.FromContext(ctx).V(2).Info("Topics not compared with the brokers", "kafka", key, "err", err)
		return patrolEvery, nil
	}
	was := c.beats.get(key)
	now := beat{after: was.after, brokers: slices.Sorted(maps.Keys(snapshot.Brokers))}
	byName := map[string]*v1beta1.KafkaTopic{}
	for _, topic := range hosted {
		name := v1beta1.TopicName(topic)
		have, found := snapshot.Topics[name]
		switch {
		case !settled(topic):
			// The loop is at it, unless it waits to try again what brokers refused: others may do it.
			if was.brokers != nil && !slices.Equal(was.brokers, now.brokers) {
				c.loop.Add(types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name})
			}
		case topics.Changed(observed(topic), have, found):
			c.check(topic)
		case found && topic.Status.ReplacementID == "":
			byName[name] = topic
		}
	}
	now.after = c.compareSettings(ctx, cluster, byName, was.after)
	c.beats.put(key, now)
	return patrolEvery, nil
}

// compareSettings compares the settings of the next topics after a name, and returns the name to go on after.
func (c *Controller) compareSettings(ctx context.Context, cluster Cluster, hosted map[string]*v1beta1.KafkaTopic, after string) string {
	names := nextNames(slices.Sorted(maps.Keys(hosted)), after)
	if len(names) == 0 {
		return after
	}
	configs, err := cluster.TopicConfigs(ctx, names...)
	if err != nil && len(configs) == 0 {
		klog.FromContext(ctx).V(2).Info("Settings of topics not compared", "topics", len(names), "err", err)
		return after
	}
	for name, config := range configs {
		if drifted(hosted[name], config) {
			c.check(hosted[name])
		}
	}
	return names[len(names)-1]
}

// nextNames are those to look at next, in a circle: as many as let all be looked at within configRound.
func nextNames(sorted []string, after string) []string {
	looks := int(configRound / patrolEvery)
	n := min(len(sorted), max(configChunk, (len(sorted)+looks-1)/looks))
	from, found := slices.BinarySearchFunc(sorted, after, strings.Compare)
	if found {
		from++
	}
	circle := append(slices.Clone(sorted[from:]), sorted[:from]...)
	return circle[:n]
}

// drifted tells whether a topic's settings are neither as specified nor as reported.
func drifted(topic *v1beta1.KafkaTopic, config []broker.ConfigEntry) bool {
	told := ""
	if condition := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionDrifted); condition != nil && condition.Reason == topics.ReasonConfigDiffers {
		told = condition.Message
	}
	return topics.Drift(topic.Spec.Config, config) != told
}

// check has a topic compared with the brokers although it is as specified.
func (c *Controller) check(topic *v1beta1.KafkaTopic) {
	key := types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name}
	c.wanted.add(key)
	c.loop.Add(key)
}

// settled tells whether the status says all there is to say of the spec of today, so that only the brokers can have news.
func settled(topic *v1beta1.KafkaTopic) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	if ready == nil || topic.Status.ObservedGeneration < topic.Generation {
		return false
	}
	switch ready.Reason {
	case topics.ReasonReady, topics.ReasonReplicasDiffer, topics.ReasonTopicReplaced, topics.ReasonTopicMissing:
		return true
	}
	return false
}

func observed(topic *v1beta1.KafkaTopic) topics.Observed {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return topics.Observed{
		TopicID: topic.Status.TopicID, ReplacementID: topic.Status.ReplacementID,
		Partitions: topic.Status.Partitions, Replicas: topic.Status.Replicas,
		Missing: ready != nil && ready.Reason == topics.ReasonTopicMissing,
	}
}
