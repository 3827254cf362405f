package actions

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Truncate is kafkatopics/truncate: the deletion of the oldest records.
type Truncate = sub.Action[resolver.Target, *kafka.KafkaTopicTruncation, []cut]

// NewTruncate builds the action.
func NewTruncate(r *resolver.Resolver, clock clock.PassiveClock) *Truncate {
	return &Truncate{
		Type:    sub.TypeOf("KafkaTopicTruncation", func() *kafka.KafkaTopicTruncation { return &kafka.KafkaTopicTruncation{} }, truncations),
		Find:    r.Own,
		Prepare: func(order *kafka.KafkaTopicTruncation) { order.Status = kafka.KafkaTopicTruncationStatus{} },
		Validate: func(t resolver.Target, order *kafka.KafkaTopicTruncation) field.ErrorList {
			return validation.ValidateTruncation(&order.Spec, len(t.Have.Partitions), clock.Now())
		},
		Ask:    cutsOf,
		Do:     carryOut,
		Record: truncated,
	}
}

func truncated(ctx context.Context, t resolver.Target, order *kafka.KafkaTopicTruncation, cuts []cut) (*kafka.KafkaTopicTruncation, error) {
	var failures []error
	for _, c := range cuts {
		row := c.row()
		if c.err != nil {
			failures = append(failures, c.err)
		}
		order.Status.Records += row.Records
		order.Status.Partitions = append(order.Status.Partitions, row)
	}
	return order, conclude(ctx, t, "truncated", len(cuts), failures)
}

// refuseCompacted refuses what the brokers would, in a dry run too: they do not delete records of a topic that is only compacted.
func refuseCompacted(ctx context.Context, t resolver.Target) error {
	entries, err := t.Cluster.TopicConfig(ctx, t.Have.Name)
	if err != nil {
		return resolver.Refusal(err, t.Topic)
	}
	for _, entry := range entries {
		if entry.Name == "cleanup.policy" && entry.Value == "compact" {
			return resolver.Forbidden(t.Topic, fmt.Sprintf(
				"topic %s: POLICY_VIOLATION: brokers do not delete records on request while cleanup.policy is compact; with compact,delete they do", t.Have.Name))
		}
	}
	return nil
}

// cut is what is to be done in a partition, and then what came of it.
type cut struct {
	partition int32
	// start, end and at are offsets: the first that can be read, one past the last, and the first that stays.
	start, end, at int64
	err            error
}

// cutsOf asks where the partitions begin and end, and where they are to be cut. "All" means up to the end as it is now: what is written while
// the request runs stays.
func cutsOf(ctx context.Context, t resolver.Target, order *kafka.KafkaTopicTruncation) ([]cut, error) {
	if err := refuseCompacted(ctx, t); err != nil {
		return nil, err
	}
	targets := slices.Clone(order.Spec.Partitions)
	if len(targets) == 0 {
		for _, p := range t.Have.Partitions {
			targets = append(targets, kafka.TruncationTarget{Partition: p.ID})
		}
	}
	meant := t.Have
	meant.Partitions = slices.DeleteFunc(slices.Clone(t.Have.Partitions), func(p broker.Partition) bool {
		return !slices.ContainsFunc(targets, func(target kafka.TruncationTarget) bool { return target.Partition == p.ID })
	})
	// The ends are asked for before the times: a partition that has no record so young then has none before its end.
	ranges, err := t.Cluster.OffsetsOf(ctx, meant, broker.ReadUncommitted)
	if err != nil {
		return nil, resolver.Refusal(err, t.Topic)
	}
	var firsts map[int32]broker.OffsetAt
	if before := order.Spec.BeforeTime; before != nil {
		if firsts, err = t.Cluster.OffsetsAt(ctx, meant, before.Time); err != nil {
			return nil, resolver.Refusal(err, t.Topic)
		}
	}
	cuts := make([]cut, 0, len(targets))
	var errs field.ErrorList
	for i, target := range targets {
		at, told := ranges[target.Partition]
		if !told {
			at.Err = fmt.Errorf("no broker tells of partition %d, which has never had a leader", target.Partition)
		}
		c := cut{partition: target.Partition, start: at.Start, end: at.End, at: at.Start, err: at.Err}
		first, asked := firsts[target.Partition]
		switch {
		case c.err != nil:
		case asked && first.Err != nil:
			c.err = first.Err
		case asked && first.Offset >= 0:
			c.at = min(first.Offset, at.End)
		case asked, ptr.Deref(target.BeforeOffset, 0) == -1:
			c.at = at.End
		case *target.BeforeOffset > at.End:
			errs = append(errs, field.Invalid(field.NewPath("spec", "partitions").Index(i).Child("beforeOffset"), *target.BeforeOffset,
				fmt.Sprintf("partition %d ends at offset %d", target.Partition, at.End)))
		default:
			c.at = *target.BeforeOffset
		}
		c.at = max(c.at, c.start)
		cuts = append(cuts, c)
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicTruncation"), order.Name, errs)
	}
	slices.SortFunc(cuts, func(a, b cut) int { return int(a.partition - b.partition) })
	return cuts, nil
}

// carryOut has the leaders delete, and notes what came of it.
func carryOut(ctx context.Context, t resolver.Target, cuts []cut) ([]cut, error) {
	before := map[int32]int64{}
	for _, c := range cuts {
		if c.err == nil && c.at > c.start {
			before[c.partition] = c.at
		}
	}
	if len(before) == 0 {
		return cuts, nil
	}
	results, err := t.Cluster.DeleteRecords(ctx, t.Have, before)
	if err != nil {
		return nil, resolver.Refusal(err, t.Topic)
	}
	for i := range cuts {
		c := &cuts[i]
		result, asked := results[c.partition]
		switch {
		case !asked:
		case result.Err != nil:
			c.err = result.Err
		default:
			c.at = result.Start
		}
	}
	return cuts, nil
}

func (c cut) row() kafka.PartitionTruncation {
	row := kafka.PartitionTruncation{Partition: c.partition, Result: kafka.ResultDone, StartOffset: c.start, NewStartOffset: c.at, EndOffset: c.end,
		Records: c.at - c.start}
	switch {
	case c.err != nil:
		row.Result, row.NewStartOffset, row.Records, row.Message = resultOf(c.err), c.start, 0, live.Line(c.err)
	case c.at == c.start:
		row.Result = kafka.ResultUnchanged
	}
	return row
}
