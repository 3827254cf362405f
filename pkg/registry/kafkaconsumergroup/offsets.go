package kafkaconsumergroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

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

// OffsetsREST is kafkaconsumergroups/offsets: where a group is in each partition, and a way to say where it goes on.
type OffsetsREST struct {
	clusters *live.Clusters
}

var (
	_ rest.Patcher        = &OffsetsREST{}
	_ rest.TableConvertor = &OffsetsREST{}
	_ rest.Storage        = &OffsetsREST{}
)

// New implements rest.Storage.
func (*OffsetsREST) New() runtime.Object { return &kafka.KafkaConsumerGroupOffsets{} }

// Destroy implements rest.Storage.
func (*OffsetsREST) Destroy() {}

// ConvertToTable implements rest.TableConvertor.
func (*OffsetsREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return offsets.ConvertToTable(ctx, object, options)
}

// Get implements rest.Getter.
func (r *OffsetsREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	at, err := find(ctx, r.clusters, name)
	if err != nil {
		return nil, err
	}
	g, found, err := at.group(ctx)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, at.notFound()
	}
	read, err := readPositions(ctx, at.cluster, g)
	if err != nil {
		return nil, refused(err, name, "")
	}
	return offsetsView(at, g, read), nil
}

func offsetsView(at place, g broker.Group, p *positions) *kafka.KafkaConsumerGroupOffsets {
	obj := &kafka.KafkaConsumerGroupOffsets{
		ObjectMeta: objectMeta(at.kafka, at.groupID),
		Status:     kafka.KafkaConsumerGroupOffsetsStatus{State: g.State, Lag: p.lag(), Partitions: p.rows()},
	}
	obj.ResourceVersion = hash(p.committed)
	return obj
}

// Update implements rest.Updater: a reset of the group. As everywhere, a patch needs an object that exists, while a put by somebody
// who may create makes it: a group that starts where its consumers are to start.
func (r *OffsetsREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	at, err := find(ctx, r.clusters, name)
	if err != nil {
		return nil, false, err
	}
	g, found, err := at.group(ctx)
	if err != nil {
		return nil, false, err
	}
	g.ID = at.groupID
	read, err := readPositions(ctx, at.cluster, g)
	if err != nil {
		return nil, false, refused(err, name, "")
	}
	old := &kafka.KafkaConsumerGroupOffsets{}
	if found {
		old = offsetsView(at, g, read)
	}
	obj, err := info.UpdatedObject(ctx, old.DeepCopy())
	if err != nil {
		return nil, false, err
	}
	next, ok := obj.(*kafka.KafkaConsumerGroupOffsets)
	if !ok {
		return nil, false, apierrors.NewBadRequest(fmt.Sprintf("expected KafkaConsumerGroupOffsets, got %T", obj))
	}
	if err := sameGroup(at, found, old, next, info.Preconditions()); err != nil {
		return nil, false, err
	}
	if errs := validation.ValidateConsumerGroupOffsets(next); len(errs) > 0 {
		return nil, false, apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), name, errs)
	}
	if found && g.IsActive() {
		return nil, false, active(name, g)
	}
	targets, err := r.targets(ctx, at, read, next)
	if err != nil {
		return nil, false, err
	}
	if err := admit(ctx, found, old, next, create, update); err != nil {
		return nil, false, err
	}
	if !dryrun.IsDryRun(options.DryRun) {
		if err := commit(ctx, at, targets); err != nil {
			return nil, false, err
		}
	}
	return after(at, g, read, targets, next.Spec), !found, nil
}

// sameGroup checks whom and what the body was made for.
func sameGroup(at place, found bool, old, next *kafka.KafkaConsumerGroupOffsets, preconditions *metav1.Preconditions) error {
	if next.Name != at.name || next.Namespace != "" && next.Namespace != at.kafka.Namespace {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is for %s/%s, the request for %s/%s", next.Namespace, next.Name, at.kafka.Namespace, at.name))
	}
	uid := next.UID
	if preconditions != nil && preconditions.UID != nil {
		uid = *preconditions.UID
	}
	switch {
	case !found && (uid != "" || next.ResourceVersion != ""):
		return at.notFound()
	case uid != "" && uid != objectMeta(at.kafka, at.groupID).UID:
		return apierrors.NewConflict(resource, at.name, fmt.Errorf("the request is for uid %s, the group has %s: its Kafka was created again", uid, old.UID))
	case next.ResourceVersion != "" && next.ResourceVersion != old.ResourceVersion:
		return apierrors.NewConflict(resource, at.name, errors.New("the group has committed offsets since; look at them and try again"))
	}
	return nil
}

func admit(ctx context.Context, found bool, old, next *kafka.KafkaConsumerGroupOffsets, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc) error {
	if found && update != nil {
		return update(ctx, next.DeepCopy(), old.DeepCopy())
	}
	if !found && create != nil {
		return create(ctx, next.DeepCopy())
	}
	return nil
}

// maxNamed bounds the members and partitions that one message names.
const maxNamed = 10

// active refuses a reset of a group whose members would overwrite it.
func active(name string, g broker.Group) error {
	var members []string
	for i, m := range g.Members {
		if i == maxNamed {
			members = append(members, fmt.Sprintf("and %d more", len(g.Members)-i))
			break
		}
		who := m.ClientID
		if m.InstanceID != "" {
			who += " (" + m.InstanceID + ")"
		}
		members = append(members, who+" at "+m.Host)
	}
	why := fmt.Sprintf("the group is in state %s, and offsets are reset only while it has no members", g.State)
	if len(members) > 0 {
		why += "; stop " + strings.Join(members, ", ")
	}
	return apierrors.NewConflict(resource, name, errors.New(why))
}

// targets are the offsets that an update writes.
func (r *OffsetsREST) targets(ctx context.Context, at place, read *positions, next *kafka.KafkaConsumerGroupOffsets) (map[broker.TopicPartition]int64, error) {
	topics := read.topics
	var names []string
	for _, reset := range next.Spec.Reset {
		if _, known := topics[reset.Topic]; reset.Topic != "" && !known {
			names = append(names, reset.Topic)
		}
	}
	if len(names) > 0 {
		more, err := at.cluster.Topics(ctx, names...)
		if err != nil {
			return nil, refused(err, at.name, "spec.reset")
		}
		topics = maps.Clone(topics)
		maps.Copy(topics, more)
	}
	plan, errs := newPlan(next.Spec.Reset, read.committed, topics)
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), at.name, errs)
	}
	if err := plan.look(ctx, at.cluster, topics); err != nil {
		return nil, refused(err, at.name, "spec.reset")
	}
	targets, errs := plan.targets()
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), at.name, errs)
	}
	read.topics = topics
	for partition, ends := range plan.ranges {
		read.ranges[partition] = ends
	}
	return targets, nil
}

// commit writes the targets. A group that got members meanwhile is refused by the brokers, and named as one that had them before.
func commit(ctx context.Context, at place, targets map[broker.TopicPartition]int64) error {
	written, err := at.cluster.CommitOffsets(ctx, at.groupID, targets)
	if err == nil {
		return nil
	}
	status := refused(err, at.name, "spec.reset")
	if apierrors.IsConflict(status) && written == 0 {
		if g, found, err := at.cluster.Group(ctx, at.groupID); err == nil && found && g.IsActive() {
			return active(at.name, g)
		}
	}
	if written > 0 {
		status.ErrStatus.Message = fmt.Sprintf("%d of %d partitions were reset; %s", written, len(targets), status.ErrStatus.Message)
	}
	return status
}

// after is what the group's offsets are once the targets are written.
func after(at place, g broker.Group, read *positions, targets map[broker.TopicPartition]int64, spec kafka.KafkaConsumerGroupOffsetsSpec) *kafka.KafkaConsumerGroupOffsets {
	committed := map[broker.TopicPartition]broker.CommittedOffset{}
	maps.Copy(committed, read.committed)
	for partition, offset := range targets {
		committed[partition] = broker.CommittedOffset{Offset: offset}
	}
	read.committed = committed
	if g.State == "" {
		g.State = "Empty"
	}
	obj := offsetsView(at, g, read)
	obj.Spec = spec
	return obj
}
