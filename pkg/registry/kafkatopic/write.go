package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
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
	"kafka.openshift.io/kafka-apiserver/pkg/topicplan"
)

// write is one create or update on its way: validated by the brokers, stored, applied to them, answered.
type write struct {
	plane  *plane
	dryRun bool
	// applied says that the request is a server-side apply.
	applied bool

	// claim is the claim that a create has taken.
	claim *claim
	// cluster is set when the brokers have accepted the write, away when they could not be asked. Neither is set when
	// the write does not concern them.
	cluster *broker.Cluster
	away    error
	// absent says that the topic was not on the brokers when they accepted the write.
	absent bool
	// partitions and replicas are what the topic would have then, as far as brokers tell; 0 when they do not.
	partitions, replicas int32
}

// forget makes the write one that nobody was asked about: the stores may validate more than once.
func (w *write) forget() {
	w.cluster, w.away, w.absent, w.partitions, w.replicas = nil, nil, false, 0, 0
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
		w.forget()
		host := w.plane.host
		if w.declared(topic) {
			host = w.plane.findHost
		}
		k, err := host(ctx, topic)
		var missing *noKafkaError
		if errors.As(err, &missing) {
			w.undo(ctx)
			w.away = missing
			return w.takeClaim(ctx, "", topic)
		}
		if err != nil {
			return err
		}
		w.undo(ctx)
		return w.claimAndAsk(ctx, k, topic)
	}
}

// declared tells whether a create is the first apply of an object. What is applied may come in any order, its Kafka after it; who
// creates one object refers to what is there.
func (w *write) declared(topic *kafka.KafkaTopic) bool {
	_, annotated := topic.Annotations[corev1.LastAppliedConfigAnnotation]
	return w.applied || annotated
}

// claimAndAsk takes the claim while the brokers judge the create: neither changes anything on the brokers, and both
// take as long as a disk does.
func (w *write) claimAndAsk(ctx context.Context, k *kafka.Kafka, topic *kafka.KafkaTopic) error {
	cluster, err := w.plane.clusters.Connect(k)
	if err != nil {
		w.away = err
		return w.takeClaim(ctx, k.UID, topic)
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	type verdict struct {
		would broker.CreatedTopic
		err   error
	}
	judged := make(chan verdict, 1)
	go func() {
		defer utilruntime.HandleCrashWithContext(asking)
		would, err := cluster.CreateTopic(asking, newTopic(topic), true)
		judged <- verdict{would, err}
	}()
	if err := w.takeClaim(ctx, k.UID, topic); err != nil {
		return err
	}
	var v verdict
	select {
	case v = <-judged:
	case <-asking.Done():
		v.err = asking.Err()
	}
	if broker.CodeOf(v.err) == codeTopicAlreadyExists || len(w.claim.Doomed) > 0 {
		return w.ask(ctx, k, topic, nil)
	}
	switch {
	case live.IsAway(v.err):
		w.away = v.err
	case v.err != nil:
		return refusal(v.err, topic)
	default:
		w.cluster, w.absent = cluster, true
		w.partitions, w.replicas = v.would.Partitions, int32(v.would.Replicas)
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
		w.forget()
		before := old.(*kafka.KafkaTopic)
		if topic.DeletionTimestamp != nil || equality.Semantic.DeepEqual(topic.Spec, before.Spec) {
			return nil
		}
		k, err := w.plane.findHost(ctx, topic)
		var missing *noKafkaError
		if errors.As(err, &missing) {
			// The object is older than the mistake.
			w.away = missing
			return unasked(topic, before)
		}
		if err != nil {
			return err
		}
		return w.ask(ctx, k, topic, before)
	}
}

// ask has the brokers judge the write without doing it.
func (w *write) ask(ctx context.Context, k *kafka.Kafka, topic, before *kafka.KafkaTopic) error {
	cluster, err := w.plane.clusters.Connect(k)
	if err == nil {
		ctx, cancel := live.Deadline(ctx)
		defer cancel()
		err = w.judge(ctx, cluster, topic, before)
	}
	if live.IsAway(err) {
		w.away = err
		return unasked(topic, before)
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
		if !w.dryRun {
			// The former owner's topic: its deletion was decided when that object was deleted.
			if err := cluster.DeleteTopic(ctx, have.ID); err != nil {
				return statusUnlessAway(err, topic)
			}
		}
		found = false
	}
	if !found {
		would, err := cluster.CreateTopic(ctx, newTopic(topic), true)
		if doomed && broker.CodeOf(err) == codeTopicAlreadyExists {
			// Brokers delete in the background; applying waits for them.
			return nil
		}
		w.partitions, w.replicas = would.Partitions, int32(would.Replicas)
		return statusUnlessAway(err, topic)
	}
	w.partitions, w.replicas = int32(len(have.Partitions)), int32(have.ReplicationFactor())
	return judgeExisting(ctx, cluster, topic, before, have)
}

// judgeExisting compares with a topic that is on the brokers: it can grow and change its settings, nothing else.
func judgeExisting(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, have broker.Topic) error {
	if problem := foreign(topic, have); problem != nil {
		return invalid(topic, problem)
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return statusUnlessAway(err, topic)
	}
	if problems := disagreements(topic, before, have, config); len(problems) > 0 {
		return invalid(topic, problems...)
	}
	if before != nil && !ptr.Equal(topic.Spec.Replicas, before.Spec.Replicas) {
		// A number that the topic has already, because somebody else moved it, only has to be written down.
		if problem := replicasProblem(topic, int32(have.ReplicationFactor())); problem != nil {
			return invalid(topic, problem)
		}
	}
	if before != nil && !ptr.Equal(topic.Spec.Partitions, before.Spec.Partitions) {
		if problem := partitionsProblem(have, topic.Spec.Partitions, field.NewPath("spec", "partitions")); problem != nil {
			return invalid(topic, problem)
		}
	}
	steps := topicplan.Compare(planned(topic), have, config)
	if steps.Grow > 0 {
		if err := cluster.CreatePartitions(ctx, have.Name, steps.Grow, nil, true); err != nil {
			return statusUnlessAway(err, topic)
		}
	}
	return statusUnlessAway(cluster.AlterTopicConfig(ctx, have.Name, steps.Set, steps.Remove, true), topic)
}

// disagreements says what a topic that is not known to be an object's has that the object gets wrong. A topic that is as the object
// was before is its own, by a create that has not recorded it yet.
func disagreements(topic, before *kafka.KafkaTopic, have broker.Topic, config []broker.ConfigEntry) field.ErrorList {
	if topic.Status.TopicID != "" {
		return nil
	}
	spec := field.NewPath("spec")
	if before != nil && len(topicplan.Disagreements(planned(before), have, config, spec)) == 0 {
		return nil
	}
	return topicplan.Disagreements(planned(topic), have, config, spec)
}

// unasked judges a change without brokers, by the numbers that the stored object has.
func unasked(topic, before *kafka.KafkaTopic) error {
	if before == nil {
		return nil
	}
	var errs field.ErrorList
	if was, is := before.Spec.Partitions, topic.Spec.Partitions; was != nil && is != nil && *is < *was {
		errs = append(errs, field.Invalid(field.NewPath("spec", "partitions"), *is, fmt.Sprintf("the topic has %d partitions, and partitions only grow", *was)))
	}
	// A topic that was not made yet can still have any number.
	if was := before.Spec.Replicas; was != nil && before.Status.TopicID != "" {
		if problem := replicasProblem(topic, *was); problem != nil {
			errs = append(errs, problem)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return invalid(topic, errs...)
}

// replicasProblem refuses another number of replicas than a topic has; nil when it is that one.
func replicasProblem(topic *kafka.KafkaTopic, have int32) *field.Error {
	want := topic.Spec.Replicas
	if want == nil || *want == have {
		return nil
	}
	return field.Invalid(field.NewPath("spec", "replicas"), *want, fmt.Sprintf("changing the number of replicas is not served yet: the topic has %d", have))
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
	case w.dryRun:
		if w.away != nil {
			live.Warn(ctx, "the brokers were not asked", w.away)
		}
		w.fill(topic)
		return topic, nil
	case w.cluster == nil && w.away == nil:
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

// fill shows in the answer of a dry run the numbers that the spec would get from the brokers.
func (w *write) fill(topic *kafka.KafkaTopic) {
	if w.partitions > 0 && ptr.Deref(topic.Spec.Partitions, 0) < w.partitions {
		topic.Spec.Partitions = ptr.To(w.partitions)
	}
	if w.replicas > 0 && topic.Spec.Replicas == nil {
		topic.Spec.Replicas = ptr.To(w.replicas)
	}
}

// isGone tells whether the object of an outcome was deleted or replaced in the meantime.
func isGone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsConflict(err)
}
