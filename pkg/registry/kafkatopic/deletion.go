package kafkatopic

import (
	"context"
	"errors"

	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// codeTopicDeletionDisabled is Kafka's TOPIC_DELETION_DISABLED (org.apache.kafka.common.protocol.Errors): delete.topic.enable is false.
const codeTopicDeletionDisabled = 73

// deleteTopic deletes a topic by id. Brokers that delete no topics keep it, which is told and counts as done: a claim that waited for
// them to change their mind would keep the topic's name from everybody. The next object of the name can adopt the topic.
func deleteTopic(ctx context.Context, cluster *broker.Cluster, name string, id broker.TopicID) error {
	err := cluster.DeleteTopic(ctx, id)
	logger := klog.FromContext(ctx).WithValues("topic", name, "id", id)
	switch {
	case err == nil:
		logger.Info("Topic deleted")
	case broker.CodeOf(err) == codeTopicDeletionDisabled:
		logger.Info("Topic of a deleted object stays, its brokers delete none")
		live.Warn(ctx, "the object is deleted, its topic stays", err)
		return nil
	}
	return err
}

// foretellDeletion warns of a topic that would stay on the brokers although its object is deleted.
func foretellDeletion(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic) error {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	switch {
	case err != nil || !found:
		return err
	case resolver.Foreign(topic, have) != nil:
		live.Warn(ctx, "another topic stays", errors.New(topics.Replaced(topic.Status.TopicID, have)))
		return nil
	}
	deletes, err := cluster.DeletesTopics(ctx)
	var refusal *broker.Error
	switch {
	case errors.As(err, &refusal):
		// This server's account may not read the brokers' settings.
		return nil
	case err == nil && !deletes:
		live.Warn(ctx, "the topic stays", errors.New("the brokers are set up to delete no topics (delete.topic.enable=false)"))
	}
	return err
}
