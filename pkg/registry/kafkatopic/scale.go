package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Scale is kafkatopics/scale: the number of partitions on the brokers. It only grows. The brokers have it before the answer.
type Scale struct {
	*sub.Declarative[resolver.Target, *autoscalingv1.Scale, growth]
	sub.ScaleKind
}

// growth is the number of partitions that is wanted.
type growth struct {
	partitions int32
	// assignments are the replicas of the new partitions; nil leaves them to the brokers.
	assignments [][]int32
	// version is that of the object that the number is for; "" for any.
	version string
	// change is done to the stored object, too, when the number is written down; nil for nothing.
	change func(*kafka.KafkaTopic)
	// stored is the object in which it was written down.
	stored *kafka.KafkaTopic
}

// scaledField is the field of a topic that its scale is of.
var scaledField = fieldpath.MakePathOrDie("spec", "partitions")

func newScale(p *plane) *Scale {
	return &Scale{Declarative: &sub.Declarative[resolver.Target, *autoscalingv1.Scale, growth]{
		View: sub.View[resolver.Target, *autoscalingv1.Scale]{
			Type: sub.ScaleType(resolver.Resource),
			Find: p.Find,
			Show: func(_ context.Context, t resolver.Target) (*autoscalingv1.Scale, error) {
				return scaledTo(t.Topic, int32(len(t.Have.Partitions))), nil
			},
		},
		Target: p.Own,
		Current: func(_ context.Context, t resolver.Target) (*autoscalingv1.Scale, error) {
			scale := scaledTo(t.Topic, int32(len(t.Have.Partitions)))
			if err := sub.GiveOwners(t.Topic, scaledField, scale); err != nil {
				return nil, apierrors.NewInternalError(err)
			}
			return scale, nil
		},
		Validate: func(t resolver.Target, next, _ *autoscalingv1.Scale) field.ErrorList {
			return validateScale(t, next)
		},
		Ask: func(ctx context.Context, t resolver.Target, next, old *autoscalingv1.Scale) (growth, error) {
			plan := growth{partitions: next.Spec.Replicas, version: next.ResourceVersion}
			if next.Spec.Replicas == old.Spec.Replicas && equality.Semantic.DeepEqual(next.ManagedFields, old.ManagedFields) {
				return plan, p.notTakenOver(ctx, t)
			}
			plan.change = func(topic *kafka.KafkaTopic) {
				if err := sub.TakeOwners(topic, scaledField, next); err != nil {
					klog.FromContext(ctx).Error(err, "Owners of a number not noted", "topic", klog.KObj(topic))
				}
			}
			return plan, p.notTakenOver(ctx, t)
		},
		Foresee: p.foreseeGrowth,
		Do: func(ctx context.Context, t resolver.Target, _ *autoscalingv1.Scale, plan growth) (growth, error) {
			release, problem, err := p.reserve(ctx, t.Cluster, t.Topic, int32(len(t.Have.Partitions)), plan.partitions, int32(t.Have.ReplicationFactor()), sub.ReplicasField)
			switch {
			case err != nil:
				return plan, growthRefused(err, t)
			case problem != nil:
				return plan, invalidScale(t, problem)
			}
			defer release()
			if plan.stored, err = p.grow(ctx, t, plan); err != nil {
				return plan, growthRefused(err, t)
			}
			return plan, nil
		},
		Record: func(_ context.Context, _ resolver.Target, _, _ *autoscalingv1.Scale, plan growth) (*autoscalingv1.Scale, error) {
			return scaledTo(plan.stored, plan.partitions), nil
		},
	}}
}

func validateScale(t resolver.Target, scale *autoscalingv1.Scale) field.ErrorList {
	var problem *field.Error
	have, want := t.Have, scale.Spec.Replicas
	switch {
	case t.Topic.DeletionTimestamp != nil && int(want) != len(have.Partitions):
		problem = validation.GoingAway(sub.ReplicasField)
	case want < 1:
		problem = field.Invalid(sub.ReplicasField, want, fmt.Sprintf("topic %s has %s, and partitions only grow", have.Name, plural.Of(len(have.Partitions), "partition", "partitions")))
	default:
		problem = partitionsProblem(have, &want, sub.ReplicasField)
	}
	if problem == nil {
		return nil
	}
	return field.ErrorList{problem}
}

func (p *plane) foreseeGrowth(ctx context.Context, t resolver.Target, _, _ *autoscalingv1.Scale, plan growth) (*autoscalingv1.Scale, error) {
	have := int32(len(t.Have.Partitions))
	if problem := p.tooMany(ctx, t.Cluster, t.Topic, have, plan.partitions, int32(t.Have.ReplicationFactor()), sub.ReplicasField); problem != nil {
		return nil, invalidScale(t, problem)
	}
	if plan.partitions > have {
		if err := t.Cluster.CreatePartitions(ctx, t.Have.Name, plan.partitions, nil, true); err != nil {
			return nil, growthRefused(err, t)
		}
	}
	return sub.ScaleOf(t.Topic, sub.Replicas{Desired: plan.partitions, Current: have}), nil
}

// grow makes the brokers have a number of partitions, and then writes it down: what they refuse changes nothing, and what they did is
// never answered with an error. A number that is for one version of the object is refused while nothing is done yet.
func (p *plane) grow(ctx context.Context, t resolver.Target, plan growth) (*kafka.KafkaTopic, error) {
	topic, have, stored := t.Topic, t.Have, t.Topic
	seen, partitions, version := topic.Spec.Partitions, plan.partitions, plan.version
	err := p.topics.Exclusively(ctx, topic, func(ctx context.Context) error {
		if err := p.unchanged(ctx, topic, version); err != nil {
			return err
		}
		// Others may have had the name meanwhile.
		now, found, err := t.Cluster.Topic(ctx, have.Name)
		if err != nil {
			return err
		}
		if !found || now.ID != have.ID {
			return modified(t)
		}
		if plan.assignments != nil && len(now.Partitions) != len(have.Partitions) {
			// The replicas were meant for other partitions than those that would get them.
			return modified(t)
		}
		have = now
		if int(partitions) > len(have.Partitions) {
			if err := t.Cluster.CreatePartitions(ctx, have.Name, partitions, plan.assignments, false); err != nil {
				return p.growthLost(ctx, t, plan, err)
			}
			// From here on the number is what the object has, whoever has changed it since.
			version = ""
			for i := int32(len(have.Partitions)); i < partitions; i++ {
				have.Partitions = append(have.Partitions, broker.Partition{ID: i, Leader: -1})
			}
		}
		had := settled(topic, have, false)
		if had.retain, err = p.leftOpen(ctx, topic); err != nil {
			// What is not known stays.
			had.retain = true
			klog.FromContext(ctx).Info("Claim of a topic that was grown not read", "topic", klog.KObj(topic), "err", err)
		}
		done := (kind{p}).outcome(had)
		record := done.Record
		done.Record = func(topic *kafka.KafkaTopic, generation int64) {
			// More that somebody else has asked for meanwhile is not taken back.
			if asked := ptr.Deref(topic.Spec.Partitions, 0); asked <= partitions || ptr.Equal(topic.Spec.Partitions, seen) {
				if asked != partitions {
					grow(topic, partitions)
					if topic.Generation == generation {
						// The new number makes a new generation (outcomeStrategy), which the brokers already have.
						generation++
					}
				}
				if plan.change != nil {
					plan.change(topic)
				}
			}
			record(topic, generation)
		}
		var written runtime.Object
		if version == "" {
			written = p.topics.Record(ctx, topic, done)
		} else if written, err = p.topics.RecordAt(ctx, topic, version, done); err != nil {
			return recordRefused(err, t)
		}
		stored, err = asTopic(written)
		return err
	})
	return stored, err
}

// growthLost is the error of a growth with placement, which others may have kept from being done by a growth of their own.
func (p *plane) growthLost(ctx context.Context, t resolver.Target, plan growth, err error) error {
	if plan.assignments == nil || kafkaerr.CodeOf(err) == 0 {
		return err
	}
	now, found, lookErr := t.Cluster.Topic(ctx, t.Have.Name)
	if lookErr != nil || !found || len(now.Partitions) == len(t.Have.Partitions) {
		return err
	}
	return modified(t)
}

// recordRefused is the error of a number of partitions that is there and could not be written down.
func recordRefused(err error, t resolver.Target) error {
	if errors.Is(err, brokered.ErrOutdated) {
		return sub.Outdated(resolver.Resource, t.Topic.Name)
	}
	return err
}

// unchanged tells whether an object that was found still has the version that a request is for; "" for any.
func (p *plane) unchanged(ctx context.Context, topic *kafka.KafkaTopic, version string) error {
	if version == "" {
		return nil
	}
	now, err := p.Topic(ctx, topic.Name)
	if err != nil {
		return err
	}
	if now.ResourceVersion != version {
		return sub.Outdated(resolver.Resource, topic.Name)
	}
	return nil
}

// modified is the conflict of a request whose topic is not the one any more that it was made for.
func modified(t resolver.Target) error {
	return apierrors.NewConflict(resolver.Resource, t.Topic.Name, errors.New("topic "+t.Topic.TopicName()+" has been changed meanwhile; look at it and try again"))
}

// scaledTo shows the number that is wanted, which brokers that were away may not have yet, and the number that is there.
func scaledTo(topic *kafka.KafkaTopic, partitions int32) *autoscalingv1.Scale {
	return sub.ScaleOf(topic, sub.Replicas{Desired: max(ptr.Deref(topic.Spec.Partitions, 0), partitions), Current: partitions})
}

func invalidScale(t resolver.Target, problem *field.Error) error {
	return apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), t.Topic.Name, field.ErrorList{problem})
}

func growthRefused(err error, t resolver.Target) error {
	var status apierrors.APIStatus
	if sub.IsOutdated(err) || errors.As(err, &status) {
		return err
	}
	return live.Refused(err, resolver.Resource, t.Topic.Name, sub.ReplicasField.String())
}
