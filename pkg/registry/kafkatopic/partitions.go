package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/views"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Partitions is kafkatopics/partitions: where each partition is, and a way to say where it should be. Other replica lists start a
// reassignment, more entries add partitions. It answers when the brokers have accepted; data moves afterwards, which get shows.
type Partitions = sub.Declarative[resolver.Target, *kafka.KafkaTopicPartitions, assignmentDiff]

func newPartitions(p *plane) *Partitions {
	return &Partitions{
		View: sub.View[resolver.Target, *kafka.KafkaTopicPartitions]{
			Type: sub.TypeOf("KafkaTopicPartitions", func() *kafka.KafkaTopicPartitions { return &kafka.KafkaTopicPartitions{} }, views.Partitions),
			Find: p.Reach,
			Show: func(ctx context.Context, t resolver.Target) (*kafka.KafkaTopicPartitions, error) {
				return views.ShowPartitions(ctx, p.Resolver, t)
			},
		},
		Target:  p.Own,
		Current: views.Assignment,
		Prepare: func(next *kafka.KafkaTopicPartitions) {
			slices.SortStableFunc(next.Spec.Partitions, func(a, b kafka.PartitionAssignment) int { return int(a.Partition - b.Partition) })
		},
		Validate: func(t resolver.Target, next, old *kafka.KafkaTopicPartitions) field.ErrorList {
			if path := field.NewPath("spec", "partitions"); t.Topic.DeletionTimestamp != nil && !equality.Semantic.DeepEqual(next.Spec, old.Spec) {
				return field.ErrorList{validation.GoingAway(path)}
			}
			return validation.ValidatePartitions(next, old)
		},
		Ask:     p.askForAssignment,
		Foresee: p.foreseeAssignment,
		Do:      p.assign,
		Record:  p.assigned,
	}
}

// assignmentDiff is what a new assignment changes.
type assignmentDiff struct {
	// moves are the partitions that get other replicas, from those that they have; added are the replica lists of new partitions.
	moves, from map[int32][]int32
	added       [][]int32
}

func assignmentChange(old, next *kafka.KafkaTopicPartitions) assignmentDiff {
	diff := assignmentDiff{moves: map[int32][]int32{}, from: map[int32][]int32{}}
	for i, entry := range next.Spec.Partitions {
		switch {
		case i >= len(old.Spec.Partitions):
			diff.added = append(diff.added, entry.Replicas)
		case !slices.Equal(entry.Replicas, old.Spec.Partitions[i].Replicas):
			diff.moves[entry.Partition], diff.from[entry.Partition] = entry.Replicas, old.Spec.Partitions[i].Replicas
		}
	}
	return diff
}

// askForAssignment refuses what the brokers would accept and never finish.
func (p *plane) askForAssignment(ctx context.Context, t resolver.Target, next, old *kafka.KafkaTopicPartitions) (assignmentDiff, error) {
	change := assignmentChange(old, next)
	if err := p.notTakenOver(ctx, t); err != nil {
		return change, err
	}
	return change, validateBrokers(ctx, t, next, old, change)
}

// foreseeAssignment asks the brokers about partitions that would be added. When they are added for real, the brokers say so then.
func (p *plane) foreseeAssignment(ctx context.Context, t resolver.Target, next, old *kafka.KafkaTopicPartitions, change assignmentDiff) (*kafka.KafkaTopicPartitions, error) {
	if len(change.added) > 0 {
		have, total := int32(len(t.Have.Partitions)), int32(len(t.Have.Partitions)+len(change.added))
		if problem := p.tooMany(ctx, t.Cluster, t.Topic, have, total, int32(t.Have.ReplicationFactor()), field.NewPath("spec")); problem != nil {
			return nil, invalidPartitions(t, problem)
		}
		if err := t.Cluster.CreatePartitions(ctx, t.Have.Name, total, change.added, true); err != nil {
			return nil, assignmentRefused(err, t)
		}
	}
	next.Status, next.ManagedFields = old.Status, old.ManagedFields
	return next, nil
}

// validateBrokers refuses what the brokers would accept and never finish: KRaft takes fenced brokers as targets
// (ReplicationControlManager checks registration only), and takes an empty place as one replica less.
func validateBrokers(ctx context.Context, t resolver.Target, next, old *kafka.KafkaTopicPartitions, change assignmentDiff) error {
	if len(change.moves)+len(change.added) == 0 {
		return nil
	}
	info, err := t.Cluster.Describe(ctx)
	if err != nil {
		return assignmentRefused(err, t)
	}
	alive := map[int32]bool{}
	var ids []int32
	for _, b := range info.Brokers {
		if !b.Fenced {
			alive[b.ID] = true
			ids = append(ids, b.ID)
		}
	}
	var errs field.ErrorList
	for i, entry := range next.Spec.Partitions {
		if _, moved := change.moves[entry.Partition]; !moved && i < len(old.Spec.Partitions) {
			continue
		}
		path := field.NewPath("spec", "partitions").Index(i).Child("replicas")
		has := len(old.Spec.Partitions[0].Replicas)
		if i < len(old.Spec.Partitions) {
			has = len(old.Spec.Partitions[i].Replicas)
		}
		// As many as the object says is right whatever the brokers say: metadata counts those that a move adds and removes, for a
		// moment longer than the move is listed.
		if want := int(ptr.Deref(t.Topic.Spec.Replicas, int32(has))); len(entry.Replicas) != want && len(entry.Replicas) != has {
			errs = append(errs, field.Invalid(path, entry.Replicas,
				fmt.Sprintf("the topic has %s a partition; changing their number is not served yet", plural.Of(want, "replica", "replicas"))))
		}
		for j, id := range entry.Replicas {
			if !alive[id] {
				errs = append(errs, field.Invalid(path.Index(j), id, fmt.Sprintf(plural.Word(len(ids), "no such broker serves; broker %v does", "no such broker serves; brokers %v do"), ids)))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return invalidPartitions(t, errs...)
}

// assign adds partitions first: brokers refuse to grow a topic that is being reassigned.
func (p *plane) assign(ctx context.Context, t resolver.Target, _ *kafka.KafkaTopicPartitions, change assignmentDiff) (assignmentDiff, error) {
	if len(change.added) > 0 {
		have := int32(len(t.Have.Partitions))
		release, problem, err := p.reserve(ctx, t.Cluster, t.Topic, have, have+int32(len(change.added)), int32(t.Have.ReplicationFactor()), field.NewPath("spec"))
		switch {
		case err != nil:
			return change, assignmentRefused(err, t)
		case problem != nil:
			return change, invalidPartitions(t, problem)
		}
		defer release()
		own := func(topic *kafka.KafkaTopic) {
			if err := stored.OwnFields(topic, p.clock.Now(), scaledField); err != nil {
				klog.FromContext(ctx).Error(err, "Owners of a number not noted", "topic", klog.KObj(topic))
			}
		}
		if _, err := p.grow(ctx, t, growth{partitions: have + int32(len(change.added)), assignments: change.added, change: own}); err != nil {
			return change, assignmentRefused(err, t)
		}
	}
	if len(change.moves) == 0 {
		return change, nil
	}
	err := p.topics.Exclusively(ctx, t.Topic, func(ctx context.Context) error {
		if err := p.unmoved(ctx, t, change); err != nil {
			return err
		}
		return t.Cluster.Reassign(ctx, t.Have.Name, change.moves)
	})
	switch {
	case err == nil:
	case len(change.added) > 0:
		// The partitions are there: an error would say that they are not. The moves can be asked for again.
		live.Warn(ctx, "the partitions are added; the others are not moved, or not all of them", err)
	default:
		return change, assignmentRefused(err, t)
	}
	return change, nil
}

// unmoved tells whether the topic is still the one that the request has seen, with the partitions that are to be moved where they were.
func (p *plane) unmoved(ctx context.Context, t resolver.Target, change assignmentDiff) error {
	seen := t.Have.ID
	var err error
	if t.Have, err = p.OnBrokers(ctx, t); err != nil {
		return err
	}
	if t.Have.ID != seen {
		// Others have the name by now, maybe with the same places.
		return modified(t)
	}
	now, err := views.Assignment(ctx, t)
	if err != nil {
		return err
	}
	for _, entry := range now.Spec.Partitions {
		if from, moves := change.from[entry.Partition]; moves && !slices.Equal(from, entry.Replicas) {
			return modified(t)
		}
	}
	return nil
}

// assigned shows how it stands. The brokers have accepted it: an error would say that they have not.
func (p *plane) assigned(ctx context.Context, t resolver.Target, next, old *kafka.KafkaTopicPartitions, _ assignmentDiff) (*kafka.KafkaTopicPartitions, error) {
	var err error
	if t.Have, err = p.OnBrokers(ctx, t); err == nil {
		var view *kafka.KafkaTopicPartitions
		if view, err = views.Assignment(ctx, t); err == nil {
			return view, nil
		}
	}
	live.Warn(ctx, "accepted, and how it stands cannot be shown", err)
	next.Status, next.ManagedFields, next.ResourceVersion = old.Status, old.ManagedFields, ""
	return next, nil
}

func invalidPartitions(t resolver.Target, problems ...*field.Error) error {
	return apierrors.NewInvalid(kafka.Kind("KafkaTopicPartitions"), t.Topic.Name, problems)
}

func assignmentRefused(err error, t resolver.Target) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return live.Refused(err, resolver.Resource, t.Topic.Name, "spec.partitions")
}
