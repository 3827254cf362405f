package topic

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

const (
	// fieldManager owns what the controller writes to a topic.
	fieldManager = "kafka-apiserver-topics"
	// maxNote is below the 1024 bytes that the note of an event may have.
	maxNote = 1000
)

// recordID writes the topic's id to the status, or where brokers give it none the number of its partitions, and leaves the new object in the
// work. adopting says that the topic was there before the object: the API server refuses that when who made the object had no right to it. A
// status that goes on saying that the topic is made again has the API server find out whether this is the one; of what was made here that is
// known.
func (w *work) recordID(ctx context.Context, have topics.OnBrokers, adopting bool) error {
	next, id := w.topic.DeepCopy(), have.ID
	next.Status.TopicID, next.Status.ReplacementID = id.String(), ""
	if id.IsZero() {
		next.Status.Partitions = have.Partitions
	}
	next.Status.TopicName = v1beta1.TopicName(w.topic)
	made, _ := w.controller.unrecorded.get(w.key)
	if adopting || recreating(next) && made.id == id && !id.IsZero() || meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionReady) == nil {
		w.found(next, adopting)
	}
	stored, err := w.controller.client.KafkaV1beta1().KafkaTopics(w.topic.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
	if err != nil {
		return w.ifGone(err)
	}
	w.controller.unrecorded.forget(w.key)
	stored.DeepCopyInto(w.topic)
	return nil
}

// found says in a status that the topic is on the brokers, and whether it was there before the object.
func (w *work) found(topic *v1beta1.KafkaTopic, adopting bool) {
	reason := topics.ReasonFound
	if adopting {
		reason = topics.ReasonAdopting
	}
	topics.SetConditions(&topic.Status.Conditions, topics.Verdict{Status: metav1.ConditionFalse, Reason: reason, Message: "the topic is on the brokers and is compared with the spec"},
		topic.Spec.DriftPolicy, topic.Status.ObservedGeneration, w.controller.clock.Now())
}

// ifGone handles an object that went while its topic was made, of which nobody else knows. It is deleted when the cache has heard of that: with
// the object's last word on whether it is to stay.
func (w *work) ifGone(err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	return errMoved
}

// record writes to the spec what the brokers chose or somebody did outside, and to the status what there is.
func (w *work) record(ctx context.Context, done topics.Outcome) error {
	c, topic := w.controller, w.topic
	next := topic.DeepCopy()
	if have := done.Have; have != nil {
		open := topics.Open[v1beta1.TopicDeletionPolicy]{Partitions: &next.Spec.Partitions, Replicas: &next.Spec.Replicas}
		if w.adopted {
			// An open one means Delete, which is not worth a write of each of thousands of topics that were made.
			open.DeletionPolicy = &next.Spec.DeletionPolicy
		}
		topics.Fill(open, *have, w.adopted)
	}
	if !equality.Semantic.DeepEqual(next.Spec, topic.Spec) {
		if topic.Status.TopicID != done.Have.ID.String() || topic.Status.TopicID == "" && !withoutID(topic) {
			// The API server compares a write of the spec with the topic, so it has to know first whose that is.
			if err := w.recordID(ctx, *done.Have, false); err != nil {
				return err
			}
			next.ObjectMeta, next.Status = w.topic.ObjectMeta, w.topic.Status
		}
		if topic.Spec.Partitions != nil && *topic.Spec.Partitions < done.Have.Partitions {
			// Before the spec, so that the manifest can be applied again whatever happens in between.
			if err := w.noteGrowth(ctx); err != nil {
				return err
			}
			next.ObjectMeta, next.Status = w.topic.ObjectMeta, w.topic.Status
			c.event(topic, corev1.EventTypeNormal, "GrownOutside", "Adopt", "The topic was grown to %d partitions on the brokers; the spec follows", done.Have.Partitions)
		}
		stored, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).Update(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
		if err != nil {
			return fmt.Errorf("write the brokers' numbers to the spec of KafkaTopic %s: %w", w.key, err)
		}
		w.topic = stored
	}
	if err := c.report(ctx, w.topic, done); err != nil {
		return w.ifGone(err)
	}
	c.unrecorded.forget(w.key)
	return nil
}

// noteGrowth writes to the status which number of partitions the spec had.
func (w *work) noteGrowth(ctx context.Context) error {
	if w.topic.Status.GrownFrom != 0 {
		return nil
	}
	next := w.topic.DeepCopy()
	next.Status.GrownFrom = *next.Spec.Partitions
	stored, err := w.controller.client.KafkaV1beta1().KafkaTopics(next.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager})
	if err != nil {
		return w.ifGone(err)
	}
	w.topic = stored
	return nil
}

// report writes an outcome to the status if it is news.
func (c *Controller) report(ctx context.Context, topic *v1beta1.KafkaTopic, done topics.Outcome) error {
	next := topic.DeepCopy()
	next.Status.ObservedGeneration = topic.Generation
	next.Status.TopicName = v1beta1.TopicName(topic)
	next.Status.ReplacementID = done.Replacement
	if have := done.Have; have != nil {
		next.Status.TopicID = have.ID.String()
		// What is not known of it stays what it was.
		if have.Partitions > 0 {
			next.Status.Partitions = have.Partitions
		}
		if have.Replicas > 0 {
			next.Status.Replicas = have.Replicas
		}
	}
	topics.SetConditions(&next.Status.Conditions, done.Verdict, topic.Spec.DriftPolicy, next.Status.ObservedGeneration, c.clock.Now())
	if equality.Semantic.DeepEqual(next.Status, topic.Status) {
		return nil
	}
	if _, err := c.client.KafkaV1beta1().KafkaTopics(topic.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{FieldManager: fieldManager}); err != nil {
		return err
	}
	if done.Status != metav1.ConditionTrue && done.Reason != topics.ReasonTerminating && !says(topic, done.Reason) {
		c.event(topic, corev1.EventTypeWarning, done.Reason, "Converge", "%s", done.Message)
	}
	was, is := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionDrifted), meta.FindStatusCondition(next.Status.Conditions, v1beta1.ConditionDrifted)
	if is != nil && is.Reason == topics.ReasonConfigDiffers && (was == nil || was.Message != is.Message) {
		c.event(topic, corev1.EventTypeWarning, is.Reason, "Report", "Settings were changed on the brokers and are left so: %s", is.Message)
	}
	return nil
}

// says tells whether the status gives a reason for not being ready, of the spec of today.
func says(topic *v1beta1.KafkaTopic, reason string) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Reason == reason && topic.Status.ObservedGeneration == topic.Generation
}

func (c *Controller) event(topic *v1beta1.KafkaTopic, kind, reason, action, note string, args ...any) {
	if c.recorder == nil {
		return
	}
	text := fmt.Sprintf(note, args...)
	if len(text) > maxNote {
		text = text[:maxNote] + "…"
	}
	c.recorder.Eventf(topic, nil, kind, reason, action, "%s", text)
}
