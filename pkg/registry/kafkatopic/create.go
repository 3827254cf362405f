package kafkatopic

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
)

// Create implements brokered.Kind: the brokers are asked to make the topic, once. What they have already is taken over if it is what
// the object says, or what is left of an object of the same name.
func (k kind) Create(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, left brokered.Leftover) (brokered.Outcome[*kafka.KafkaTopic], error) {
	if len(left.IDs) > 0 {
		if err := k.deleteFormer(ctx, cluster, topic, left.IDs); err != nil {
			return brokered.Outcome[*kafka.KafkaTopic]{}, err
		}
	}
	have, made, err := k.create(ctx, cluster, topic, left.IDs)
	if err != nil {
		return brokered.Outcome[*kafka.KafkaTopic]{}, refusedOrUnknown(err, topic)
	}
	if made {
		return k.outcome(settled(topic, have, true)), nil
	}
	return k.takeOver(ctx, cluster, topic, have, left.Wanted)
}

// deleteFormer deletes the former owner's topic: that was decided when its object was deleted.
func (k kind) deleteFormer(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, ids []string) error {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return refusedOrUnknown(err, topic)
	}
	if !found || !slices.Contains(ids, have.ID.String()) {
		return nil
	}
	return refusedOrUnknown(cluster.DeleteTopic(ctx, have.ID), topic)
}

// takeOver makes a topic that is there the object's. One that nobody but a former request for this name can have made is made anew,
// unless it is as wanted.
func (k kind) takeOver(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, left json.RawMessage) (brokered.Outcome[*kafka.KafkaTopic], error) {
	var none brokered.Outcome[*kafka.KafkaTopic]
	ours, err := k.isLeft(ctx, cluster, have, left)
	if err != nil {
		return none, refusedOrUnknown(err, topic)
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return none, refusedOrUnknown(err, topic)
	}
	problems := disagreements(topic, nil, have, config)
	switch {
	case ours && len(problems) > 0:
		id := have.ID
		if err := cluster.DeleteTopic(ctx, id); err != nil {
			return none, refusedOrUnknown(err, topic)
		}
		made := false
		if have, made, err = k.create(ctx, cluster, topic, []string{id.String()}); err != nil {
			return none, refusedOrUnknown(err, topic)
		}
		if !made {
			return none, apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name, errTaken)
		}
		return k.outcome(settled(topic, have, true)), nil
	case ours:
		return k.outcome(settled(topic, have, true)), nil
	}
	if err := k.access.own(ctx, topic, takingOver(have)); err != nil {
		return none, err
	}
	if len(problems) > 0 {
		return none, invalid(topic, problems...)
	}
	return k.outcome(adopted(topic, have)), nil
}

// isLeft tells whether a topic is what was made for an earlier object of the name, whose server could not record it.
func (k kind) isLeft(ctx context.Context, cluster *broker.Cluster, have broker.Topic, left json.RawMessage) (bool, error) {
	if left == nil {
		return false, nil
	}
	if same, err := k.isWanted(ctx, cluster, have, left); err != nil || !same {
		return false, err
	}
	return neverUsed(ctx, cluster, have)
}

// deletionLag is how long brokers may take to let go of the name of a deleted topic.
var deletionLag = wait.Backoff{Duration: 50 * time.Millisecond, Factor: 1.5, Steps: 10, Cap: time.Second}

// create creates the topic; made is false when it is there already, which may be because somebody was faster. A name that a deleted
// topic still holds is waited for: brokers delete in the background.
func (p *plane) create(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, doomed []string) (have broker.Topic, made bool, err error) {
	wanted := newTopic(topic)
	var created broker.CreatedTopic
	var refused error
	err = wait.ExponentialBackoffWithContext(ctx, deletionLag, func(ctx context.Context) (bool, error) {
		var err error
		created, err = cluster.CreateTopic(ctx, wanted, false)
		if broker.CodeOf(err) != codeTopicAlreadyExists {
			made = err == nil
			return err == nil, err
		}
		refused = err
		var found bool
		have, found, err = cluster.Topic(ctx, wanted.Name)
		return found && !slices.Contains(doomed, have.ID.String()), err
	})
	if wait.Interrupted(err) && refused != nil {
		err = refused
	}
	if err != nil || !made {
		return have, false, err
	}
	return asCreated(wanted, created), true, nil
}

// asCreated is a topic as the brokers answered, which is newer than what another broker's metadata would say now.
func asCreated(wanted broker.NewTopic, created broker.CreatedTopic) broker.Topic {
	have := broker.Topic{Name: wanted.Name, ID: created.ID}
	partitions, replicas := created.Partitions, int32(created.Replicas)
	if partitions < 0 {
		partitions = wanted.Partitions
	}
	if replicas < 0 {
		replicas = int32(wanted.Replicas)
	}
	for i := range max(partitions, 0) {
		have.Partitions = append(have.Partitions, broker.Partition{ID: i, Leader: -1, Replicas: make([]int32, max(replicas, 0))})
	}
	return have
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
	if err == nil || (kind{}).Away(err) || (kind{}).Unknown(err) {
		return err
	}
	return refusal(err, topic)
}

func newTopic(topic *kafka.KafkaTopic) broker.NewTopic {
	return broker.NewTopic{
		Name:       topic.TopicName(),
		Partitions: ptr.Deref(topic.Spec.Partitions, -1),
		Replicas:   int16(ptr.Deref(topic.Spec.Replicas, -1)),
		Config:     topic.Spec.Config,
	}
}
