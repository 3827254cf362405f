package kafkatopic

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// ElectREST is kafkatopics/elect: elections of leaders.
type ElectREST struct {
	plane *plane
}

var (
	_ rest.NamedCreater                   = &ElectREST{}
	_ rest.SubresourceObjectMetaPreserver = &ElectREST{}
	_ rest.TableConvertor                 = &ElectREST{}
	_ rest.Storage                        = &ElectREST{}
)

// New implements rest.Storage.
func (*ElectREST) New() runtime.Object { return &kafka.KafkaTopicElection{} }

// Destroy implements rest.Storage.
func (*ElectREST) Destroy() {}

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate implements rest.SubresourceObjectMetaPreserver: they are preconditions.
func (*ElectREST) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// ConvertToTable implements rest.TableConvertor.
func (*ElectREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return elections.ConvertToTable(ctx, object, options)
}

// Create implements rest.NamedCreater.
func (r *ElectREST) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	order, ok := obj.(*kafka.KafkaTopicElection)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a KafkaTopicElection, got %T", obj))
	}
	order.Status = kafka.KafkaTopicElectionStatus{}
	t, err := r.plane.target(ctx, name, &order.ObjectMeta)
	if err != nil {
		return nil, err
	}
	if errs := validation.ValidateElection(&order.Spec, len(t.have.Partitions)); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaTopicElection"), name, errs)
	}
	if err := admit(ctx, validate, order); err != nil {
		return nil, err
	}
	kind := broker.PreferredElection
	if order.Spec.Type == kafka.ElectUnclean {
		kind = broker.UncleanElection
	}
	partitions := slices.Clone(order.Spec.Partitions)
	if len(partitions) == 0 {
		for _, p := range t.have.Partitions {
			partitions = append(partitions, p.ID)
		}
	}
	slices.Sort(partitions)
	var results map[int32]broker.Election
	if dryrun.IsDryRun(options.DryRun) {
		results = t.have.ForeseeElection(kind)
	} else if results, err = t.cluster.ElectLeaders(ctx, t.have, kind, partitions); err != nil {
		return nil, refusal(err, t.topic)
	}
	var failures []error
	for _, id := range partitions {
		result := results[id]
		row := kafka.PartitionElection{Partition: id, Result: kafka.ResultDone, LeaderBefore: result.Before, LeaderAfter: result.After}
		switch {
		case result.Err != nil:
			row.Result, row.Message = kafka.ResultRefused, live.Line(result.Err)
			failures = append(failures, result.Err)
		case result.Needless:
			row.Result = kafka.ResultUnchanged
		}
		order.Status.Partitions = append(order.Status.Partitions, row)
	}
	if err := t.conclude(ctx, "elected", len(partitions), failures); err != nil {
		return nil, err
	}
	return order, nil
}
