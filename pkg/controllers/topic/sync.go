package topic

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

const (
	// askTimeout bounds one sync's talk with brokers.
	askTimeout = 15 * time.Second
	// againMoved is how soon a topic is looked at again that changed under us.
	againMoved = time.Second
)

// errMoved says that the object or the topic changed under us.
var errMoved = errors.New("the topic or its object was changed meanwhile")

// sync makes the brokers have one topic. A topic that is as specified costs nothing: the patrol finds out when it is not so any more.
func (c *Controller) sync(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	cached, err := c.topics.KafkaTopics(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.heads.forget(key)
		c.refused.forget(key)
		c.wanted.remove(key)
		return 0, c.unmake(ctx, key, "")
	}
	if err != nil || cached.DeletionTimestamp != nil {
		return 0, err
	}
	if err := c.unmake(ctx, key, cached.UID); err != nil {
		return 0, err
	}
	topic := cached.DeepCopy()
	kafka, err := c.kafkas.Kafkas(v1beta1.ClusterNamespace(topic)).Get(topic.Spec.ClusterRef.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, err
	}
	wanted := c.wanted.has(key)
	if kafka != nil && settled(topic) && !wanted {
		c.heads.forget(key)
		return 0, nil
	}
	if wait := c.heads.wait(key, topic, c.clock.Now()); wait > 0 {
		return wait, nil
	}
	if kafka == nil {
		return 0, c.report(ctx, topic, verdict{status: metav1.ConditionFalse, reason: topics.ReasonClusterNotFound,
			message: fmt.Sprintf("there is no Kafka %q in namespace %q", topic.Spec.ClusterRef.Name, v1beta1.ClusterNamespace(topic))})
	}
	again, err := c.converge(ctx, key, topic, kafka)
	if apierrors.IsConflict(err) || errors.Is(err, errMoved) {
		klog.FromContext(ctx).V(2).Info("Topic changed meanwhile, will try again", "topic", key, "err", err)
		return againMoved, nil
	}
	return again, err
}

// converge makes the brokers have the topic, and says what came of it.
func (c *Controller) converge(ctx context.Context, key types.NamespacedName, topic *v1beta1.KafkaTopic, kafka *v1beta1.Kafka) (time.Duration, error) {
	at, known := c.targets.Of(kafka)
	if !known {
		// Its addresses appear in its status, and that event wakes this topic.
		return 0, c.away(ctx, topic, kafka)
	}
	if c.parking.away(at) {
		c.park(at, key)
		return 0, c.away(ctx, topic, kafka)
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	w := &work{controller: c, cluster: c.connect(at), at: at, key: key, topic: topic}
	v, err := w.apply(asking)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case broker.IsUnreachable(err):
		c.park(at, key)
		return 0, c.away(ctx, topic, kafka)
	case transient(err):
		return 0, err
	default:
		return c.refused.again(key, topic, c.clock.Now()),
			c.report(ctx, topic, verdict{status: metav1.ConditionFalse, reason: topics.ReasonNotApplied, message: err.Error()})
	}
	for _, other := range c.refused.accepted(key, clusterKey(topic)) {
		c.loop.Add(other)
	}
	if err := w.settle(ctx, v); err != nil {
		return 0, err
	}
	c.wanted.remove(key)
	if v.reason == topics.ReasonTopicExists {
		return againRefused, nil
	}
	return 0, nil
}

// park makes a topic wait for its brokers. What they refused before they went is no news of what they say when they are back.
func (c *Controller) park(at broker.Target, key types.NamespacedName) {
	c.refused.forget(key)
	c.parking.park(at, key)
}

// transient tells errors that are no refusal of what the spec says.
func transient(err error) bool {
	var refusal *broker.Error
	return !errors.As(err, &refusal) || refusal.Retriable || broker.IsUnknownOutcome(err)
}

// away says that no broker can be asked, of a topic that waits for one. What is as specified stays so while brokers are away: that
// they are is told by the Kafka, and not once more by each of its topics.
func (c *Controller) away(ctx context.Context, topic *v1beta1.KafkaTopic, kafka *v1beta1.Kafka) error {
	if settled(topic) || says(topic, topics.ReasonClusterUnreachable) {
		// Or the API server has said it, in its own words.
		return nil
	}
	return c.report(ctx, topic, verdict{status: metav1.ConditionFalse, reason: topics.ReasonClusterUnreachable,
		message: fmt.Sprintf("no broker of Kafka %s/%s answers; the topic follows when one does", kafka.Namespace, kafka.Name)})
}

// unmake deletes, by id, a topic that was made here for an object that is gone, or is another by now. A topic whose name is that of any
// other object stays: that one has found the topic, and taken it.
func (c *Controller) unmake(ctx context.Context, key types.NamespacedName, owner types.UID) error {
	made, ok := c.made.get(key)
	if !ok || made.owner == owner {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	taken := made.retain
	if !taken {
		// The cache may be behind.
		topics, err := c.client.KafkaV1beta1().KafkaTopics(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
			FieldSelector: "spec.clusterRef.name=" + made.kafka.Name + ",spec.clusterRef.namespace=" + made.kafka.Namespace})
		if err != nil {
			return fmt.Errorf("look for another object of topic %s: %w", made.name, err)
		}
		taken = slices.ContainsFunc(topics.Items, func(topic v1beta1.KafkaTopic) bool {
			return topic.UID != made.owner && clusterKey(&topic) == made.kafka && v1beta1.TopicName(&topic) == made.name
		})
	}
	if !taken {
		if err := c.connect(made.at).DeleteTopic(ctx, made.id); err != nil {
			return fmt.Errorf("delete topic %s that was made for the deleted KafkaTopic %s: %w", made.name, key, err)
		}
	}
	c.made.drop(key)
	return nil
}
