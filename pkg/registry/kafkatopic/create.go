package kafkatopic

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Create implements brokered.Kind: the brokers are asked to make the topic, once. What they have already is taken over if it is what
// the object says, or what is left of an object of the same name.
func (k kind) Create(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, left brokered.Leftover) (brokered.Outcome[*kafka.KafkaTopic], error) {
	if err := k.Clusters.Begin(ctx, cluster); err != nil {
		return brokered.Outcome[*kafka.KafkaTopic]{}, err
	}
	gone, err := k.deleteFormer(ctx, cluster, topic, left.IDs, left.Unproven)
	if err != nil {
		return brokered.Outcome[*kafka.KafkaTopic]{}, err
	}
	if topic.Spec.AdoptTopicID != "" {
		have, err := toAdopt(ctx, cluster, topic, gone)
		if err != nil {
			return brokered.Outcome[*kafka.KafkaTopic]{}, err
		}
		return k.takeOver(ctx, cluster, topic, have, brokered.Leftover{})
	}
	release, problem, err := k.reserve(ctx, cluster, topic, 0, ptr.Deref(topic.Spec.Partitions, 0), ptr.Deref(topic.Spec.Replicas, 0), partitionsField)
	switch {
	case err != nil:
		return brokered.Outcome[*kafka.KafkaTopic]{}, refusedOrUnknown(err, topic)
	case problem != nil:
		return brokered.Outcome[*kafka.KafkaTopic]{}, resolver.Invalid(topic, problem)
	}
	defer release()
	done, taken, err := k.create(ctx, cluster, topic, gone)
	switch {
	case err != nil:
		return brokered.Outcome[*kafka.KafkaTopic]{}, refusedOrUnknown(err, topic)
	case done != nil:
		return k.outcome(*done), nil
	}
	return k.takeOver(ctx, cluster, topic, taken, left)
}

// toAdopt is the topic that a new object names by its id. None is made in its place.
func toAdopt(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, gone []string) (broker.Topic, error) {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return broker.Topic{}, refusedOrUnknown(err, topic)
	}
	problem := resolver.NothingToAdopt(topic)
	if found && !slices.Contains(gone, have.ID.String()) {
		problem = resolver.Foreign(topic, have)
	}
	if problem != nil {
		return broker.Topic{}, resolver.Invalid(topic, problem)
	}
	return have, nil
}

// deleteFormer deletes former owners' topics: that was decided when their objects were deleted. Those that are not proven to have been theirs go
// while nobody has used them. It returns those that are gone.
func (k kind) deleteFormer(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, ids, unproven []string) (gone []string, err error) {
	for _, id := range ids {
		kept, err := k.remove(ctx, cluster, k.Name(topic), id, slices.Contains(unproven, id))
		if err != nil {
			return nil, refusedOrUnknown(err, topic)
		}
		if !kept {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

// takeOver makes a topic that is there the object's. One that nobody but a former request for this name can have made is made anew,
// unless it is as wanted.
func (k kind) takeOver(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, left brokered.Leftover) (brokered.Outcome[*kafka.KafkaTopic], error) {
	var none brokered.Outcome[*kafka.KafkaTopic]
	ours, err := k.isLeftover(ctx, cluster, topic, have, left)
	if err != nil {
		return none, refusedOrUnknown(err, topic)
	}
	if have, err = topics.Follow(ctx, cluster, have); err != nil {
		return none, refusedOrUnknown(err, topic)
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return none, refusedOrUnknown(err, topic)
	}
	problems := disagreements(topic, nil, have, config)
	switch {
	case ours && len(problems) > 0:
		id := have.ID.String()
		if err := k.topics.Doom(ctx, topic, id); err != nil {
			return none, err
		}
		gone, err := k.deleteFormer(ctx, cluster, topic, []string{id}, []string{id})
		if err != nil {
			return none, err
		}
		if len(gone) == 0 {
			if err := k.topics.Spare(ctx, topic, id); err != nil {
				return none, err
			}
			return none, resolver.Invalid(topic, problems...)
		}
		done, _, err := k.create(ctx, cluster, topic, gone)
		switch {
		case err != nil:
			return none, refusedOrUnknown(err, topic)
		case done == nil:
			return none, apierrors.NewConflict(resolver.Resource, topic.Name, errTaken)
		}
		return k.outcome(*done), nil
	case ours:
		return k.outcome(settled(topic, have, true)), nil
	}
	if err := k.mayTakeOver(ctx, topic, have); err != nil {
		return none, err
	}
	if len(problems) > 0 {
		return none, resolver.Invalid(topic, problems...)
	}
	warnTakenOver(ctx, topic)
	return k.outcome(adopted(topic, have)), nil
}

// isLeftover tells whether a topic is what was made for a former object of the name, also when that came late.
func (k kind) isLeftover(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, left brokered.Leftover) (bool, error) {
	ours, err := k.isLeft(ctx, cluster, topic, have, left.Wanted)
	if err != nil || ours || left.Came == nil {
		return ours, err
	}
	if came, err := left.Came(ctx); err != nil || !came {
		return false, err
	}
	return k.isLeft(ctx, cluster, topic, have, left.Unanswered)
}

// isLeft tells whether a topic is what was made for the object, or for an earlier one of the name, whose server could not record it.
func (k kind) isLeft(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, left []json.RawMessage) (bool, error) {
	if same, err := k.isWanted(ctx, cluster, have, left); err != nil || !same {
		return false, err
	}
	if unused, err := cluster.NeverUsed(ctx, have); err != nil || !unused {
		return false, err
	}
	elsewhere, err := k.topics.AskedElsewhere(ctx, k.Name(topic), have.ID.String())
	return !elsewhere, err
}

// create creates the topic; otherwise the topic returned has its name, which may be because somebody was faster.
func (p *plane) create(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, tombstoned []string) (done *outcome, taken broker.Topic, err error) {
	made, taken, err := topics.Make(ctx, cluster, topic.TopicName(), planned(topic), tombstoned, topics.Hooks{})
	if err != nil || made == nil {
		return nil, taken, err
	}
	return &outcome{onBrokers: made.Have, made: made.Made, unanswered: made.Unanswered, lost: made.Lost, verdict: made.Verdict}, taken, nil
}

// adopted is the outcome of a create that has taken over what was there. Its records were somebody's before, so that they stay when
// the object is deleted, unless the object says otherwise.
func adopted(topic *kafka.KafkaTopic, have broker.Topic) outcome {
	done := settled(topic, have, false)
	done.retain = true
	return done
}

var errTaken = errors.New("somebody else made a topic of that name meanwhile; try again")

// refusedOrUnknown is a broker's refusal as an API error. That nobody could be asked, and that the outcome is not known, stays as it is.
func refusedOrUnknown(err error, topic *kafka.KafkaTopic) error {
	if brokers := (live.Brokers{}); err == nil || brokers.Away(err) || brokers.Unknown(err) {
		return err
	}
	return resolver.Refusal(err, topic)
}

func newTopic(topic *kafka.KafkaTopic) broker.NewTopic {
	return topics.New(topic.TopicName(), planned(topic))
}
