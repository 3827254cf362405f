package topic

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
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

// cursor is where the patrol of one cluster is.
type cursor struct {
	// after is the name of the last topic whose settings were compared.
	after string
	// brokers are the ids of those that lived when it was last looked.
	brokers []int32
}

// compareCluster compares the topics of a cluster that are as specified with the brokers, in few requests for all, and has those synced that
// are not as they were. It decides nothing and writes nothing: a snapshot may be older than the object.
func (c *Controller) compareCluster(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	kafka, err := c.kafkas.Kafkas(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.cursors.forget(key)
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
	if len(hosted) == 0 || c.unreachable.has(at) != nil {
		return patrolEvery, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patrolTimeout)
	defer cancel()
	cluster := aside{c.connect(at), c.patrol}
	snapshot, err := cluster.Snapshot(ctx, patrolEvery/2)
	if err != nil {
		// What the cluster has to say of that is in the status of its Kafka.
		klog.FromContext(ctx).V(2).Info("Topics not compared with the brokers", "kafka", key, "err", err)
		return patrolEvery, nil
	}
	was, _ := c.cursors.get(key)
	now := cursor{after: was.after, brokers: slices.Sorted(maps.Keys(snapshot.Brokers))}
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
	c.cursors.put(key, now)
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
		topic := hosted[name]
		drift := topics.Drift(topic.Spec.Config, config)
		if drift == "" {
			c.reverts.forget(types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name})
		}
		insisted, due := c.reverts.insisted(types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name}, topic, c.clock.Now())
		if drift != told(topic) || due && drift == insisted && drift != "" && topic.Spec.DriftPolicy != v1beta1.DriftReport {
			c.check(topic)
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

// told is the drift that an object tells of already, "" for none.
func told(topic *v1beta1.KafkaTopic) string {
	if drifted := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionDrifted); drifted != nil && drifted.Reason == topics.ReasonConfigDiffers {
		return drifted.Message
	}
	if says(topic, topics.ReasonConfigNotKept) {
		return topics.DriftNotKept(meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady).Message)
	}
	return ""
}

// check has a topic compared with the brokers although it is as specified.
func (c *Controller) check(topic *v1beta1.KafkaTopic) {
	key := types.NamespacedName{Namespace: topic.Namespace, Name: topic.Name}
	c.recheck.put(key, struct{}{})
	c.loop.Add(key)
}

// settled tells whether the status says all there is to say of the spec of today, so that only the brokers can have news.
func settled(topic *v1beta1.KafkaTopic) bool {
	return carriedOut(topic) || says(topic, topics.ReasonOutcomeUnknown) ||
		// That the cluster takes no more can end by itself.
		says(topic, topics.ReasonTooManyPartitions) && topics.TooManyAtOnce(topic.Status.Partitions, ptr.Deref(topic.Spec.Partitions, 0), topic.Spec.Config) != ""
}

// carriedOut tells whether the brokers had what the spec of today asks for, so that what they have now was done outside.
func carriedOut(topic *v1beta1.KafkaTopic) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	if ready == nil || topic.Status.ObservedGeneration < topic.Generation {
		return false
	}
	switch ready.Reason {
	case topics.ReasonReady, topics.ReasonReplicasDiffer, topics.ReasonTopicReplaced, topics.ReasonTopicMissing, topics.ReasonConfigNotKept:
		return true
	}
	return false
}

func observed(topic *v1beta1.KafkaTopic) topics.Observed {
	return topics.Observed{
		TopicID: topic.Status.TopicID, ReplacementID: topic.Status.ReplacementID,
		Partitions: topic.Status.Partitions, Replicas: topic.Status.Replicas,
		// A large request whose outcome is unknown may still make the topic.
		Missing: says(topic, topics.ReasonTopicMissing) || topic.Status.TopicID == "" && !carriedOut(topic),
	}
}
