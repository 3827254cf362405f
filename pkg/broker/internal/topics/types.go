package topics

import (
	"slices"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
)

// NewTopic is a topic to create.
type NewTopic struct {
	Name string
	// Partitions, or -1 for the brokers' default. Ignored with Assignments.
	Partitions int32
	// Replicas of each partition, or -1 for the brokers' default. Ignored with Assignments.
	Replicas int16
	// Config holds the topic's own settings.
	Config map[string]string
	// Assignments, when given, is one replica list per partition from 0 on.
	Assignments [][]int32
}

// CreatedTopic is what the brokers made of a NewTopic.
type CreatedTopic struct {
	// ID is zero after a validateOnly request.
	ID metadata.TopicID
	// Partitions and Replicas are as created, -1 when the broker did not tell.
	Partitions int32
	Replicas   int16
	// Config is the effective configuration as far as the broker tells it; empty when it does not.
	Config []metadata.ConfigEntry
}

// Reassignment is a partition's move in progress.
type Reassignment struct {
	// Replicas is the whole current list: Adding are already in it, Removing still.
	Replicas []int32
	Adding   []int32
	Removing []int32
}

// Target is the replica list that the move leads to.
func (r Reassignment) Target() []int32 {
	target := make([]int32, 0, len(r.Replicas))
	for _, id := range r.Replicas {
		if !slices.Contains(r.Removing, id) {
			target = append(target, id)
		}
	}
	return target
}
