package kafkatopic

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// write is one create or update on its way: validated by the brokers, stored, applied to them, answered.
type write struct {
	plane  *plane
	dryRun bool

	// claim is the claim that a create has taken.
	claim *claim
	// cluster is set when the brokers have accepted the write, away when they could not be asked. Neither is set when
	// the write does not concern them.
	cluster *broker.Cluster
	away    error
	// absent says that the topic was not on the brokers when they accepted the write.
	absent bool
}

// validateCreate comes after strategy validation and admission: access, claim, brokers.
func (w *write) validateCreate(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		topic, err := asTopic(obj)
		if err != nil {
			return err
		}
		// Access goes first, so that nobody learns which Kafkas and topics exist by trying.
		if err := w.plane.access.place(ctx, topic); err != nil {
			return err
		}
		k, err := w.plane.host(ctx, topic)
		if err != nil {
			return err
		}
		w.undo(ctx)
		return w.claimAndAsk(ctx, k, topic)
	}
}

// claimAndAsk takes the claim while the brokers judge the create: neither changes anything on the brokers, and both
// take as long as a disk does.
func (w *write) claimAndAsk(ctx context.Context, k *kafka.Kafka, topic *kafka.KafkaTopic) error {
	w.cluster, w.away, w.absent = nil, nil, false
	cluster, err := w.plane.clusters.Connect(k)
	if err != nil {
		w.away = err
		return w.takeClaim(ctx, k, topic)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	judged := make(chan error, 1)
	go func() {
		defer utilruntime.HandleCrashWithContext(asking)
		_, err := cluster.CreateTopic(asking, newTopic(topic), true)
		judged <- err
	}()
	if err := w.takeClaim(ctx, k, topic); err != nil {
		return err
	}
	select {
	case err = <-judged:
	case <-asking.Done():
		err = asking.Err()
	}
	if broker.CodeOf(err) == codeTopicAlreadyExists || len(w.claim.Doomed) > 0 {
		return w.ask(ctx, k, topic, nil)
	}
	switch {
	case live.IsAway(err):
		w.away = err
	case err != nil:
		return refusal(err, topic)
	default:
		w.cluster, w.absent = cluster, true
	}
	return nil
}

// validateUpdate comes after strategy validation and admission. A change that leaves the spec alone asks nobody.
func (w *write) validateUpdate(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj, old); err != nil {
				return err
			}
		}
		topic, err := asTopic(obj)
		if err != nil {
			return err
		}
		before := old.(*kafka.KafkaTopic)
		if topic.DeletionTimestamp != nil || equality.Semantic.DeepEqual(topic.Spec, before.Spec) {
			return nil
		}
		if r := topic.Spec.Replicas; before.Spec.Replicas != nil && *r != *before.Spec.Replicas {
			return invalid(topic, field.Invalid(field.NewPath("spec", "replicas"), *r, fmt.Sprintf(
				"changing the number of replicas is not served yet: the topic has %d", *before.Spec.Replicas)))
		}
		k, err := w.plane.host(ctx, topic)
		if err != nil {
			return err
		}
		return w.ask(ctx, k, topic, before)
	}
}

// ask has the brokers judge the write without doing it.
func (w *write) ask(ctx context.Context, k *kafka.Kafka, topic, before *kafka.KafkaTopic) error {
	w.cluster, w.away, w.absent = nil, nil, false
	cluster, err := w.plane.clusters.Connect(k)
	if err == nil {
		ctx, cancel := live.Deadline(ctx)
		defer cancel()
		err = w.judge(ctx, cluster, topic, before)
	}
	if live.IsAway(err) {
		w.away = err
		// Numbers that the stored object already has need no broker to tell that they shrink.
		return shrinks(topic, before)
	}
	if err != nil {
		return err
	}
	w.cluster = cluster
	return nil
}

func (w *write) judge(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic) error {
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return statusUnlessAway(err, topic)
	}
	doomed := w.claim != nil && len(w.claim.Doomed) > 0
	if found && doomed && slices.Contains(w.claim.Doomed, have.ID.String()) {
		// The former owner's topic: its deletion was decided when that object was deleted.
		if err := cluster.DeleteTopic(ctx, have.ID); err != nil {
			return statusUnlessAway(err, topic)
		}
		found = false
	}
	if !found {
		_, err := cluster.CreateTopic(ctx, newTopic(topic), true)
		if doomed && broker.CodeOf(err) == codeTopicAlreadyExists {
			// Brokers delete in the background; applying waits for them.
			return nil
		}
		return statusUnlessAway(err, topic)
	}
	return judgeExisting(ctx, cluster, topic, before, have)
}

// judgeExisting compares with a topic that is on the brokers: it can grow and change its settings, nothing else.
func judgeExisting(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, have broker.Topic) error {
	spec := field.NewPath("spec")
	if before == nil {
		if err := adoptable(topic, have); err != nil {
			return err
		}
	} else if !ptr.Equal(topic.Spec.Partitions, before.Spec.Partitions) {
		if problem := partitionsProblem(have, topic.Spec.Partitions, spec.Child("partitions")); problem != nil {
			return invalid(topic, problem)
		}
	}
	if n := ptr.Deref(topic.Spec.Partitions, 0); int(n) > len(have.Partitions) {
		if err := cluster.CreatePartitions(ctx, have.Name, n, nil, true); err != nil {
			return statusUnlessAway(err, topic)
		}
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return statusUnlessAway(err, topic)
	}
	if set, remove := configChange(config, topic.Spec.Config); len(set)+len(remove) > 0 {
		return statusUnlessAway(cluster.AlterTopicConfig(ctx, have.Name, set, remove, true), topic)
	}
	return nil
}

// adoptable says what a topic on the brokers has that a new object gets wrong.
func adoptable(topic *kafka.KafkaTopic, have broker.Topic) error {
	var errs []*field.Error
	spec := field.NewPath("spec")
	if n := topic.Spec.Partitions; n != nil && int(*n) != len(have.Partitions) {
		errs = append(errs, field.Invalid(spec.Child("partitions"), *n,
			fmt.Sprintf("topic has %d; set %d to adopt it", len(have.Partitions), len(have.Partitions))))
	}
	if n := topic.Spec.Replicas; n != nil && int(*n) != have.ReplicationFactor() {
		errs = append(errs, field.Invalid(spec.Child("replicas"), *n,
			fmt.Sprintf("topic has %d; set %d to adopt it", have.ReplicationFactor(), have.ReplicationFactor())))
	}
	if len(errs) == 0 {
		return nil
	}
	return invalid(topic, errs...)
}

func shrinks(topic, before *kafka.KafkaTopic) error {
	if before == nil || before.Spec.Partitions == nil || topic.Spec.Partitions == nil || *topic.Spec.Partitions >= *before.Spec.Partitions {
		return nil
	}
	return invalid(topic, field.Invalid(field.NewPath("spec", "partitions"), *topic.Spec.Partitions,
		fmt.Sprintf("the topic has %d partitions, and partitions only grow", *before.Spec.Partitions)))
}

// statusUnlessAway leaves "the brokers are away" as it is, for the caller to store what it may.
func statusUnlessAway(err error, topic *kafka.KafkaTopic) error {
	if err == nil || live.IsAway(err) {
		return err
	}
	return refusal(err, topic)
}

func newTopic(topic *kafka.KafkaTopic) broker.NewTopic {
	return broker.NewTopic{
		Name:       topic.TopicName(),
		Partitions: ptr.Deref(topic.Spec.Partitions, -1),
		Replicas:   int16(ptr.Deref(topic.Spec.Replicas, -1)),
		Config:     topic.Spec.Config,
	}
}

// finish carries out what is stored, and answers with what came of it.
func (w *write) finish(ctx context.Context, obj runtime.Object) (runtime.Object, error) {
	topic, err := asTopic(obj)
	if err != nil {
		return nil, err
	}
	switch {
	case w.dryRun || w.cluster == nil && w.away == nil:
		return topic, nil
	case w.away != nil:
		live.Warn(ctx, "stored, and carried out when the brokers can be reached", w.away)
		return w.plane.record(ctx, topic, unreachable(w.away))
	}
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	var doomed []string
	if w.claim != nil {
		doomed = w.claim.Doomed
	}
	done, err := w.plane.apply(ctx, w.cluster, topic, w.absent, doomed)
	if err != nil {
		// The object is stored: an error would say that it is not. The controller goes on from here.
		live.Warn(ctx, "stored, not carried out yet", err)
		return w.plane.record(ctx, topic, failed(err))
	}
	return w.plane.record(ctx, topic, done)
}

// isGone tells whether the object of an outcome was deleted or replaced in the meantime.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err)
}
