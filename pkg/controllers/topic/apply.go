package topic

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Kafka's error codes that tell that the world moved (org.apache.kafka.common.protocol.Errors).
const (
	codeUnknownTopic       = 3
	codeTopicAlreadyExists = 36
)

// work is one sync of one topic.
type work struct {
	controller *Controller
	cluster    Cluster
	at         broker.Target
	key        types.NamespacedName
	topic      *v1beta1.KafkaTopic
}

// verdict is what a topic came to.
type verdict struct {
	// have is the topic on the brokers; nil when it is not known to be there or is not the object's.
	have *onBrokers
	// replacement is the id of another topic that has its name.
	replacement string
	// drift is what was done outside and is left so, with its reason.
	drift, driftReason string

	status          metav1.ConditionStatus
	reason, message string
}

// onBrokers is a topic as it is on the brokers after everything was done.
type onBrokers struct {
	id                   broker.TopicID
	partitions, replicas int32
}

func planned(topic *v1beta1.KafkaTopic) topics.Spec {
	return topics.Spec{Partitions: topic.Spec.Partitions, Replicas: topic.Spec.Replicas, Config: topic.Spec.Config}
}

// reportOnly tells whether what is found is to be told and left: only what was as specified once can have drifted.
func (w *work) reportOnly() bool {
	return w.topic.Spec.DriftPolicy == v1beta1.DriftReport && settled(w.topic)
}

// apply creates the topic, or grows and configures it.
func (w *work) apply(ctx context.Context) (verdict, error) {
	name := v1beta1.TopicName(w.topic)
	if w.topic.Status.TopicID == "" {
		// It is not there, usually, and a create tells as well as a question.
		if v, err := w.create(ctx, name); broker.CodeOf(err) != codeTopicAlreadyExists {
			return v, err
		}
	}
	have, found, err := w.cluster.Topic(ctx, name)
	if err != nil {
		return verdict{}, err
	}
	if !found {
		return w.missing(ctx, name)
	}
	if !topics.Mine(w.topic.Status.TopicID, w.topic.Spec.AdoptTopicID, have) {
		return verdict{replacement: have.ID.String(), status: metav1.ConditionFalse, reason: topics.ReasonTopicReplaced,
			message: topics.Replaced(w.topic.Status.TopicID, have)}, nil
	}
	v, err := w.change(ctx, have)
	if broker.CodeOf(err) == codeUnknownTopic {
		return verdict{}, errMoved
	}
	return v, err
}

// missing makes a topic again that was deleted outside, or says that it was.
func (w *work) missing(ctx context.Context, name string) (verdict, error) {
	if w.topic.Status.TopicID == "" {
		return verdict{}, errMoved
	}
	if w.reportOnly() {
		const message = "the topic was deleted on the brokers"
		return verdict{drift: message, driftReason: topics.ReasonTopicDeleted, status: metav1.ConditionFalse,
			reason: topics.ReasonTopicMissing, message: message + "; a write of the spec makes it again"}, nil
	}
	// A deletion may be that of the object's owner, of which the cache has not heard.
	if err := w.stands(ctx); err != nil {
		return verdict{}, err
	}
	v, err := w.create(ctx, name)
	if broker.CodeOf(err) == codeTopicAlreadyExists {
		// The broker that was asked had not heard of it.
		return verdict{}, errMoved
	}
	return v, err
}

// create makes the topic. Its object may be gone, or be another by now, of which the cache has not heard: what is written to the object
// then finds out (gone), and what is left by a crash in between the API server's sweeper looks for. Asking first would only make
// that rarer, by a request for each of thousands of topics whose brokers are back.
func (w *work) create(ctx context.Context, name string) (verdict, error) {
	c, topic := w.controller, w.topic
	var created broker.CreatedTopic
	var err error
	// All topics whose brokers are back go into few requests: three nodes take less than half as long for a thousand of them then.
	c.loop.Aside(ctx, func() {
		created, err = w.cluster.CreateTopic(ctx, broker.NewTopic{
			Name:       name,
			Partitions: ptr.Deref(topic.Spec.Partitions, -1),
			Replicas:   int16(ptr.Deref(topic.Spec.Replicas, -1)),
			Config:     topic.Spec.Config,
		}, false)
	})
	if err != nil {
		return verdict{}, err
	}
	have := onBrokers{id: created.ID, partitions: created.Partitions, replicas: int32(created.Replicas)}
	if have.partitions < 0 || have.replicas < 0 || created.ID.IsZero() {
		found, there, err := w.cluster.Topic(ctx, name)
		if err != nil {
			return verdict{}, err
		}
		if !there {
			return verdict{}, fmt.Errorf("topic %s was created and is not on the brokers yet", name)
		}
		have = onBrokers{id: found.ID, partitions: int32(len(found.Partitions)), replicas: int32(found.ReplicationFactor())}
	}
	c.made.put(w.key, madeTopic{owner: topic.UID, name: name, id: have.id, kafka: clusterKey(topic), at: w.at,
		retain: topic.Spec.DeletionPolicy == v1beta1.TopicRetain})
	if topic.Status.TopicID == "" {
		c.event(topic, corev1.EventTypeNormal, "TopicCreated", "Create", "Created topic %s with %d partitions and %d replicas", name, have.partitions, have.replicas)
	} else {
		c.event(topic, corev1.EventTypeWarning, "TopicRecreated", "Create",
			"Topic %s was deleted on the brokers; made it again, empty, with %d partitions and %d replicas", name, have.partitions, have.replicas)
	}
	return w.asSpecified(have), nil
}

// stands looks whether the object is still what the cache says, which may be behind.
func (w *work) stands(ctx context.Context) error {
	topic := w.topic
	live, err := w.controller.client.KafkaV1beta1().KafkaTopics(topic.Namespace).Get(ctx, topic.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (live.UID != topic.UID || live.DeletionTimestamp != nil || live.Generation != topic.Generation) {
		return errMoved
	}
	return err
}

// change grows and configures a topic that is on the brokers.
func (w *work) change(ctx context.Context, have broker.Topic) (verdict, error) {
	c, topic := w.controller, w.topic
	config, err := w.cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return verdict{}, err
	}
	if topic.Status.TopicID != have.ID.String() {
		if v, taken, err := w.takeOver(ctx, have, config); err != nil || !taken {
			return v, err
		}
	}
	steps := topics.Compare(planned(topic), have, config)
	now := onBrokers{id: have.ID, partitions: int32(len(have.Partitions)), replicas: int32(have.ReplicationFactor())}
	if steps.Grow > 0 {
		if err := w.cluster.CreatePartitions(ctx, have.Name, steps.Grow, nil, false); err != nil {
			return verdict{}, err
		}
		now.partitions = steps.Grow
		c.event(topic, corev1.EventTypeNormal, "PartitionsAdded", "Grow", "Grew topic %s from %d to %d partitions", have.Name, len(have.Partitions), steps.Grow)
	}
	v := w.asSpecified(now)
	drift := topics.Drift(topic.Spec.Config, config)
	switch {
	case drift != "" && w.reportOnly():
		v.drift, v.driftReason = drift, topics.ReasonConfigDiffers
		if v.status == metav1.ConditionTrue {
			v.message = fmt.Sprintf("topic %s is on the brokers; its settings differ, as the condition Drifted says", have.Name)
		}
	case len(steps.Set)+len(steps.Remove) > 0 && (drift != "" || !settled(topic)):
		// What looks changed outside may be what a newer spec says, which the API server has carried out before we hear of it.
		if err := w.stands(ctx); err != nil {
			return verdict{}, err
		}
		if err := w.cluster.AlterTopicConfig(ctx, have.Name, steps.Set, steps.Remove, false); err != nil {
			return verdict{}, err
		}
		// And so it may have done meanwhile: then we have undone it, and look again.
		if err := w.stands(ctx); err != nil {
			return verdict{}, err
		}
		if settled(topic) {
			c.event(topic, corev1.EventTypeWarning, "ConfigReverted", "Configure", "Reverted settings of topic %s that were changed on the brokers: %s", have.Name, drift)
		} else {
			c.event(topic, corev1.EventTypeNormal, "ConfigChanged", "Configure", "Set %d and removed %d settings of topic %s", len(steps.Set), len(steps.Remove), have.Name)
		}
	}
	return v, nil
}

// takeOver records the id of a topic that the object is not known to have. Before anything is done to it the API server must agree
// that it is this object's: it may be what a former owner left to be deleted.
func (w *work) takeOver(ctx context.Context, have broker.Topic, config []broker.ConfigEntry) (v verdict, taken bool, err error) {
	c, topic, former := w.controller, w.topic, w.topic.Status.TopicID
	made, known := c.made.get(w.key)
	mine := known && made.id == have.ID
	if former == "" && !mine {
		if problems := topics.Disagreements(planned(topic), have, config, field.NewPath("spec")); len(problems) > 0 {
			message := strings.ReplaceAll(problems.ToAggregate().Error(), "\n", "; ")
			return verdict{status: metav1.ConditionFalse, reason: topics.ReasonTopicExists, message: message}, false, nil
		}
	}
	if err := w.note(ctx, have.ID); err != nil {
		return verdict{}, false, err
	}
	switch {
	case mine:
	case former == "":
		c.event(topic, corev1.EventTypeNormal, "TopicAdopted", "Adopt", "Topic %s was on the brokers already, as specified", have.Name)
	default:
		c.event(topic, corev1.EventTypeNormal, "TopicAdopted", "Adopt", "Took over topic %s with id %s in the place of %s", have.Name, have.ID, former)
	}
	return verdict{}, true, nil
}

func (w *work) asSpecified(have onBrokers) verdict {
	v := verdict{have: &have, driftReason: topics.ReasonAsSpecified, drift: "the brokers have what the spec says",
		status: metav1.ConditionTrue, reason: topics.ReasonReady, message: fmt.Sprintf("topic %s is on the brokers as specified", v1beta1.TopicName(w.topic))}
	if differ := topics.ReplicasDiffer(planned(w.topic), have.replicas); differ != "" {
		v.status, v.reason, v.message = metav1.ConditionFalse, topics.ReasonReplicasDiffer, differ
	}
	return v
}
