package metadata

import (
	"fmt"
	"slices"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// ElectionType says which replicas may become leaders; the numbers are Kafka's.
type ElectionType int8

const (
	// PreferredElection makes the first replica the leader, if it is in sync.
	PreferredElection ElectionType = 0
	// UncleanElection makes a replica that is not in sync the leader of a partition without one. What it misses is lost.
	UncleanElection ElectionType = 1
)

// Election is what came of an election in one partition.
type Election struct {
	// Before and After are the leaders, -1 for none.
	Before int32
	After  int32
	// Needless tells that no election was needed, which is no failure.
	Needless bool
	// Err is why the controller did not elect a leader.
	Err error
}

// ForeseeElection is what an election would come to in each partition, as far as metadata tells: brokers have no way to try one.
func (t Topic) ForeseeElection(kind ElectionType) map[int32]Election {
	const op = kafkaerr.OpElectLeaders
	results := make(map[int32]Election, len(t.Partitions))
	for _, p := range t.Partitions {
		result := Election{Before: p.Leader, After: p.Leader}
		preferred, ready := p.PreferredLeader()
		serving := slices.DeleteFunc(slices.Clone(p.Replicas), func(id int32) bool { return slices.Contains(p.Offline, id) })
		switch {
		case kind == PreferredElection && p.Leader == preferred, kind == UncleanElection && p.Leader >= 0:
			result.Needless = true
		case kind == PreferredElection && ready:
			result.After = preferred
		case kind == PreferredElection:
			text := fmt.Sprintf("broker %d is not in sync", preferred)
			result.Err = kafkaerr.New(op, transport.PartitionObject(t.Name, p.ID), kafkaerr.PreferredLeaderNotAvailable, &text, 0)
		case len(serving) > 0:
			result.After = serving[0]
		default:
			text := fmt.Sprintf("none of the brokers %v serves", p.Replicas)
			result.Err = kafkaerr.New(op, transport.PartitionObject(t.Name, p.ID), kafkaerr.EligibleLeadersNotAvailable, &text, 0)
		}
		results[p.ID] = result
	}
	return results
}
