package kafkatopic

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Judge implements brokered.Kind.
func (k kind) Judge(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, left brokered.Leftover) (brokered.Verdict[*kafka.KafkaTopic], error) {
	if err := k.Clusters.Begin(ctx, cluster); err != nil {
		return verdict{}, err
	}
	if before == nil {
		return k.judgeCreate(ctx, cluster, topic, left)
	}
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return verdict{}, statusUnlessAway(err, topic)
	}
	switch {
	case !found && topic.Status.TopicID == "" && topic.Spec.AdoptTopicID != "":
		return verdict{}, resolver.Invalid(topic, resolver.NothingToAdopt(topic))
	case !found:
		judged, err := k.judgeNew(ctx, cluster, topic)
		return judged, statusUnlessAway(err, topic)
	}
	if !ptr.Equal(topic.Spec.Replicas, before.Spec.Replicas) || topics.MayMove(planned(topic), have) {
		if have, err = topics.Follow(ctx, cluster, have); err != nil {
			return verdict{}, statusUnlessAway(err, topic)
		}
	}
	takenOver, err := k.judgeExisting(ctx, cluster, topic, before, have)
	if err != nil {
		return verdict{}, err
	}
	warnAdoptsNothing(ctx, cluster, topic, before, have)
	retain, err := k.leftOpen(ctx, topic)
	if err != nil {
		return verdict{}, err
	}
	return verdict{Judged: true, Fill: func(topic *kafka.KafkaTopic) {
		if takenOver {
			warnTakenOver(ctx, topic)
		}
		fillSpec(topic, outcome{onBrokers: &topics.OnBrokers{Partitions: int32(len(have.Partitions)), Replicas: int32(have.ReplicationFactor())}, retain: retain || takenOver})
	}}, nil
}

type verdict = brokered.Verdict[*kafka.KafkaTopic]

// judgeNew asks whether the brokers would make a topic.
func (k kind) judgeNew(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic) (verdict, error) {
	if problem := k.tooMany(ctx, cluster, topic, 0, ptr.Deref(topic.Spec.Partitions, 0), ptr.Deref(topic.Spec.Replicas, 0), partitionsField); problem != nil {
		return verdict{}, resolver.Invalid(topic, problem)
	}
	would, err := cluster.CreateTopic(ctx, newTopic(topic), true)
	if kafkaerr.CodeOf(err) == kafkaerr.TopicAlreadyExists {
		return verdict{}, err
	}
	return verdict{Absent: true, Fill: fill(would.Partitions, int32(would.Replicas))}, statusUnlessAway(err, topic)
}

// judgeCreate asks what would become of a create. A topic that is there already would be taken over, or made anew.
func (k kind) judgeCreate(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, left brokered.Leftover) (verdict, error) {
	if topic.Spec.AdoptTopicID != "" {
		have, err := toAdopt(ctx, cluster, topic, left.IDs)
		if err != nil {
			return verdict{}, err
		}
		return k.judgeTakeOver(ctx, cluster, topic, have)
	}
	judged, err := k.judgeNew(ctx, cluster, topic)
	if kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists {
		return judged, err
	}
	have, found, err := cluster.Topic(ctx, topic.TopicName())
	if err != nil {
		return verdict{}, statusUnlessAway(err, topic)
	}
	goes := !found || slices.Contains(left.IDs, have.ID.String())
	if found && slices.Contains(left.Unproven, have.ID.String()) {
		if goes, err = cluster.NeverUsed(ctx, have); err != nil {
			return verdict{}, statusUnlessAway(err, topic)
		}
	}
	if goes {
		// Brokers delete in the background; the create waits for them.
		return verdict{}, nil
	}
	if ours, err := k.isLeftover(ctx, cluster, topic, have, left); err != nil || ours {
		return verdict{}, statusUnlessAway(err, topic)
	}
	return k.judgeTakeOver(ctx, cluster, topic, have)
}

// judgeTakeOver asks whether a create may have a topic that is on the brokers.
func (k kind) judgeTakeOver(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, have broker.Topic) (verdict, error) {
	if err := k.mayTakeOver(ctx, topic, have); err != nil {
		return verdict{}, err
	}
	have, err := topics.Follow(ctx, cluster, have)
	if err != nil {
		return verdict{}, statusUnlessAway(err, topic)
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return verdict{}, statusUnlessAway(err, topic)
	}
	if problems := disagreements(topic, nil, have, config); len(problems) > 0 {
		return verdict{}, resolver.Invalid(topic, problems...)
	}
	done := adopted(topic, have)
	return verdict{Fill: func(topic *kafka.KafkaTopic) {
		warnTakenOver(ctx, topic)
		fillSpec(topic, done)
	}}, nil
}

func takingOver(have broker.Topic) string {
	return fmt.Sprintf("to take over topic %q, which is on the brokers already", have.Name)
}

// fill shows in the answer of a dry run what the spec would get from the brokers.
func fill(partitions, replicas int32) func(*kafka.KafkaTopic) {
	return func(topic *kafka.KafkaTopic) {
		fillSpec(topic, outcome{onBrokers: &topics.OnBrokers{Partitions: partitions, Replicas: replicas}})
	}
}

// judgeExisting compares with a topic that is on the brokers: it can grow and change its settings, nothing else. takenOver says that it was
// somebody's before, and that the change takes it over.
func (k kind) judgeExisting(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, have broker.Topic) (takenOver bool, err error) {
	if problem := resolver.Foreign(topic, have); problem != nil {
		return false, resolver.Invalid(topic, problem)
	}
	by, err := k.title(ctx, resolver.Target{Topic: topic, Cluster: cluster, Have: have})
	if err != nil {
		return false, err
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return false, statusUnlessAway(err, topic)
	}
	if by == asked {
		if problems := unasked(topic, before, have, config); len(problems) > 0 {
			return false, resolver.Invalid(topic, problems...)
		}
	}
	return by != itsOwn, k.judgeChange(ctx, cluster, topic, before, have, config)
}

// unasked says why a change does not take over a topic that only its writer may take over: it has to say so, or to make the object agree with
// the topic, which it did not before.
func unasked(topic, before *kafka.KafkaTopic, have broker.Topic, config []broker.ConfigEntry) field.ErrorList {
	spec := field.NewPath("spec")
	if problems := topics.Disagreements(planned(topic), have, config, spec); len(problems) > 0 {
		return problems
	}
	if len(topics.Disagreements(planned(before), have, config, spec)) > 0 {
		return nil
	}
	problem := field.Duplicate(spec.Child("adoptTopicID"), field.OmitValueType{})
	problem.Detail = notAskedFor(have)
	return field.ErrorList{problem}
}

func notAskedFor(have broker.Topic) string {
	return fmt.Sprintf("topic %s is on the brokers already, and who made this object had no right to take it over: set spec.adoptTopicID to %s to do so", have.Name, have.ID)
}

// judgeChange compares with a topic that the object has, or takes over.
func (k kind) judgeChange(ctx context.Context, cluster *broker.Cluster, topic, before *kafka.KafkaTopic, have broker.Topic, config []broker.ConfigEntry) error {
	if problems := disagreements(topic, before, have, config); len(problems) > 0 {
		return resolver.Invalid(topic, problems...)
	}
	if !ptr.Equal(topic.Spec.Replicas, before.Spec.Replicas) {
		// A number that the topic has already, because somebody else moved it, only has to be written down.
		if problem := replicasProblem(topic, int32(have.ReplicationFactor())); problem != nil {
			return resolver.Invalid(topic, problem)
		}
	}
	if !ptr.Equal(topic.Spec.Partitions, before.Spec.Partitions) {
		if problem := partitionsProblem(have, topic.Spec.Partitions, field.NewPath("spec", "partitions")); problem != nil {
			return resolver.Invalid(topic, problem)
		}
	}
	steps := topics.Compare(planned(topic), have, config)
	if steps.Grow > 0 {
		if problem := k.tooMany(ctx, cluster, topic, int32(len(have.Partitions)), steps.Grow, int32(have.ReplicationFactor()), partitionsField); problem != nil {
			return resolver.Invalid(topic, problem)
		}
		if err := cluster.CreatePartitions(ctx, have.Name, steps.Grow, nil, true); err != nil {
			return statusUnlessAway(err, topic)
		}
	}
	return statusUnlessAway(cluster.AlterTopicConfig(ctx, have.Name, steps.Set, steps.Remove, true), topic)
}

// disagreements says what a topic that is not known to be an object's has that the object gets wrong. A topic that is as the object
// was before is its own, by a create that has not recorded it yet.
func disagreements(topic, before *kafka.KafkaTopic, have broker.Topic, config []broker.ConfigEntry) field.ErrorList {
	if topic.Status.TopicID != "" || topics.Recorded("", topic.Status.Partitions, have.ID) {
		return nil
	}
	spec := field.NewPath("spec")
	if before != nil && len(topics.Disagreements(planned(before), have, config, spec)) == 0 {
		return nil
	}
	return topics.Disagreements(planned(topic), have, config, spec)
}

// JudgeAlone implements brokered.Kind: by what the brokers are known to have. A wish that they never heard of can be taken back.
func (kind) JudgeAlone(topic, before *kafka.KafkaTopic) error {
	if before == nil {
		if problem := topics.TooManyAtOnce(0, ptr.Deref(topic.Spec.Partitions, 0), topic.Spec.Config); problem != "" {
			return resolver.Invalid(topic, field.Invalid(partitionsField, *topic.Spec.Partitions, problem))
		}
		return nil
	}
	var errs field.ErrorList
	if problem := topics.TooManyAtOnce(before.Status.Partitions, ptr.Deref(topic.Spec.Partitions, 0), topic.Spec.Config); problem != "" {
		errs = append(errs, field.Invalid(partitionsField, *topic.Spec.Partitions, problem))
	}
	if was, is := before.Status.Partitions, topic.Spec.Partitions; is != nil && *is < was {
		errs = append(errs, field.Invalid(field.NewPath("spec", "partitions"), *is, fmt.Sprintf("the topic has %s, and partitions only grow", plural.Of(was, "partition", "partitions"))))
	}
	// A topic that was not made yet can still have any number.
	if was := before.Status.Replicas; was > 0 && before.Status.TopicID != "" && !ptr.Equal(topic.Spec.Replicas, before.Spec.Replicas) {
		if problem := replicasProblem(topic, was); problem != nil {
			errs = append(errs, problem)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return resolver.Invalid(topic, errs...)
}

// replicasProblem refuses another number of replicas than a topic has; nil when it is that one.
func replicasProblem(topic *kafka.KafkaTopic, have int32) *field.Error {
	want := topic.Spec.Replicas
	if want == nil || *want == have {
		return nil
	}
	return field.Invalid(field.NewPath("spec", "replicas"), *want, fmt.Sprintf("changing the number of replicas is not served yet: the topic has %d", have))
}
