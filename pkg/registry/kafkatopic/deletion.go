package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// remove deletes a topic by id, unless an object on another Kafka of the same cluster has it, or with unlessUsed somebody has used it. An id is
// only believed to be an object's while brokers have it under the name that the object claimed, or under one that collides with it, or do not
// have it at all. A topic that the brokers keep for good is told of and counts as done, which
// kept says: a claim that waited for them to change their mind would keep the name from everybody. The next object can adopt the topic.
func (p *plane) remove(ctx context.Context, cluster *broker.Cluster, name storage.Name, text string, unlessUsed bool) (kept bool, err error) {
	if text == "" {
		// Brokers before 2.8 delete by the name only, which somebody else may have by then.
		return true, nil
	}
	id, err := broker.ParseTopicID(text)
	if err != nil {
		return false, fmt.Errorf("claim on topic %s: %w", name.Name, err)
	}
	have, found, err := cluster.Topic(ctx, name.Name)
	if err != nil {
		return false, err
	}
	if !found || have.ID != id {
		// The broker that was asked may not have heard of it, or still show one that had the name before.
		if have, found, err = cluster.TopicByID(ctx, id); err != nil {
			return false, err
		}
	}
	if other := (storage.Name{Kind: name.Kind, Cluster: name.Cluster, Name: have.Name}); found && other.Claimed() != name.Claimed() {
		return false, nil
	}
	logger := klog.FromContext(ctx).WithValues("topic", name.Name, "id", text)
	switch other, err := p.topics.HadElsewhere(ctx, name, text); {
	case err != nil:
		return false, err
	case other != nil:
		logger.Info("Topic of a deleted object stays, an object on another Kafka of the cluster has it", "kafka", other.Cluster, "owner", other.Owner)
		live.Warn(ctx, "the topic of the deleted object stays", errHadElsewhere)
		return true, nil
	}
	if unlessUsed {
		if !found {
			// By the time that the brokers which have it hear of a request somebody may use it.
			return false, nil
		}
		unused, err := cluster.NeverUsed(ctx, have)
		if err != nil {
			return false, err
		}
		if !unused {
			logger.Info("Topic that is like that of a deleted object stays, somebody uses it")
			live.Warn(ctx, "the topic of the deleted object stays", errUsed)
			return true, nil
		}
	}
	err = cluster.DeleteTopic(ctx, id)
	switch {
	case err == nil && !found:
		// It was deleted by somebody else, or is in the cluster that the Kafka stood for before.
		logger.Info("Topic of a deleted object is not on the brokers any more")
	case err == nil:
		p.capacity.Freed(name.Cluster.String())
		logger.Info("Topic deleted")
	case kafkaerr.Permanent(err):
		logger.Info("Topic of a deleted object stays, its brokers refuse to delete it", "err", err)
		live.Warn(ctx, "the topic of the deleted object stays", err)
		return true, nil
	}
	return false, err
}

// staysBecause is why the status says that the topic of the object's name stays when the object is deleted; nil when it does not say so.
func staysBecause(topic *kafka.KafkaTopic) error {
	switch {
	case says(topic, topics.ReasonTopicExists):
		return errNotItsOwn
	case says(topic, topics.ReasonTopicReplaced):
		return errAnother
	case withoutID(topic):
		return errWithoutID
	}
	return nil
}

// withoutID tells whether an object has a topic to which its brokers gave no id: the status has its numbers.
func withoutID(topic *kafka.KafkaTopic) bool {
	return topic.Status.TopicID == "" && topic.Status.Partitions > 0
}

// foretellDeletion warns of a topic that would stay on the brokers although its object is deleted.
func (p *plane) foretellDeletion(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic) error {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	switch {
	case err != nil || !found:
		return err
	case resolver.Foreign(topic, have) != nil:
		live.Warn(ctx, "another topic stays", errors.New(topics.Another(topic.Status.TopicID, have)))
		return nil
	}
	switch other, err := p.topics.HadElsewhere(ctx, kind{}.Name(topic), have.ID.String()); {
	case err != nil:
		return err
	case other != nil:
		live.Warn(ctx, "the topic stays", errHadElsewhere)
		return nil
	case says(topic, topics.ReasonTopicExists):
		live.Warn(ctx, "the topic stays", errNotItsOwn)
		return nil
	}
	if withoutID(topic) || have.ID.IsZero() {
		standing, err := p.topics.Standing(ctx, topic)
		if err != nil {
			return err
		}
		// The status may be behind brokers that give ids by now.
		if have.ID.IsZero() || standing.ID != have.ID.String() {
			live.Warn(ctx, "the topic stays", errWithoutID)
			return nil
		}
	}
	deletes, err := cluster.DeletesTopics(ctx)
	var refusal *kafkaerr.Error
	switch {
	case errors.As(err, &refusal):
		// This server's account may not read the brokers' settings.
		return nil
	case err == nil && !deletes:
		live.Warn(ctx, "the topic stays", errors.New("the brokers are set up to delete no topics (delete.topic.enable=false)"))
	}
	return err
}
