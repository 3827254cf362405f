package kafkatopic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// checkAsked judges a status that says that the brokers are asked for the object's topic, which they do not have. What they have of it later
// goes with the object, whether its id is ever reported or not, so that not everybody may say so. It is noted before the status is stored,
// and so before it is done; that nothing comes of a status that is not stored is found out within a minute.
func (p *plane) checkAsked(ctx context.Context, topic, old *kafka.KafkaTopic, dryRun bool) error {
	if !asking(topic) {
		return nil
	}
	err := p.access.own(ctx, topic, "to say that its topic is made")
	news := !asking(old)
	switch {
	case err != nil && news:
		return err
	case err != nil || topic.Status.TopicID != old.Status.TopicID:
		return nil
	case topic.DeletionTimestamp != nil && news:
		return apierrors.NewConflict(resolver.Resource, topic.Name, errors.New("the object is being deleted, and no topic is made for it any more"))
	case topic.DeletionTimestamp != nil || dryRun:
		return nil
	}
	return p.topics.Asked(ctx, topic, true)
}

// lostMeanwhile takes down that the topic of an object which is gone was asked for, and not answered: whoever says so in its status, which he
// may write, comes too late for that, and what he asked for may come later still.
func (p *plane) lostMeanwhile(ctx context.Context, info rest.UpdatedObjectInfo) {
	obj, err := info.UpdatedObject(ctx, &kafka.KafkaTopic{})
	topic, ok := obj.(*kafka.KafkaTopic)
	if err != nil || !ok || topic.UID == "" || topic.Spec.ClusterRef.Name == "" || !asking(topic) || p.access.own(ctx, topic, "") != nil ||
		len(validation.ValidateKafkaTopic(topic)) > 0 {
		return
	}
	if stored, err := p.Topic(ctx, topic.Name); err == nil && stored.UID == topic.UID || err != nil && !apierrors.IsNotFound(err) {
		// Whoever says so tries again.
		return
	}
	if err := p.topics.Lost(ctx, topic, topic.Status.TopicID == ""); err != nil {
		klog.FromContext(ctx).Info("What was asked for an object that is gone is not looked for", "topic", klog.KObj(topic), "err", err)
	}
}

// asking tells whether a status says that the brokers are asked for the object's topic.
func asking(topic *kafka.KafkaTopic) bool {
	return says(topic, topics.ReasonRecreating) || topic.Status.TopicID == "" && says(topic, topics.ReasonCreating)
}

// checkReportedID judges the topic id in a status, because what has it is deleted with the object: the brokers must have it under the
// object's name, it must not be what a former owner left to be deleted, and it must not be somebody else's. learn, which is nil when there is
// no news, is for when the status is stored. That what is taken over stays is noted before: who deletes the object then may be faster than
// learn. An id that brokers cannot be asked about is not believed: who reports it, and has asked them, tries again.
func (p *plane) checkReportedID(ctx context.Context, topic, old *kafka.KafkaTopic, dryRun bool) (learn func(context.Context), err error) {
	id := topic.Status.TopicID
	// Where brokers give no ids, the numbers say that the object has a topic.
	withoutID := id == "" && old.Status.TopicID == "" && topic.Status.Partitions > 0
	if withoutID && old.Status.Partitions > 0 {
		if dryRun {
			return nil, nil
		}
		return p.checkCarriedOut(ctx, topic)
	}
	if !withoutID && (id == "" || id == old.Status.TopicID) {
		return nil, nil
	}
	conflict := func(format string, args ...any) error {
		return apierrors.NewConflict(resolver.Resource, topic.Name, fmt.Errorf(format, args...))
	}
	doomed, err := p.topics.Tombstoned(ctx, topic, id)
	if err != nil {
		return nil, err
	}
	if doomed {
		return nil, deletionPending(topic, fmt.Sprintf("topic id %s is that of a deleted KafkaTopic and is about to be deleted", id))
	}
	unconfirmed := func(err error) error {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("status.topicID: whether %s is topic %s is not known: %s", id, topic.TopicName(), live.Line(err)))
	}
	k, err := p.FindKafka(ctx, topic)
	if err != nil {
		return nil, unconfirmed(err)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	cluster, err := p.Clusters.Ask(asking, k)
	if err != nil {
		return nil, unconfirmed(err)
	}
	have, found, err := cluster.Topic(asking, topic.TopicName())
	switch {
	case live.IsAway(err):
		return nil, unconfirmed(err)
	case err != nil:
		return nil, resolver.Refusal(err, topic)
	case !found || have.ID.String() != id:
		return nil, conflict("status.topicID is %q, which is not what the brokers call topic %s", id, topic.TopicName())
	}
	target := resolver.Target{Topic: topic, Cluster: cluster, Have: have}
	held, err := p.checkReporter(asking, target, old.Status.TopicID)
	if err != nil {
		return nil, err
	}
	if held.made && adopting(topic) {
		// Who reports it cannot know, and would keep it as somebody else's.
		return nil, conflictOver(topic, topics.CauseMade, fmt.Sprintf("topic %s was made for the object by a request whose answer was lost, and is not taken over", topic.TopicName()))
	}
	if dryRun {
		return nil, nil
	}
	if !held.ours {
		if err := p.topics.Keep(ctx, topic); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) { p.topics.Learn(ctx, topic, id, !held.ours) }, nil
}

// checkReporter judges who says that a topic is the object's, when brokers have it under the object's name. Who has the right to all topics
// of the Kafka, as the controllers do, is believed that it was made for the object, unless it says itself that the topic was there before:
// then it is taken over, which needs what it needs of everybody. So does what has the name of a topic that is made again, unless it is as
// it was asked for, and nobody has used it. former is what the object had.
func (p *plane) checkReporter(ctx context.Context, target resolver.Target, former string) (holding, error) {
	topic, id := target.Topic, target.Have.ID.String()
	remade := former != "" && says(topic, topics.ReasonRecreating)
	switch {
	case id != "" && topic.Spec.AdoptTopicID == id:
		return holding{}, p.elsewhere(ctx, topic, target.Have)
	case !adopting(topic) && !remade && p.access.own(ctx, topic, "") == nil:
		return holding{ours: true}, p.hadElsewhere(ctx, topic, target.Have)
	}
	held, err := p.has(ctx, target)
	switch {
	case live.IsAway(err):
		return held, live.Unavailable(err)
	case err != nil || held.ours:
		return held, err
	case held.allowed && former == "":
		return held, p.elsewhere(ctx, topic, target.Have)
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
	_, err := p.title(ctx, target)
	return err
}

// title is by what an object may have a topic that is on the brokers under its name.
type title int

const (
	// itsOwn says that the topic is the object's already, or was made for it.
	itsOwn title = iota
	// granted says that the topic was somebody's, and is to be taken over: spec.adoptTopicID says so, or whoever made the object had the right to.
	granted
	// asked says that it was somebody's, and that nobody but the caller has the right to take it over. That he asks for something else does not
	// say that he wants to.
	asked
)

// title tells by what an object may have a topic: it was stored while nobody could be asked, or somebody made another topic in the place of its
// own. The error is that it may not have it, or that it is what a former object left to be deleted.
func (p *plane) title(ctx context.Context, target resolver.Target) (title, error) {
	topic, have := target.Topic, target.Have
	id := have.ID.String()
	switch {
	case id != "" && topic.Status.TopicID == id:
		return itsOwn, nil
	case id != "" && topic.Spec.AdoptTopicID == id:
		return granted, p.elsewhere(ctx, topic, have)
	case topic.Status.TopicID != "":
		return asked, p.mayTakeOver(ctx, topic, have)
	}
	doomed, err := p.topics.Tombstoned(ctx, topic, id)
	if err != nil {
		return asked, err
	}
	if doomed {
		return asked, deletionPending(topic, fmt.Sprintf("topic %s is that of a deleted KafkaTopic and is about to be deleted; try again", topic.TopicName()))
	}
	held, err := p.has(ctx, target)
	switch {
	case err != nil || held.ours:
		return itsOwn, err
	case held.allowed:
		return granted, p.elsewhere(ctx, topic, have)
	}
	return asked, p.mayTakeOver(ctx, topic, have)
}

// mayTakeOver refuses a caller who may not take over a topic that is somebody's, and everybody what is another object's.
func (p *plane) mayTakeOver(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic) error {
	if err := p.access.own(ctx, topic, takingOver(have)); err != nil {
		return err
	}
	return p.elsewhere(ctx, topic, have)
}

// holding is what is known of whose a topic is that an object finds on the brokers.
type holding struct {
	// ours says that it is the object's: it is known to be, or came after brokers without it were asked for it, is what they were asked for, and
	// nobody has used it.
	ours bool
	// made says that it was made for the object, although its status does not have the id yet.
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
	id := target.Have.ID.String()
	if id != "" && standing.ID == id || id == "" && standing.WithoutID != nil {
		return holding{ours: true, made: !standing.Retain}, nil
	}
	unknown := standing.ID == ""
	if standing.WithoutID != nil {
		// The brokers give ids by now. What has the name and is as it was is what the object had: nothing else was to tell it by before.
		same, err := (kind{p}).isWanted(ctx, target.Cluster, target.Have, []json.RawMessage{standing.WithoutID})
		if err != nil || same {
			return holding{ours: same, made: same}, statusUnlessAway(err, target.Topic)
		}
	}
	ours, err := (kind{p}).isLeft(ctx, target.Cluster, target.Topic, target.Have, standing.Wanted)
	return holding{ours: ours, made: ours && unknown, allowed: unknown && standing.MayAdopt}, statusUnlessAway(err, target.Topic)
}

// notTakenOver refuses to grow a topic that its object has not taken over yet, because nobody has compared them.
func (p *plane) notTakenOver(ctx context.Context, target resolver.Target) error {
	by, err := p.title(ctx, target)
	if err != nil || by == itsOwn {
		return err
	}
	if says(target.Topic, topics.ReasonTopicExists) {
		// No waiting mends that, and clients repeat a conflict.
		problem := field.Required(field.NewPath("spec", "adoptTopicID"), fmt.Sprintf("topic %s with id %s is on the brokers already: set its id to take it over", target.Topic.TopicName(), target.Have.ID))
		return resolver.Invalid(target.Topic, problem)
	}
	return apierrors.NewConflict(resolver.Resource, target.Topic.Name, fmt.Errorf(
		"topic %s was on the brokers before the object, which has not taken it over yet; try again when the object is Ready", target.Topic.TopicName()))
}
