package topic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

const (
	// fieldManager owns what the controller writes to a topic.
	fieldManager = "kafka-apiserver-topics"
	// askTimeout bounds one sync's talk with brokers.
	askTimeout = 15 * time.Second
	// againRefused is how soon a change that the brokers refused is tried again: they may have got the broker that they lacked.
	againRefused = 10 * time.Second
)

// errMoved says that the object changed under us; an event brings us back.
var errMoved = errors.New("the object was changed or deleted meanwhile")

func (c *Controller) sync(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	cached, err := c.topics.KafkaTopics(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		c.checks.forget(key)
		return 0, nil
	}
	if err != nil || cached.DeletionTimestamp != nil {
		return 0, err
	}
	topic := cached.DeepCopy()
	if wait := headStart(topic, c.clock.Now()); wait > 0 {
		return wait, nil
	}
	if upToDate(topic) {
		if wait := c.checks.wait(key, c.clock.Now(), spread); wait > 0 {
			return wait, nil
		}
	}
	kafka, err := c.kafkas.Kafkas(v1beta1.ClusterNamespace(topic)).Get(topic.Spec.ClusterRef.Name)
	if apierrors.IsNotFound(err) {
		return 0, c.report(ctx, topic, nil, metav1.ConditionFalse, reasonClusterNotFound,
			fmt.Sprintf("there is no Kafka %s/%s", v1beta1.ClusterNamespace(topic), topic.Spec.ClusterRef.Name))
	}
	if err != nil {
		return 0, err
	}
	again, err := c.converge(ctx, key, topic, kafka)
	if apierrors.IsConflict(err) || errors.Is(err, errMoved) {
		klog.FromContext(ctx).V(2).Info("Topic changed meanwhile, will try again", "topic", key, "err", err)
		return time.Second, nil
	}
	return again, err
}

// headStart is how long a new object is left to the API server, which carries it out in the request that stored it. Both at once
// only get in each other's way. A request that finds the brokers away, or fails on them, says so in the status, which ends the wait;
// one that was cut short leaves no status, and is taken over when the object has the age of firstLook.
func headStart(topic *v1beta1.KafkaTopic, now time.Time) time.Duration {
	if len(topic.Status.Conditions) > 0 {
		return 0
	}
	return firstLook - now.Sub(topic.CreationTimestamp.Time)
}

// firstLook is the age at which an object without any status is looked at. Its timestamp has whole seconds.
const firstLook = 3 * time.Second

func spread(d time.Duration) time.Duration { return rand.N(d) }

// converge makes the brokers have the topic.
func (c *Controller) converge(ctx context.Context, key types.NamespacedName, topic *v1beta1.KafkaTopic, kafka *v1beta1.Kafka) (time.Duration, error) {
	at, known := c.targets.Of(kafka)
	if !known {
		// Its addresses appear in its status, and that event wakes this topic.
		return 0, c.away(ctx, topic, kafka)
	}
	if c.parking.away(at) {
		c.parking.park(at, key)
		return 0, c.away(ctx, topic, kafka)
	}
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	have, err := c.apply(asking, c.connect(at), topic)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case broker.IsUnreachable(err):
		c.parking.park(at, key)
		return 0, c.away(ctx, topic, kafka)
	case broker.CodeOf(err) != 0:
		return againRefused, c.report(ctx, topic, nil, metav1.ConditionFalse, reasonNotApplied, err.Error())
	default:
		return 0, err
	}
	c.checks.done(key, c.clock.Now())
	return checkEvery, c.settle(ctx, topic, have)
}

// onBrokers is the topic as it is on the brokers after everything was done.
type onBrokers struct {
	id                   broker.TopicID
	partitions, replicas int32
	differ               string
}

// apply creates the topic, or grows and configures it.
func (c *Controller) apply(ctx context.Context, cluster Cluster, topic *v1beta1.KafkaTopic) (onBrokers, error) {
	name := v1beta1.TopicName(topic)
	have, found, err := cluster.Topic(ctx, name)
	if err != nil {
		return onBrokers{}, err
	}
	if !found {
		return c.create(ctx, cluster, topic, name)
	}
	if topic.Status.TopicID != have.ID.String() {
		// Before anything is done to a topic that was there already, the API server must agree that it is this object's: it may
		// be what a former owner left to be deleted.
		if err := c.adopt(ctx, topic, have); err != nil {
			return onBrokers{}, err
		}
	}
	config, err := cluster.TopicConfig(ctx, name)
	if err != nil {
		return onBrokers{}, err
	}
	todo := decide(&topic.Spec, have, config)
	result := onBrokers{id: have.ID, partitions: int32(len(have.Partitions)), replicas: int32(have.ReplicationFactor()), differ: todo.Differ}
	if todo.Grow > 0 {
		if err := cluster.CreatePartitions(ctx, name, todo.Grow, nil, false); err != nil {
			return onBrokers{}, err
		}
		result.partitions = todo.Grow
		c.event(topic, "PartitionsAdded", "Grow", "Grew topic %s from %d to %d partitions", name, len(have.Partitions), todo.Grow)
	}
	if len(todo.Set)+len(todo.Remove) > 0 {
		if err := cluster.AlterTopicConfig(ctx, name, todo.Set, todo.Remove, false); err != nil {
			return onBrokers{}, err
		}
		c.event(topic, "ConfigChanged", "Configure", "Set %d and removed %d settings of topic %s", len(todo.Set), len(todo.Remove), name)
	}
	return result, nil
}

func (c *Controller) create(ctx context.Context, cluster Cluster, topic *v1beta1.KafkaTopic, name string) (onBrokers, error) {
	// The cache may be behind: a topic must not be made for an object that is gone.
	live, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).Get(ctx, topic.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (live.UID != topic.UID || live.DeletionTimestamp != nil || live.Generation != topic.Generation) {
		return onBrokers{}, errMoved
	}
	if err != nil {
		return onBrokers{}, err
	}
	created, err := cluster.CreateTopic(ctx, broker.NewTopic{
		Name:       name,
		Partitions: ptr.Deref(topic.Spec.Partitions, -1),
		Replicas:   int16(ptr.Deref(topic.Spec.Replicas, -1)),
		Config:     topic.Spec.Config,
	}, false)
	if err != nil {
		return onBrokers{}, err
	}
	result := onBrokers{id: created.ID, partitions: created.Partitions, replicas: int32(created.Replicas)}
	if result.partitions < 0 || result.replicas < 0 || created.ID.IsZero() {
		have, found, err := cluster.Topic(ctx, name)
		if err != nil {
			return onBrokers{}, err
		}
		if !found {
			return onBrokers{}, fmt.Errorf("topic %s was created and is not on the brokers yet", name)
		}
		result = onBrokers{id: have.ID, partitions: int32(len(have.Partitions)), replicas: int32(have.ReplicationFactor())}
	}
	c.event(topic, "TopicCreated", "Create", "Created topic %s with %d partitions and %d replicas", name, result.partitions, result.replicas)
	return result, c.claim(ctx, cluster, topic, result)
}

// claim records the id of a topic that was just created. If the object is gone by now nobody else knows of the topic, and it
// goes again.
func (c *Controller) claim(ctx context.Context, cluster Cluster, topic *v1beta1.KafkaTopic, made onBrokers) error {
	err := c.note(ctx, topic, made.id.String())
	if !apierrors.IsNotFound(err) {
		return err
	}
	if topic.Spec.DeletionPolicy == v1beta1.TopicRetain {
		return errMoved
	}
	if err := cluster.DeleteTopic(ctx, made.id); err != nil {
		return err
	}
	return errMoved
}

// adopt records the id of a topic that was on the brokers already.
func (c *Controller) adopt(ctx context.Context, topic *v1beta1.KafkaTopic, have broker.Topic) error {
	former := topic.Status.TopicID
	if err := c.note(ctx, topic, have.ID.String()); err != nil {
		return err
	}
	if former != "" {
		c.event(topic, "TopicReplaced", "Adopt", "Topic %s was replaced outside: its id was %s and is %s", have.Name, former, have.ID)
	} else {
		c.event(topic, "TopicAdopted", "Adopt", "Topic %s was on the brokers already", have.Name)
	}
	return nil
}

// note writes the topic's id to the status, and leaves the new object in topic.
func (c *Controller) note(ctx context.Context, topic *v1beta1.KafkaTopic, id string) error {
	next := topic.DeepCopy()
	next.Status.TopicID = id
	next.Status.TopicName = v1beta1.TopicName(topic)
	if meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionReady) == nil {
		c.condition(next, metav1.ConditionFalse, reasonAdopting, "the topic is on the brokers and is compared with the spec")
	}
	stored, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
	if err != nil {
		return err
	}
	stored.DeepCopyInto(topic)
	return nil
}

// settle writes to the spec what the brokers chose or somebody did outside, and to the status what there is.
func (c *Controller) settle(ctx context.Context, topic *v1beta1.KafkaTopic, have onBrokers) error {
	next := topic.DeepCopy()
	if n := have.partitions; next.Spec.Partitions == nil || *next.Spec.Partitions < n {
		next.Spec.Partitions = ptr.To(n)
	}
	if next.Spec.Replicas == nil && have.replicas > 0 {
		next.Spec.Replicas = ptr.To(have.replicas)
	}
	if !equality.Semantic.DeepEqual(next.Spec, topic.Spec) {
		if topic.Spec.Partitions != nil {
			c.event(topic, "GrownOutside", "Adopt", "The topic has %d partitions on the brokers; the spec follows", have.partitions)
		}
		stored, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).Update(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
		if err != nil {
			return fmt.Errorf("write the brokers' numbers to the spec of KafkaTopic %s/%s: %w", topic.Namespace, topic.Name, err)
		}
		topic = stored
	}
	if have.differ != "" {
		return c.report(ctx, topic, &have, metav1.ConditionFalse, reasonReplicasDiffer, have.differ)
	}
	return c.report(ctx, topic, &have, metav1.ConditionTrue, reasonReady, fmt.Sprintf("topic %s is on the brokers as specified", v1beta1.TopicName(topic)))
}

func (c *Controller) away(ctx context.Context, topic *v1beta1.KafkaTopic, kafka *v1beta1.Kafka) error {
	if current := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady); current != nil &&
		current.Reason == reasonClusterUnreachable && topic.Status.ObservedGeneration == topic.Generation {
		// The API server has said it in its own words.
		return nil
	}
	return c.report(ctx, topic, nil, metav1.ConditionFalse, reasonClusterUnreachable,
		fmt.Sprintf("no broker of Kafka %s/%s answers; the topic follows when one does", kafka.Namespace, kafka.Name))
}

// report writes the status if it changed. have is nil when the topic is not known to be on the brokers.
func (c *Controller) report(ctx context.Context, topic *v1beta1.KafkaTopic, have *onBrokers, status metav1.ConditionStatus, reason, message string) error {
	next := topic.DeepCopy()
	next.Status.ObservedGeneration = topic.Generation
	next.Status.TopicName = v1beta1.TopicName(topic)
	if have != nil {
		next.Status.TopicID = have.id.String()
		next.Status.Partitions, next.Status.Replicas = have.partitions, have.replicas
	}
	c.condition(next, status, reason, message)
	if equality.Semantic.DeepEqual(next.Status, topic.Status) {
		return nil
	}
	if _, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("update status of KafkaTopic %s/%s: %w", topic.Namespace, topic.Name, err)
	}
	if was := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady); status != metav1.ConditionTrue && (was == nil || was.Reason != reason) && c.recorder != nil {
		c.recorder.Eventf(topic, nil, corev1.EventTypeWarning, reason, "Converge", "%s", message)
	}
	return nil
}

func (c *Controller) condition(topic *v1beta1.KafkaTopic, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&topic.Status.Conditions, metav1.Condition{
		Type: v1beta1.ConditionReady, Status: status, Reason: reason, Message: message,
		ObservedGeneration: topic.Status.ObservedGeneration, LastTransitionTime: metav1.NewTime(c.clock.Now()),
	})
}

func (c *Controller) event(topic *v1beta1.KafkaTopic, reason, action, note string, args ...any) {
	if c.recorder != nil {
		c.recorder.Eventf(topic, nil, corev1.EventTypeNormal, reason, action, note, args...)
	}
}
