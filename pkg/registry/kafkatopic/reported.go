package kafkatopic

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// checkReportedID judges the topic id in a status, because what has it is deleted with the object: the brokers must have it under the
// object's name, it must not be what a former owner left to be deleted, and it must not be somebody else's. It is written to the claim
// then. An id that they cannot be asked about is not believed: who reports it, and has asked them, tries again.
func (p *plane) checkReportedID(ctx context.Context, topic, old *kafka.KafkaTopic, dryRun bool) error {
	id := topic.Status.TopicID
	if id == "" || id == old.Status.TopicID {
		return nil
	}
	conflict := func(format string, args ...any) error {
		return apierrors.NewConflict(resolver.Resource, topic.Name, fmt.Errorf(format, args...))
	}
	doomed, err := p.topics.Tombstoned(ctx, topic, id)
	if err != nil {
		return err
	}
	if doomed {
		return conflict("topic id %s is that of a deleted KafkaTopic and is about to be deleted", id)
	}
	unconfirmed := func(err error) error {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("status.topicID: whether %s is topic %s is not known: %s", id, topic.TopicName(), live.Line(err)))
	}
	k, err := p.FindKafka(ctx, topic)
	if err != nil {
		return unconfirmed(err)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := p.Clusters.Ask(asking, k)
	if err != nil {
		return unconfirmed(err)
	}
	have, found, err := cluster.Topic(asking, topic.TopicName())
	switch {
	case live.IsAway(err):
		return unconfirmed(err)
	case err != nil:
		return resolver.Refusal(err, topic)
	case !found || have.ID.String() != id:
		return conflict("status.topicID is %s, which is not what the brokers call topic %s", id, topic.TopicName())
	}
	if adopting(topic) && topic.Spec.AdoptTopicID != id {
		_, allowed, wanted, err := p.topics.Standing(ctx, topic)
		if err != nil {
			return err
		}
		if !allowed {
			if allowed, err = (kind{p}).isLeft(asking, cluster, have, wanted); err != nil {
				return refusedOrUnknown(err, topic)
			}
		}
		if !allowed {
			return apierrors.NewForbidden(resolver.Resource, topic.Name, fmt.Errorf(
				"topic %s is on the brokers already, and who made this object had no right to take it over: whoever has the verb \"own\" on the Kafka can set spec.adoptTopicID to %s", topic.TopicName(), id))
		}
	}
	if dryRun {
		return nil
	}
	return p.topics.Learn(ctx, topic, id)
}

// adopting tells whether a status says that the topic was there before the object.
func adopting(topic *kafka.KafkaTopic) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == topics.ReasonAdopting
}

// mayHave refuses to do anything to a topic of which the object is not known to be the owner: its object was stored while nobody could be
// asked, so that the topic may have been somebody's before, or what a former object left to be deleted. nil when it is the object's, when
// nobody else can have used it, or when who made the object, or who asks now, may take it over.
func (p *plane) mayHave(ctx context.Context, target resolver.Target) error {
	topic, have := target.Topic, target.Have
	id := have.ID.String()
	if have.ID.IsZero() || topic.Status.TopicID != "" || topic.Spec.AdoptTopicID == id {
		return nil
	}
	doomed, err := p.topics.Tombstoned(ctx, topic, id)
	if err != nil {
		return err
	}
	if doomed {
		return apierrors.NewConflict(resolver.Resource, topic.Name,
			fmt.Errorf("topic %s is that of a deleted KafkaTopic and is about to be deleted; try again", topic.TopicName()))
	}
	known, allowed, wanted, err := p.topics.Standing(ctx, topic)
	if err != nil {
		return err
	}
	if known == id || allowed {
		return nil
	}
	stored, err := (kind{p}).Wanted(topic)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	left, err := (kind{p}).isLeft(ctx, target.Cluster, have, append(wanted, stored))
	if err != nil || left {
		return statusUnlessAway(err, topic)
	}
	return p.access.own(ctx, topic, takingOver(have))
}
