package kafkatopic

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

var partitionsField = field.NewPath("spec", "partitions")

// reserve lets the brokers be asked to give a topic of have partitions as many as are wanted, until it is released; problem says why not. Brokers
// make room for what they are asked for before they refuse it, which can end them.
func (p *plane) reserve(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have, want, replicas int32, path *field.Path) (release func(), problem *field.Error, err error) {
	if problem := topics.TooManyAtOnce(have, want, topic.Spec.Config); problem != "" {
		return func() {}, field.Invalid(path, want, problem), nil
	}
	release, words, err := p.capacity.Reserve(ctx, cluster, clusterOf(topic).String(), want-have, replicas)
	if words != "" {
		problem = field.Invalid(path, want, words)
	}
	return release, problem, err
}

// tooMany says why the brokers would not be asked for so many; nil when they would, and when they are away, which is found out by asking them.
func (p *plane) tooMany(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have, want, replicas int32, path *field.Path) *field.Error {
	release, problem, _ := p.reserve(ctx, cluster, topic, have, want, replicas, path)
	release()
	return problem
}
