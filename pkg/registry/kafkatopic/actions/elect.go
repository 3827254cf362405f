package actions

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Elect is kafkatopics/elect: elections of leaders.
type Elect = sub.Action[resolver.Target, *kafka.KafkaTopicElection, election]

// election is what is to be elected, and what came of it.
type election struct {
	kind       broker.ElectionType
	partitions []int32
	results    map[int32]broker.Election
}

// NewElect builds the action.
func NewElect(r *resolver.Resolver) *Elect {
	return &Elect{
		Type:    sub.TypeOf("KafkaTopicElection", func() *kafka.KafkaTopicElection { return &kafka.KafkaTopicElection{} }, elections),
		Find:    r.Own,
		Prepare: func(order *kafka.KafkaTopicElection) { order.Status = kafka.KafkaTopicElectionStatus{} },
		Validate: func(t resolver.Target, order *kafka.KafkaTopicElection) field.ErrorList {
			return validation.ValidateElection(&order.Spec, len(t.Have.Partitions))
		},
		Ask: func(_ context.Context, t resolver.Target, order *kafka.KafkaTopicElection) (election, error) {
			plan := election{kind: broker.PreferredElection, partitions: slices.Clone(order.Spec.Partitions)}
			if order.Spec.Type == kafka.ElectUnclean {
				plan.kind = broker.UncleanElection
			}
			if len(plan.partitions) == 0 {
				for _, p := range t.Have.Partitions {
					plan.partitions = append(plan.partitions, p.ID)
				}
			}
			slices.Sort(plan.partitions)
			return plan, nil
		},
		Foresee: func(_ context.Context, t resolver.Target, plan election) (election, error) {
			plan.results = t.Have.ForeseeElection(plan.kind)
			return plan, nil
		},
		Do: func(ctx context.Context, t resolver.Target, plan election) (election, error) {
			results, err := t.Cluster.ElectLeaders(ctx, t.Have, plan.kind, plan.partitions)
			if err != nil {
				return plan, resolver.Refusal(err, t.Topic)
			}
			plan.results = results
			return plan, nil
		},
		Record: elected,
	}
}

func elected(ctx context.Context, t resolver.Target, order *kafka.KafkaTopicElection, plan election) (*kafka.KafkaTopicElection, error) {
	var failures []error
	for _, id := range plan.partitions {
		result := plan.results[id]
		row := kafka.PartitionElection{Partition: id, Result: kafka.ResultDone, LeaderBefore: result.Before, LeaderAfter: result.After}
		switch {
		case result.Err != nil:
			row.Result, row.Message = resultOf(result.Err), live.Line(result.Err)
			failures = append(failures, result.Err)
		case result.Needless:
			row.Result = kafka.ResultUnchanged
		}
		order.Status.Partitions = append(order.Status.Partitions, row)
	}
	return order, conclude(ctx, t, "elected", len(plan.partitions), failures)
}
