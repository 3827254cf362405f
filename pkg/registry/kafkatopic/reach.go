package kafkatopic

import (
	"context"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// reach is a stored topic with the way to its brokers, for views: nothing is asked of them yet.
func (p *plane) reach(ctx context.Context, name string) (*kafka.KafkaTopic, *broker.Cluster, error) {
	topic, err := p.topic(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	cluster, err := p.clusters.Reach(ctx, topic.ClusterNamespace(), topic.Spec.ClusterRef.Name)
	switch {
	case live.IsAway(err):
		return nil, nil, live.Unavailable(p.inWords(ctx, topic, err))
	case apierrors.IsNotFound(err):
		_, err = p.host(ctx, topic)
		return nil, nil, err
	case err != nil:
		return nil, nil, err
	}
	return topic, cluster, nil
}

// inWords is an error about asking a topic's brokers as the caller is to see it: how they are reached is for who may see the Kafka.
func (p *plane) inWords(ctx context.Context, topic *kafka.KafkaTopic, err error) error {
	return p.clusters.For(ctx, topic.ClusterNamespace(), topic.Spec.ClusterRef.Name, err)
}

// onBrokers asks the brokers for a topic; one that they do not have is a 404.
func (p *plane) onBrokers(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic) (broker.Topic, error) {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return have, refusal(p.inWords(ctx, topic, err), topic)
	}
	if !found {
		return have, notOnBrokers(topic)
	}
	return have, nil
}

func notOnBrokers(topic *kafka.KafkaTopic) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: fmt.Sprintf("topic %s of KafkaTopic %q is not on the brokers", topic.TopicName(), topic.Name),
		Details: &metav1.StatusDetails{Group: kafka.GroupName, Kind: "kafkatopics", Name: topic.Name},
	}}
}

// metaOf is the metadata of a view of a topic.
func metaOf(topic *kafka.KafkaTopic) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace, UID: topic.UID, CreationTimestamp: topic.CreationTimestamp}
}
