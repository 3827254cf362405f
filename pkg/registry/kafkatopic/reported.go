package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
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
		return deletionPending(topic, fmt.Sprintf("topic id %s is that of a deleted KafkaTopic and is about to be deleted", id))
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
	if err := p.checkReporter(asking, cluster, topic, have); err != nil || dryRun {
		return err
	}
	return p.topics.Learn(ctx, topic, id)
}

// checkReporter judges who says that a topic is the object's, when brokers have it under the object's name. Who has the right to all topics
// of the Kafka, as the controllers do, is believed that it was made for the object, unless it says itself that the topic was there before:
// then it is taken over, which needs what it needs of everybody.
func (p *plane) checkReporter(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic) error {
	id := have.ID.String()
	if topic.Spec.AdoptTopicID == id || !adopting(topic) && p.access.own(ctx, topic, "") == nil {
		return nil
	}
	had, err := p.has(ctx, cluster, topic, have)
	switch {
	case live.IsAway(err):
		return live.Unavailable(err)
	case err != nil || had:
		return err
	}
	return apierrors.NewForbidden(resolver.Resource, topic.Name, fmt.Errorf(
		"topic %s is on the brokers already, and who made this object had no right to take it over: whoever has the verb \"own\" on the Kafka can set spec.adoptTopicID to %s", topic.TopicName(), id))
}

// deletionPending is a conflict over what a former object left to be deleted, which whoever asks for it can tell from other conflicts.
func deletionPending(topic *kafka.KafkaTopic, words string) error {
	conflict := apierrors.NewConflict(resolver.Resource, topic.Name, errors.New(words))
	conflict.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: topics.CauseDeletionPending, Message: words}}
	return conflict
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
		return deletionPending(topic, fmt.Sprintf("topic %s is that of a deleted KafkaTopic and is about to be deleted; try again", topic.TopicName()))
	}
	if had, err := p.has(ctx, target.Cluster, topic, have); err != nil || had {
		return err
	}
	return p.access.own(ctx, topic, takingOver(have))
}

// has tells whether an object may have a topic of its name without anybody's asking: it is known to be the object's, who made the object may
// take over what is there, or nobody but those who carry out the object can have made it.
func (p *plane) has(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic) (bool, error) {
	known, allowed, wanted, err := p.topics.Standing(ctx, topic)
	if err != nil || allowed || known == have.ID.String() {
		return err == nil, err
	}
	stored, err := (kind{p}).Wanted(topic)
	if err != nil {
		return false, apierrors.NewInternalError(err)
	}
	left, err := (kind{p}).isLeft(ctx, cluster, have, append(wanted, stored))
	return left, statusUnlessAway(err, topic)
}
