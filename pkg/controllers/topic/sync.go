package topic

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

const (
	// askTimeout bounds one sync's talk with brokers.
	askTimeout = 15 * time.Second
	// againMoved is how soon a topic is looked at again that changed under us.
	againMoved = time.Second
	// failingFirst is how long syncs of a topic fail, for a reason that passes, until its status says so.
	failingFirst = 3 * time.Second
)

// errMoved says that the object or the topic changed under us.
var errMoved = errors.New("the topic or its object was changed meanwhile")

// sync makes the brokers have one topic. A topic that is as specified costs nothing: the patrol finds out when it is not so any more.
func (c *Controller) sync(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	cached, err := c.topics.KafkaTopics(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.grace.forget(key)
		c.refused.forget(key)
		c.reverts.forget(key)
		c.recheck.forget(key)
		c.failing.forget(key)
		return 0, c.deleteOrphan(ctx, key, "")
	}
	if err != nil {
		return 0, err
	}
	if cached.DeletionTimestamp != nil {
		return 0, c.reportTerminating(ctx, cached)
	}
	if err := c.deleteOrphan(ctx, key, cached.UID); err != nil {
		return 0, err
	}
	topic := cached.DeepCopy()
	kafka, err := c.kafkas.Kafkas(v1beta1.ClusterNamespace(topic)).Get(topic.Spec.ClusterRef.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, err
	}
	_, recheck := c.recheck.get(key)
	if kafka != nil && settled(topic) && !recheck && !target.Claimed(kafka) {
		c.grace.forget(key)
		return 0, nil
	}
	if left := c.grace.left(key, topic, c.clock.Now()); left > 0 {
		return left, nil
	}
	if kafka == nil {
		return 0, c.report(ctx, topic, topics.Outcome{Verdict: topics.Verdict{Status: metav1.ConditionFalse, Reason: topics.ReasonClusterNotFound,
			Message: fmt.Sprintf("there is no Kafka %q in namespace %q", topic.Spec.ClusterRef.Name, v1beta1.ClusterNamespace(topic))}})
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
		return 0, c.reportUnreachable(ctx, topic, kafka, nil)
	}
	if why := c.unreachable.has(at); why != nil {
		c.wait(at, key, why)
		return 0, c.reportUnreachable(ctx, topic, kafka, why)
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	w := &work{controller: c, cluster: aside{c.connect(at), c.loop}, at: at, key: key, topic: topic}
	done, err := w.apply(asking)
	topic = w.topic
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case kafkaerr.IsUnreachable(err):
		c.wait(at, key, err)
		return 0, c.reportUnreachable(ctx, topic, kafka, err)
	case apierrors.IsConflict(err) || errors.Is(err, errMoved):
		return 0, err
	case kafkaerr.MayAppear(err):
		// The status says so.
		return 0, err
	case transient(err):
		if err := c.reportFailing(ctx, key, topic, err); err != nil {
			klog.FromContext(ctx).Info("Failure not told", "topic", key, "err", err)
		}
		if after := kafkaerr.RetryAfter(err); after > 0 {
			// Brokers say when their quota of changes allows the next one.
			klog.FromContext(ctx).V(2).Info("Brokers throttle changes of topics, will try again", "topic", key, "err", err)
			return after, nil
		}
		return 0, err
	default:
		c.failing.forget(key)
		return c.refused.again(key, topic, c.clock.Now()), c.report(ctx, topic, topics.Outcome{Verdict: notApplied(topic, err)})
	}
	c.failing.forget(key)
	recording := ctx
	if done.Made {
		// Nobody else knows whose the topic is: that is written down also by a process that ends.
		var ended context.CancelFunc
		recording, ended = context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer ended()
	}
	if err := w.record(recording, done); apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		// A policy or a quota of Kubernetes: it says the same again until somebody changes it, or the topic.
		done.Verdict = topics.NotApplied(err, words(err))
		done.Stalled = true
		return c.refused.again(key, topic, c.clock.Now()), c.report(recording, w.topic, done)
	} else if err != nil {
		return 0, err
	}
	for _, other := range c.refused.accepted(key, clusterKey(topic)) {
		c.loop.Add(other)
	}
	c.recheck.forget(key)
	if done.Reason == topics.ReasonDeletionPending {
		return againMoved, nil
	}
	if done.Reason == topics.ReasonTopicExists || done.Reason == topics.ReasonTooManyPartitions {
		return maxRetry, nil
	}
	return 0, nil
}

// reportTerminating says that nothing is done any more for an object that waits for its finalizers. What was said of it before would stay, and
// nobody looks whether it is still so.
func (c *Controller) reportTerminating(ctx context.Context, topic *v1beta1.KafkaTopic) error {
	err := c.report(ctx, topic, topics.Outcome{Verdict: topics.Terminating()})
	if apierrors.IsNotFound(err) {
		// It is gone, of which the cache has not heard yet.
		return nil
	}
	return err
}

// reportFailing says that brokers do not do what the spec says, for a reason that passes, of a topic for which that has been so for a while. What
// the status says of the spec of today stays, whose reason counts.
func (c *Controller) reportFailing(ctx context.Context, key types.NamespacedName, topic *v1beta1.KafkaTopic, cause error) error {
	if c.failing.age(key, topic, c.clock.Now()) < failingFirst || settled(topic) || says(topic, topics.ReasonNotApplied) || says(topic, topics.ReasonRecreating) {
		return nil
	}
	verdict := notApplied(topic, cause)
	verdict.Stalled = false
	return c.report(ctx, topic, topics.Outcome{Verdict: verdict})
}

// notApplied says that the brokers do not do what the spec says. That a topic is made again is said until it is: see remake.
func notApplied(topic *v1beta1.KafkaTopic, err error) topics.Verdict {
	verdict := topics.NotApplied(err, kafkaerr.Outline(err).Error())
	if recreating(topic) {
		stalled := verdict.Stalled
		verdict = topics.Recreating(v1beta1.TopicName(topic), kafkaerr.Outline(err))
		verdict.Stalled = stalled
	}
	return verdict
}

// wait makes a topic wait for its brokers. What they refused before they went is no news of what they say when they are back.
func (c *Controller) wait(at broker.Target, key types.NamespacedName, why error) {
	c.refused.forget(key)
	c.unreachable.add(at, key, why)
}

// transient tells errors that are no refusal of what the spec says.
func transient(err error) bool {
	var refusal *kafkaerr.Error
	if kafkaerr.IsTooFewBrokers(err) {
		// They come one after the other: see refusals.
		return false
	}
	return !errors.As(err, &refusal) || refusal.Retriable || kafkaerr.IsUnknownOutcome(err)
}

// reportUnreachable says that no broker can be asked, of a topic that waits for one. What is as specified stays so while brokers are away: that
// they are is told by the Kafka, and not once more by each of its topics. Brokers that are another Kafka's have them no longer.
// What answers in their place may be another cluster, which no waiting mends.
func (c *Controller) reportUnreachable(ctx context.Context, topic *v1beta1.KafkaTopic, kafka *v1beta1.Kafka, why error) error {
	verdict := topics.Unreachable(fmt.Sprintf("no broker of Kafka %s/%s answers; the topic follows when one does", kafka.Namespace, kafka.Name))
	if kafkaerr.IsReplaced(why) || replaced(kafka) {
		verdict.Reason, verdict.Message = kafkaerr.ReasonClusterReplaced, kafkaerr.Replaced(kafka.Namespace+"/"+kafka.Name)
	}
	claimed := target.Claimed(kafka)
	if claimed {
		verdict.Reason = target.ReasonClusterClaimed
		verdict.Message = fmt.Sprintf("the brokers of Kafka %s/%s are those of another Kafka; nothing is done on them for this one", kafka.Namespace, kafka.Name)
	}
	if settled(topic) && !claimed || says(topic, verdict.Reason) || says(topic, topics.ReasonRecreating) {
		// Or the API server has said it, in its own words.
		return nil
	}
	return c.report(ctx, topic, topics.Outcome{Verdict: verdict})
}
