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
// make room for what they are asked for before they refuse it, which can end them. have is 0 for a topic that is to be made, and want and
// replicas are 0 when they are left to the brokers.
func (p *plane) reserve(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have, want, replicas int32, path *field.Path) (release func(), problem *field.Error, err error) {
	release = func() {}
	words := topics.TooManyAtOnce(have, want, topic.Spec.Config)
	if words == "" && (have == 0 || want > have) {
		release, words, err = p.capacity.Reserve(ctx, cluster, clusterOf(topic).String(), want-have, replicas)
	}
	if words != "" {
		problem = field.Invalid(path, want, words)
	}
	return release, problem, err
}

// tooMany says why the brokers would not be asked for so many; nil when they would, and when they are away, which is found out by asking them.
func (p *plane) tooMany(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have, want, replicas int32, path *field.Path) *field.Error {
	words := topics.TooManyAtOnce(have, want, topic.Spec.Config)
	if words == "" && (have == 0 || want > have) {
		words, _ = p.capacity.Takes(ctx, cluster, clusterOf(topic).String(), want-have, replicas)
	}
	if words == "" {
		return nil
	}
	return field.Invalid(path, want, words)
}
