package kafkatopic

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// TruncateREST is kafkatopics/truncate: the deletion of the oldest records.
type TruncateREST struct {
	plane *plane
}

var (
	_ rest.NamedCreater                   = &TruncateREST{}
	_ rest.SubresourceObjectMetaPreserver = &TruncateREST{}
	_ rest.TableConvertor                 = &TruncateREST{}
	_ rest.Storage                        = &TruncateREST{}
)

// New implements rest.Storage.
func (*TruncateREST) New() runtime.Object { return &kafka.KafkaTopicTruncation{} }

// Destroy implements rest.Storage.
func (*TruncateREST) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate implements rest.SubresourceObjectMetaPreserver: they are preconditions.
func (*TruncateREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// ConvertToTable implements rest.TableConvertor.
func (*TruncateREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return truncations.ConvertToTable(ctx, object, options)
}

// Create implements rest.NamedCreater.
func (r *TruncateREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	order, ok := obj.(*kafka.KafkaTopicTruncation)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a KafkaTopicTruncation, got %T", obj))
	}
	order.Status = kafka.KafkaTopicTruncationStatus{}
	t, err := r.plane.target(ctx, name, &order.ObjectMeta)
	if err != nil {
		return nil, err
	}
	if errs := validation.ValidateTruncation(&order.Spec, len(t.have.Partitions), r.plane.clock.Now()); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicTruncation"), name, errs)
	}
	if err := admit(ctx, validate, order); err != nil {
		return nil, err
	}
	if err := t.refuseCompacted(ctx); err != nil {
		return nil, err
	}
	cuts, err := t.plan(ctx, order)
	if err != nil {
		return nil, err
	}
	if !dryrun.IsDryRun(options.DryRun) {
		if err := t.carryOut(ctx, cuts); err != nil {
			return nil, err
		}
	}
	var failures []error
	for _, c := range cuts {
		row := c.row()
		if c.err != nil {
			failures = append(failures, c.err)
		}
		order.Status.Records += row.Records
		order.Status.Partitions = append(order.Status.Partitions, row)
	}
	if err := t.conclude(ctx, "truncated", len(cuts), failures); err != nil {
		return nil, err
	}
	return order, nil
}

// refuseCompacted refuses what the brokers would, in a dry run too: they do not delete records of a topic that is only compacted.
func (t target) refuseCompacted(ctx context.Context) error {
	entries, err := t.cluster.TopicConfig(ctx, t.have.Name)
	if err != nil {
		return refusal(err, t.topic)
	}
	for _, entry := range entries {
		if entry.Name == "cleanup.policy" && entry.Value == "compact" {
			return forbidden(t.topic, fmt.Sprintf(
				"topic %s: POLICY_VIOLATION: brokers do not delete records on request while cleanup.policy is compact; with compact,delete they do", t.have.Name))
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

// plan asks where the partitions begin and end, and where they are to be cut. "All" means up to the end as it is now: what is written while
// the request runs stays.
func (t target) plan(ctx context.Context, order *kafka.KafkaTopicTruncation) ([]cut, error) {
	targets := slices.Clone(order.Spec.Partitions)
	if len(targets) == 0 {
		for _, p := range t.have.Partitions {
			targets = append(targets, kafka.TruncationTarget{Partition: p.ID})
		}
	}
	meant := t.have
	meant.Partitions = slices.DeleteFunc(slices.Clone(t.have.Partitions), func(p broker.Partition) bool {
		return !slices.ContainsFunc(targets, func(target kafka.TruncationTarget) bool { return target.Partition == p.ID })
	})
	// The ends are asked for before the times: a partition that has no record so young then has none before its end.
	ranges, err := t.cluster.OffsetsOf(ctx, meant, broker.ReadUncommitted)
	if err != nil {
		return nil, refusal(err, t.topic)
	}
	var firsts map[int32]broker.OffsetAt
	if before := order.Spec.BeforeTime; before != nil {
		if firsts, err = t.cluster.OffsetsAt(ctx, meant, before.Time); err != nil {
			return nil, refusal(err, t.topic)
		}
	}
	cuts := make([]cut, 0, len(targets))
	var errs field.ErrorList
	for i, target := range targets {
		at := ranges[target.Partition]
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
func (t target) carryOut(ctx context.Context, cuts []cut) error {
	before := map[int32]int64{}
	for _, c := range cuts {
		if c.err == nil && c.at > c.start {
			before[c.partition] = c.at
		}
	}
	if len(before) == 0 {
		return nil
	}
	results, err := t.cluster.DeleteRecords(ctx, t.have, before)
	if err != nil {
		return refusal(err, t.topic)
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
	return nil
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
