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
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// checkReportedID judges the topic id in a status, because what has it is deleted with the object: the brokers must have it under the
// object's name, it must not be what a former owner left to be deleted, and it must not be somebody else's. It is written to the claim
// then. An id that they cannot be asked about is not believed: who reports it, and has asked them, tries again.
func (p *plane) checkReportedID(ctx context.Context, topic, old *kafka.KafkaTopic, dryRun bool) error {
	if says(topic, topics.ReasonRecreating) {
		// What is made in the place of what the object had goes with the object, whether its id is ever reported or not.
		err := p.access.own(ctx, topic, "to say that its topic is made again")
		switch {
		case err != nil && !says(old, topics.ReasonRecreating):
			return err
		case err == nil && !dryRun && topic.Status.TopicID == old.Status.TopicID:
			if err := p.topics.Remake(ctx, topic); err != nil {
				return err
			}
		}
	}
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
	target := resolver.Target{Topic: topic, Cluster: cluster, Have: have}
	held, err := p.checkReporter(asking, target, old.Status.TopicID)
	if err != nil {
		return err
	}
	if held.made && adopting(topic) {
		// Who reports it cannot know, and would keep it as somebody else's.
		return conflictOver(topic, topics.CauseMade, fmt.Sprintf("topic %s was made for the object by a request whose answer was lost, and is not taken over", topic.TopicName()))
	}
	if dryRun {
		return nil
	}
	return p.topics.Learn(ctx, topic, id, !held.ours)
}

// checkReporter judges who says that a topic is the object's, when brokers have it under the object's name. Who has the right to all topics
// of the Kafka, as the controllers do, is believed that it was made for the object, unless it says itself that the topic was there before:
// then it is taken over, which needs what it needs of everybody. So does what has the name of a topic that is made again, unless it is as
// it was asked for, and nobody has used it. former is what the object had.
func (p *plane) checkReporter(ctx context.Context, target resolver.Target, former string) (holding, error) {
	topic, id := target.Topic, target.Have.ID.String()
	remade := former != "" && says(topic, topics.ReasonRecreating)
	switch {
	case topic.Spec.AdoptTopicID == id:
		return holding{}, nil
	case !adopting(topic) && !remade && p.access.own(ctx, topic, "") == nil:
		return holding{ours: true}, nil
	}
	held, err := p.has(ctx, target)
	switch {
	case live.IsAway(err):
		return held, live.Unavailable(err)
	case err != nil || held.ours || held.allowed && former == "":
		return held, err
	case former != "":
		return held, apierrors.NewForbidden(resolver.Resource, topic.Name, fmt.Errorf(
			"topic %s with id %s was not made in the place of the object's with id %s: whoever has the verb \"own\" on the Kafka can set spec.adoptTopicID to %s", topic.TopicName(), id, former, id))
	}
	return held, apierrors.NewForbidden(resolver.Resource, topic.Name, fmt.Errorf(
		"topic %s is on the brokers already, and who made this object had no right to take it over: whoever has the verb \"own\" on the Kafka can set spec.adoptTopicID to %s", topic.TopicName(), id))
}

// deletionPending is a conflict over what a former object left to be deleted, which whoever asks for it can tell from other conflicts.
func deletionPending(topic *kafka.KafkaTopic, words string) error {
	return conflictOver(topic, topics.CauseDeletionPending, words)
}

func conflictOver(topic *kafka.KafkaTopic, cause metav1.CauseType, words string) error {
	conflict := apierrors.NewConflict(resolver.Resource, topic.Name, errors.New(words))
	conflict.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: cause, Message: words}}
	return conflict
}

// adopting tells whether a status says that the topic was there before the object.
func adopting(topic *kafka.KafkaTopic) bool { return says(topic, topics.ReasonAdopting) }

// says tells whether a status gives a reason for not being ready.
func says(topic *kafka.KafkaTopic, reason string) bool {
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == reason
}

// mayHave refuses to do anything to a topic that the object takes over when it does, and may not.
func (p *plane) mayHave(ctx context.Context, target resolver.Target) error {
	_, err := p.takesOver(ctx, target)
	return err
}

// takesOver tells whether a topic was somebody's before an object that does something to it: its object was stored while nobody could be
// asked, or somebody made another topic in the place of its own. The error is that the object may not have it, or that it is what a former
// object left to be deleted. It is nil when the topic is the object's, when nobody else can have used it, or when who made the object, or
// who asks now, may take it over.
func (p *plane) takesOver(ctx context.Context, target resolver.Target) (bool, error) {
	topic, have := target.Topic, target.Have
	id := have.ID.String()
	switch {
	case topic.Status.TopicID == id:
		return false, nil
	case topic.Spec.AdoptTopicID == id:
		return true, nil
	case topic.Status.TopicID != "":
		return true, p.access.own(ctx, topic, takingOver(have))
	}
	doomed, err := p.topics.Tombstoned(ctx, topic, id)
	if err != nil {
		return false, err
	}
	if doomed {
		return false, deletionPending(topic, fmt.Sprintf("topic %s is that of a deleted KafkaTopic and is about to be deleted; try again", topic.TopicName()))
	}
	held, err := p.has(ctx, target)
	switch {
	case err != nil:
		return false, err
	case held.ours, held.allowed:
		return !held.ours, nil
	}
	return true, p.access.own(ctx, topic, takingOver(have))
}

// holding is what is known of whose a topic is that an object finds on the brokers.
type holding struct {
	// ours says that it is the object's: it is known to be, or it is as wanted and nobody has used it.
	ours bool
	// made says that it is the object's, although nobody knows its id yet, and came after brokers without it were asked for it.
	made bool
	// allowed says that who made the object may take over what is there.
	allowed bool
}

// has tells whose a topic is.
func (p *plane) has(ctx context.Context, target resolver.Target) (holding, error) {
	standing, err := p.topics.Standing(ctx, target.Topic)
	if err != nil {
		return holding{}, err
	}
	if standing.ID == target.Have.ID.String() {
		return holding{ours: true}, nil
	}
	if standing.ID != "" && len(standing.Wanted) == 0 {
		// The object has another, and nothing was made in its place.
		return holding{}, nil
	}
	stored, err := (kind{p}).Wanted(target.Topic)
	if err != nil {
		return holding{}, apierrors.NewInternalError(err)
	}
	wanted := standing.Wanted
	if stored != nil {
		wanted = append(wanted, stored)
	}
	ours, err := (kind{p}).isLeft(ctx, target.Cluster, target.Have, wanted)
	return holding{ours: ours, made: ours && standing.ID == "" && standing.Unanswered, allowed: standing.ID == "" && standing.MayAdopt}, statusUnlessAway(err, target.Topic)
}

// notTakenOver refuses to grow a topic that its object has not taken over yet, because nobody has compared them.
func (p *plane) notTakenOver(ctx context.Context, target resolver.Target) error {
	takenOver, err := p.takesOver(ctx, target)
	if err != nil || !takenOver {
		return err
	}
	return apierrors.NewConflict(resolver.Resource, target.Topic.Name, fmt.Errorf(
		"topic %s was on the brokers before the object, which has not taken it over yet; try again when the object is Ready", target.Topic.TopicName()))
}
