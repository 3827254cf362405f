package kafkaconsumergroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Offsets is kafkaconsumergroups/offsets: what a group has committed, and by an update a reset of it. A put by somebody who may create
// makes a group that starts where its consumers are to start.
type Offsets = sub.Declarative[standing, *kafka.KafkaConsumerGroupOffsets, map[broker.TopicPartition]int64]

// standing is a group with where it stands.
type standing struct {
	place
	group broker.Group
	// found tells whether there is such a group.
	found bool
	read  *positions
}

var _ sub.Target = standing{}

// Resource implements sub.Target.
func (standing) Resource() schema.GroupResource { return resource }

// Begin implements sub.Target.
func (s standing) Begin(ctx context.Context) error {
	if err := s.clusters.Begin(ctx, s.cluster); err != nil {
		return live.Unavailable(err)
	}
	return nil
}

// Parent implements sub.Target.
func (s standing) Parent() metav1.Object {
	meta := objectMeta(s.kafka, s.groupID)
	return &meta
}

// errCommitted is why a reset that was prepared on other offsets is a conflict.
var errCommitted = errors.New("the group has committed offsets since; look at them and try again")

func newOffsets(clusters *live.Clusters) *Offsets {
	return &Offsets{
		View: sub.View[standing, *kafka.KafkaConsumerGroupOffsets]{
			Type: sub.TypeOf("KafkaConsumerGroupOffsets", func() *kafka.KafkaConsumerGroupOffsets { return &kafka.KafkaConsumerGroupOffsets{} }, offsets),
			Find: func(ctx context.Context, name string) (standing, error) {
				s, err := findGroup(ctx, clusters, name, (*broker.Cluster).GroupOfAnyKind)
				if err == nil {
					err = s.missing()
				}
				return s, err
			},
			Show: func(ctx context.Context, s standing) (*kafka.KafkaConsumerGroupOffsets, error) {
				if err := s.look(ctx); err != nil {
					return nil, err
				}
				return offsetsView(s), nil
			},
		},
		Target: func(ctx context.Context, name string) (standing, error) {
			s, err := findGroup(ctx, clusters, name, (*broker.Cluster).Group)
			if err == nil {
				// Before a patch is told that there is no such group.
				err = s.another(ctx)
			}
			if err == nil {
				err = s.look(ctx)
			}
			return s, err
		},
		Current: func(_ context.Context, s standing) (*kafka.KafkaConsumerGroupOffsets, error) {
			if !s.found {
				return &kafka.KafkaConsumerGroupOffsets{}, nil
			}
			return offsetsView(s), nil
		},
		Missing:  standing.missing,
		Modified: errCommitted,
		Validate: func(_ standing, next, _ *kafka.KafkaConsumerGroupOffsets) field.ErrorList {
			return validation.ValidateConsumerGroupOffsets(next)
		},
		Ask: func(ctx context.Context, s standing, next, _ *kafka.KafkaConsumerGroupOffsets) (map[broker.TopicPartition]int64, error) {
			if s.found && s.group.IsActive() {
				return nil, active(s.name, s.group)
			}
			return targets(ctx, s, next)
		},
		Foresee: after,
		Do: func(ctx context.Context, s standing, _ *kafka.KafkaConsumerGroupOffsets, targets map[broker.TopicPartition]int64) (map[broker.TopicPartition]int64, error) {
			return targets, commit(ctx, s.place, targets)
		},
		Record: after,
	}
}

// findGroup finds a group, whether it exists or not.
func findGroup(ctx context.Context, clusters *live.Clusters, name string, ask ask) (s standing, err error) {
	if s.place, err = find(ctx, clusters, name); err != nil {
		return s, err
	}
	s.group, s.found, err = s.place.group(ctx, ask)
	s.group.ID = s.groupID
	return s, err
}

// another refuses an id that a group of another kind has, of which no offsets are written. Brokers refuse to make a consumer group of it as well.
func (s standing) another(ctx context.Context) error {
	if s.found {
		return nil
	}
	list, err := s.cluster.Groups(ctx)
	if err != nil {
		return refused(err, s.name, "")
	}
	kind, there := list.Others[s.groupID]
	if !there {
		return nil
	}
	if kind == broker.GroupClassic {
		kind = "classic, and not of consumers"
	}
	why := field.Invalid(field.NewPath("metadata", "name"), s.name, fmt.Sprintf("the brokers have a group %q of another kind: it is %s, and can only be looked at", s.groupID, kind))
	return apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), s.name, field.ErrorList{why})
}

// look finds out where the group stands.
func (s *standing) look(ctx context.Context) (err error) {
	if s.read, err = readPositions(ctx, s.cluster, s.group); err != nil {
		return refused(err, s.name, "")
	}
	if s.group.Hidden != nil {
		live.Warn(ctx, "topics may be missing, and who reads the partitions is not known", s.group.Hidden)
	}
	return nil
}

// missing is the error of a group that does not exist.
func (s standing) missing() error {
	if s.found {
		return nil
	}
	return s.notFound()
}

func offsetsView(s standing) *kafka.KafkaConsumerGroupOffsets {
	obj := &kafka.KafkaConsumerGroupOffsets{
		ObjectMeta: objectMeta(s.kafka, s.groupID),
		Status:     kafka.KafkaConsumerGroupOffsetsStatus{State: s.group.State, Lag: s.read.lag(), Partitions: s.read.rows()},
	}
	obj.ResourceVersion = hash(s.read.committed)
	return obj
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
func targets(ctx context.Context, s standing, next *kafka.KafkaConsumerGroupOffsets) (map[broker.TopicPartition]int64, error) {
	read, topics := s.read, s.read.topics
	var names []string
	for _, reset := range next.Spec.Reset {
		if _, known := topics[reset.Topic]; reset.Topic != "" && !known {
			names = append(names, reset.Topic)
		}
	}
	if len(names) > 0 {
		more, err := s.cluster.Topics(ctx, names...)
		if err != nil {
			return nil, refused(err, s.name, "spec.reset")
		}
		topics = maps.Clone(topics)
		maps.Copy(topics, more)
	}
	plan, errs := newPlan(next.Spec.Reset, read.committed, topics)
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), s.name, errs)
	}
	if err := plan.look(ctx, s.cluster, topics); err != nil {
		return nil, refused(err, s.name, "spec.reset")
	}
	targets, errs := plan.targets()
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(kafka.Kind("KafkaConsumerGroupOffsets"), s.name, errs)
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
		status.ErrStatus.Message = fmt.Sprintf("%d of %s reset; %s", written, plural.Of(len(targets), "partition was", "partitions were"), status.ErrStatus.Message)
	}
	return status
}

// after is what the group's offsets are once the targets are written.
func after(_ context.Context, s standing, next, _ *kafka.KafkaConsumerGroupOffsets, targets map[broker.TopicPartition]int64) (*kafka.KafkaConsumerGroupOffsets, error) {
	committed := map[broker.TopicPartition]broker.CommittedOffset{}
	maps.Copy(committed, s.read.committed)
	for partition, offset := range targets {
		committed[partition] = broker.CommittedOffset{Offset: offset}
	}
	s.read.committed = committed
	if s.group.State == "" {
		s.group.State = "Empty"
	}
	obj := offsetsView(s)
	obj.Spec = next.Spec
	return obj, nil
}
