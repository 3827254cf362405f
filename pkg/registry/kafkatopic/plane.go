package kafkatopic

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// plane is what the storages of kafkatopics share: the way to the brokers, to the claims and to the stored objects.
type plane struct {
	*resolver.Resolver
	access access
	clock  clock.Clock
	// capacity is how many replicas of partitions clusters take.
	capacity *topics.Capacity
	// topics is the write path of the kind.
	topics *brokered.Store[*kafka.KafkaTopic, *broker.Cluster]
	late   lateClusters
}

// partitionsProblem says why a topic on the brokers cannot become what a spec asks for; nil when it can.
func partitionsProblem(have broker.Topic, want *int32, path *field.Path) *field.Error {
	if want == nil || int(*want) >= len(have.Partitions) {
		return nil
	}
	return field.Invalid(path, *want, fmt.Sprintf("topic %s has %s, and partitions only grow", have.Name, plural.Of(len(have.Partitions), "partition", "partitions")))
}

// planned is the part of a topic's spec that the brokers carry out.
func planned(topic *kafka.KafkaTopic) topics.Spec {
	return topics.Spec{Partitions: topic.Spec.Partitions, Replicas: topic.Spec.Replicas, Config: topic.Spec.Config}
}

// statusUnlessAway leaves "the brokers are away" as it is, for the caller to store what it may.
func statusUnlessAway(err error, topic *kafka.KafkaTopic) error {
	if err == nil || live.IsAway(err) {
		return err
	}
	return resolver.Refusal(err, topic)
}

func asTopic(obj runtime.Object) (*kafka.KafkaTopic, error) {
	topic, ok := obj.(*kafka.KafkaTopic)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a KafkaTopic, got %T", obj))
	}
	return topic, nil
}
