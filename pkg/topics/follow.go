package topics

import (
	"context"
	"errors"
	"slices"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// MayMove tells whether partitions of a topic may be moving: while they do they have the replicas of both places, which is no number that
// anybody wanted.
func MayMove(spec Spec, topic broker.Topic) bool {
	return Known(topic).Replicas != ptr.Deref(spec.Replicas, 0)
}

// Follow is a topic as it will be when its partitions have arrived where they move. Brokers that do not tell leave it as it is: before 2.4
// they cannot, and others may forbid it.
func Follow(ctx context.Context, brokers Brokers, topic broker.Topic) (broker.Topic, error) {
	moves, err := brokers.ReassignmentsOf(ctx, topic)
	var refusal *kafkaerr.Error
	if errors.As(err, &refusal) {
		return topic, nil
	}
	if err != nil || len(moves[topic.Name]) == 0 {
		return topic, err
	}
	topic.Partitions = slices.Clone(topic.Partitions)
	for i, p := range topic.Partitions {
		if move, moves := moves[topic.Name][p.ID]; moves {
			topic.Partitions[i].Replicas = move.Target()
		}
	}
	return topic, nil
}
