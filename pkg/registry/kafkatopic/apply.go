package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// outcome is what a write came to on the brokers.
type outcome struct {
	// onBrokers is nil when the topic is not known to be there.
	onBrokers *broker.Topic
	// made says that this write made it.
	made bool
	// retain says that the topic was somebody's before, so that it stays with an object that leaves that open.
	retain bool
	// replacement is the id of another topic that has its name.
	replacement string
	ready       metav1.ConditionStatus
	reason      string
	message     string
}

func unreachable(err error) outcome {
	reason := topics.ReasonClusterUnreachable
	var missing *noKafkaError
	if errors.As(err, &missing) {
		reason = topics.ReasonClusterNotFound
	}
	return outcome{ready: metav1.ConditionFalse, reason: reason, message: live.Line(err)}
}

func failed(err error) outcome {
	if live.IsAway(err) {
		return unreachable(err)
	}
	return outcome{ready: metav1.ConditionFalse, reason: topics.ReasonNotApplied, message: live.Line(err)}
}

func settled(topic *kafka.KafkaTopic, have broker.Topic, made bool) outcome {
	done := outcome{onBrokers: &have, made: made, ready: metav1.ConditionTrue, reason: topics.ReasonReady,
		message: fmt.Sprintf("topic %s is on the brokers as specified", have.Name)}
	if differ := topics.ReplicasDiffer(planned(topic), int32(have.ReplicationFactor())); differ != "" {
		done.ready, done.reason, done.message = metav1.ConditionFalse, topics.ReasonReplicasDiffer, differ
	}
	return done
}

// apply makes the brokers have what the object says. It can be repeated. absent says that the brokers just said that
// they do not have the topic; doomed are the ids of former owners' topics, which may still hold its name.
func (p *plane) apply(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, absent bool, doomed []string) (outcome, error) {
	var have broker.Topic
	// A topic that appeared after the brokers were asked was not judged.
	judged, made := !absent, false
	var err error
	if !absent {
		var found bool
		if have, found, err = cluster.Topic(ctx, topic.TopicName()); err != nil {
			return outcome{}, err
		}
		absent = !found
	}
	if absent {
		have, made, err = p.create(ctx, cluster, topic, doomed)
	}
	if err != nil {
		return outcome{}, err
	}
	if made {
		return settled(topic, have, true), nil
	}
	if foreign(topic, have) != nil {
		return outcome{ready: metav1.ConditionFalse, reason: topics.ReasonTopicReplaced, replacement: have.ID.String(),
			message: topics.Replaced(topic.Status.TopicID, have)}, nil
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return outcome{}, err
	}
	if !judged {
		if problems := disagreements(topic, nil, have, config); len(problems) > 0 {
			return outcome{ready: metav1.ConditionFalse, reason: topics.ReasonTopicExists,
				message: live.Line(problems.ToAggregate())}, nil
		}
	}
	if err := change(ctx, cluster, topics.Compare(planned(topic), have, config), &have); err != nil {
		return outcome{}, err
	}
	return settled(topic, have, false), nil
}

// change grows the topic and sets its settings.
func change(ctx context.Context, cluster *broker.Cluster, steps topics.Steps, have *broker.Topic) error {
	if steps.Grow > 0 {
		if err := cluster.CreatePartitions(ctx, have.Name, steps.Grow, nil, false); err != nil {
			return err
		}
		grown(have, steps.Grow)
	}
	return cluster.AlterTopicConfig(ctx, have.Name, steps.Set, steps.Remove, false)
}

// grown adds to a topic the partitions that the brokers have just made, which have as many replicas as the others.
func grown(have *broker.Topic, partitions int32) {
	replicas := have.ReplicationFactor()
	for i := int32(len(have.Partitions)); i < partitions; i++ {
		have.Partitions = append(have.Partitions, broker.Partition{ID: i, Leader: -1, Replicas: make([]int32, replicas)})
	}
}

// write puts an outcome into an object. What the brokers chose for a number that the user left open becomes the spec,
// so does a number that has grown outside.
func (p *plane) write(topic *kafka.KafkaTopic, generation int64, done outcome) {
	topic.Status.ObservedGeneration = max(generation, topic.Status.ObservedGeneration)
	topic.Status.TopicName = topic.TopicName()
	if have := done.onBrokers; have != nil {
		topic.Status.TopicID, topic.Status.ReplacementID = have.ID.String(), ""
		topic.Status.Partitions = int32(len(have.Partitions))
		topic.Status.Replicas = int32(have.ReplicationFactor())
		if fillSpec(topic, done) && topic.ResourceVersion != "" && topic.Generation == generation {
			// Filling the spec of a stored object in makes a new generation (outcomeStrategy), which the brokers already have.
			topic.Status.ObservedGeneration = generation + 1
		}
	}
	if done.replacement != "" {
		topic.Status.ReplacementID = done.replacement
	}
	if done.ready == metav1.ConditionTrue || topic.Spec.DriftPolicy != kafka.DriftReport {
		topics.SetDrifted(&topic.Status.Conditions, v1beta1.TopicDriftPolicy(topic.Spec.DriftPolicy), topics.ReasonAsSpecified,
			"the brokers have what the spec says", topic.Status.ObservedGeneration, p.clock.Now())
	}
	meta.SetStatusCondition(&topic.Status.Conditions, metav1.Condition{
		Type: v1beta1.ConditionReady, Status: done.ready, Reason: done.reason, Message: done.message,
		ObservedGeneration: topic.Status.ObservedGeneration, LastTransitionTime: metav1.NewTime(p.clock.Now()),
	})
}

// fillSpec writes to a spec what it left to the brokers, or was done outside, and tells whether that changed it.
func fillSpec(topic *kafka.KafkaTopic, done outcome) (filled bool) {
	have := done.onBrokers
	if n := int32(len(have.Partitions)); topic.Spec.Partitions == nil || *topic.Spec.Partitions < n {
		topic.Spec.Partitions, filled = ptr.To(n), true
	}
	if n := int32(have.ReplicationFactor()); topic.Spec.Replicas == nil && n > 0 {
		topic.Spec.Replicas, filled = ptr.To(n), true
	}
	if topic.Spec.DeletionPolicy == "" {
		topic.Spec.DeletionPolicy, filled = kafka.TopicDelete, true
		if done.retain {
			topic.Spec.DeletionPolicy = kafka.TopicRetain
		}
	}
	return filled
}
