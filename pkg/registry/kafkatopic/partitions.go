package kafkatopic

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

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

// PartitionsREST is kafkatopics/partitions: where each partition is, asked at request time, and a way to say where it
// should be.
type PartitionsREST struct {
	plane *plane
}

var (
	_ rest.Patcher        = &PartitionsREST{}
	_ rest.TableConvertor = &PartitionsREST{}
	_ rest.Storage        = &PartitionsREST{}
)

// New implements rest.Storage.
func (*PartitionsREST) New() runtime.Object { return &kafka.KafkaTopicPartitions{} }

// Destroy implements rest.Storage.
func (*PartitionsREST) Destroy() {}

// ConvertToTable implements rest.TableConvertor.
func (*PartitionsREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return partitions.ConvertToTable(ctx, object, options)
}

// assignmentHash is the resourceVersion of a topic's assignment: it changes with the topic's identity, its partitions,
// their replicas, and the moves under way, and with nothing that changes by itself such as leaders and offsets.
func assignmentHash(have broker.Topic, moves map[int32]broker.Reassignment) string {
	hash := fnv.New64a()
	write := func(n int32) { _ = binary.Write(hash, binary.BigEndian, n) }
	list := func(ids []int32) {
		write(int32(len(ids)))
		for _, id := range ids {
			write(id)
		}
	}
	_, _ = hash.Write(have.ID[:])
	write(int32(len(have.Partitions)))
	for _, p := range have.Partitions {
		move := moves[p.ID]
		write(p.ID)
		list(p.Replicas)
		list(move.Adding)
		list(move.Removing)
	}
	// Clients may compare resourceVersions as numbers, and 0 means "any".
	return strconv.FormatUint(max(hash.Sum64(), 1), 10)
}

// Update implements rest.Updater: other replica lists start a reassignment, more entries add partitions. It answers
// when the brokers have accepted; data moves afterwards, which get shows.
func (r *PartitionsREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, false, err
	}
	old, err := r.assignment(ctx, topic, cluster, have)
	if err != nil {
		return nil, false, err
	}
	obj, err := info.UpdatedObject(ctx, old.DeepCopy())
	if err != nil {
		return nil, false, err
	}
	next, ok := obj.(*kafka.KafkaTopicPartitions)
	if !ok {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("expected KafkaTopicPartitions, got %T", obj))
	}
	if err := sameObject(topic, &next.ObjectMeta, info.Preconditions()); err != nil {
		return nil, false, err
	}
	if next.ResourceVersion != "" && next.ResourceVersion != old.ResourceVersion {
		return nil, false, stale(topic)
	}
	slices.SortStableFunc(next.Spec.Partitions, func(a, b kafka.PartitionAssignment) int { return int(a.Partition - b.Partition) })
	if errs := validation.ValidatePartitions(next, old); len(errs) > 0 {
		return nil, false, apierrors.NewInvalid(kafka.Kind("KafkaTopicPartitions"), name, errs)
	}
	change := assignmentChange(old, next)
	if err := r.validateBrokers(ctx, cluster, topic, old, next, change); err != nil {
		return nil, false, err
	}
	if update != nil {
		if err := update(ctx, next.DeepCopy(), old.DeepCopy()); err != nil {
			return nil, false, err
		}
	}
	if err := r.carryOut(ctx, cluster, topic, have, change, dryrun.IsDryRun(options.DryRun)); err != nil {
		return nil, false, err
	}
	if dryrun.IsDryRun(options.DryRun) {
		next.Status, next.ManagedFields = old.Status, old.ManagedFields
		return next, false, nil
	}
	if have, err = r.plane.onBrokers(ctx, cluster, topic); err == nil {
		var view *kafka.KafkaTopicPartitions
		if view, err = r.assignment(ctx, topic, cluster, have); err == nil {
			return view, false, nil
		}
	}
	// The brokers have accepted it: an error would say that they have not.
	live.Warn(ctx, "accepted, and how it stands cannot be shown", err)
	next.Status, next.ManagedFields, next.ResourceVersion = old.Status, old.ManagedFields, ""
	return next, false, nil
}

// assignmentDiff is what a new assignment changes.
type assignmentDiff struct {
	// moves are the partitions that get other replicas; added are the replica lists of new partitions.
	moves map[int32][]int32
	added [][]int32
}

func assignmentChange(old, next *kafka.KafkaTopicPartitions) assignmentDiff {
	diff := assignmentDiff{moves: map[int32][]int32{}}
	for i, entry := range next.Spec.Partitions {
		switch {
		case i >= len(old.Spec.Partitions):
			diff.added = append(diff.added, entry.Replicas)
		case !slices.Equal(entry.Replicas, old.Spec.Partitions[i].Replicas):
			diff.moves[entry.Partition] = entry.Replicas
		}
	}
	return diff
}

// validateBrokers refuses what the brokers would accept and never finish: KRaft takes fenced brokers as targets
// (ReplicationControlManager checks registration only), and takes an empty place as one replica less.
func (r *PartitionsREST) validateBrokers(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, old, next *kafka.KafkaTopicPartitions, change assignmentDiff) error {
	if len(change.moves)+len(change.added) == 0 {
		return nil
	}
	info, err := cluster.Describe(ctx)
	if err != nil {
		return live.Refused(err, kafka.Resource("kafkatopics"), next.Name, "spec.partitions")
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
		if want := int(ptr.Deref(topic.Spec.Replicas, int32(has))); len(entry.Replicas) != want && len(entry.Replicas) != has {
			errs = append(errs, field.Invalid(path, entry.Replicas,
				fmt.Sprintf("the topic has %d replicas a partition; changing their number is not served yet", want)))
		}
		for j, id := range entry.Replicas {
			if !alive[id] {
				errs = append(errs, field.Invalid(path.Index(j), id, fmt.Sprintf("no such broker serves; brokers %v do", ids)))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(kafka.Kind("KafkaTopicPartitions"), next.Name, errs)
}

// carryOut adds partitions first: brokers refuse to grow a topic that is being reassigned.
func (r *PartitionsREST) carryOut(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic, change assignmentDiff, dryRun bool) error {
	gr := kafka.Resource("kafkatopics")
	if len(change.added) > 0 {
		total := int32(len(have.Partitions) + len(change.added))
		if problem := r.plane.tooMany(ctx, cluster, int32(len(have.Partitions)), total, int32(have.ReplicationFactor()), field.NewPath("spec")); problem != nil {
			return apierrors.NewInvalid(kafka.Kind("KafkaTopicPartitions"), topic.Name, field.ErrorList{problem})
		}
		if err := cluster.CreatePartitions(ctx, have.Name, total, change.added, true); err != nil {
			return live.Refused(err, gr, topic.Name, "spec.partitions")
		}
		if !dryRun {
			if _, err := r.plane.grow(ctx, cluster, topic, have, total, change.added, nil); err != nil {
				return live.Refused(err, gr, topic.Name, "spec.partitions")
			}
		}
	}
	if len(change.moves) == 0 || dryRun {
		return nil
	}
	if err := cluster.Reassign(ctx, have.Name, change.moves); err != nil {
		return live.Refused(err, gr, topic.Name, "spec.partitions")
	}
	return nil
}
