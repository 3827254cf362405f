package kafkatopic

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apiserver/pkg/warning"
	"k8s.io/klog/v2"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// outcome is what a write came to on the brokers.
type outcome struct {
	// onBrokers is nil when the topic is not known to be there.
	onBrokers *topics.OnBrokers
	// made says that this write made it.
	made bool
	// unanswered says that this write asked for it, and that it may appear yet.
	unanswered bool
	// lost says that the answer to its create was lost, so that it may be carried out however late.
	lost bool
	// retain says that the topic was somebody's before, so that it stays with an object that leaves that open.
	retain bool
	// verdict is what the object's conditions say of it.
	verdict topics.Verdict
}

func unreachable(err error) outcome {
	verdict := topics.Unreachable(live.Line(err))
	var missing *live.NoKafkaError
	if errors.As(err, &missing) {
		verdict.Reason = topics.ReasonClusterNotFound
	}
	if kafkaerr.IsReplaced(err) {
		verdict.Reason = kafkaerr.ReasonClusterReplaced
	}
	return outcome{verdict: verdict}
}

func failed(err error) outcome {
	if live.IsAway(err) {
		return unreachable(err)
	}
	return outcome{verdict: topics.NotApplied(err, live.Line(err)), unanswered: kafkaerr.MayAppear(err), lost: kafkaerr.MayBeCreated(err)}
}

func settled(topic *kafka.KafkaTopic, have broker.Topic, made bool) outcome {
	known := topics.Known(have)
	return outcome{onBrokers: &known, made: made, verdict: topics.AsSpecified(topic.TopicName(), planned(topic), known)}
}

// apply makes the brokers have what the object says. It can be repeated. judged is what the brokers just said of this spec, the zero value
// when they were not asked.
func (p *plane) apply(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, judged verdict) (outcome, error) {
	retain, err := p.leftOpen(ctx, topic)
	if err != nil {
		return outcome{}, err
	}
	takenOver := false
	done, err := topics.Converge(ctx, cluster, topics.Desired{
		Name: topic.TopicName(), Spec: planned(topic), TopicID: topic.Status.TopicID, AdoptTopicID: topic.Spec.AdoptTopicID,
		// A topic that was there when the brokers were asked was compared with the spec then.
		Absent: judged.Absent, Judged: judged.Judged,
	}, topics.Hooks{
		TakeOver: func(ctx context.Context, have broker.Topic) error {
			by, err := p.title(ctx, resolver.Target{Topic: topic, Cluster: cluster, Have: have})
			if err == nil && by == asked && !judged.Judged {
				// It came after the change was judged, which did not ask for it.
				err = &notAskedForError{have}
			}
			takenOver = by != itsOwn
			return err
		},
		Remake: func(ctx context.Context) error { return p.topics.Asked(ctx, topic, false) },
		Reserve: func(ctx context.Context, partitions, replicas int32) (func(), string, error) {
			return p.capacity.Reserve(ctx, cluster, clusterOf(topic).String(), partitions, replicas)
		},
	})
	var unasked *notAskedForError
	if errors.As(err, &unasked) {
		live.Warn(ctx, "stored, not carried out", err)
		return outcome{verdict: topics.Exists(unasked.Error())}, nil
	}
	if isElsewhere(err) {
		// It was taken by the other since this object was judged. Which one that is the status tells nobody: others read it.
		live.Warn(ctx, "stored, not carried out", err)
		return outcome{verdict: topics.HadElsewhere(topic.TopicName())}, nil
	}
	if takenOver && err == nil && done.Have != nil {
		warnTakenOver(ctx, topic)
	}
	return outcome{onBrokers: done.Have, made: done.Made, unanswered: done.Unanswered, lost: done.Lost, retain: retain || takenOver, verdict: done.Verdict}, err
}

// notAskedForError says that a topic is somebody's, and that a change did not ask to take it over.
type notAskedForError struct{ have broker.Topic }

func (e *notAskedForError) Error() string { return notAskedFor(e.have) }

// warnTakenOver tells who takes over a topic so, and what becomes of it with the object.
func warnTakenOver(ctx context.Context, topic *kafka.KafkaTopic) {
	policy, then := kafka.TopicRetain, "stays when the object is deleted"
	if topic.Spec.DeletionPolicy == kafka.TopicDelete {
		policy, then = kafka.TopicDelete, "is deleted with the object"
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("topic %s was on the brokers before, and is taken over; spec.deletionPolicy is %s: it %s", topic.TopicName(), policy, then))
}

// leftOpen tells whether a topic that has its id, and leaves open what becomes of it, was somebody's before.
func (p *plane) leftOpen(ctx context.Context, topic *kafka.KafkaTopic) (retain bool, err error) {
	if topic.Spec.DeletionPolicy != "" || topic.Status.TopicID == "" {
		return false, nil
	}
	standing, err := p.topics.Standing(ctx, topic)
	return standing.Retain, err
}

// write puts an outcome of the spec that had a generation into an object. What the brokers chose for a number that the user left open
// becomes the spec, so does a number that has grown outside. What a newer spec has come to stays.
func (p *plane) write(topic *kafka.KafkaTopic, generation int64, done outcome) {
	// Whoever may write the status may have said more than there can be.
	topic.Status.ObservedGeneration = min(topic.Status.ObservedGeneration, topic.Generation)
	outdated := topic.Status.ObservedGeneration > generation
	topic.Status.ObservedGeneration = max(generation, topic.Status.ObservedGeneration)
	topic.Status.TopicName = topic.TopicName()
	if have := done.onBrokers; have != nil {
		topic.Status.TopicID, topic.Status.ReplacementID = have.ID.String(), ""
		// What is not known of it stays what it was.
		if have.Partitions > 0 {
			topic.Status.Partitions = have.Partitions
		}
		if have.Replicas > 0 {
			topic.Status.Replicas = have.Replicas
		}
		filled := fillSpec(topic, done)
		if err := stored.OwnFields(topic, p.clock.Now(), filled...); err != nil {
			klog.ErrorS(err, "Owners of filled-in fields not noted", "topic", klog.KObj(topic))
		}
		if len(filled) > 0 && topic.ResourceVersion != "" && topic.Generation == generation {
			// Filling the spec of a stored object in makes a new generation (outcomeStrategy), which the brokers already have.
			topic.Status.ObservedGeneration = generation + 1
		}
	}
	if outdated {
		return
	}
	if done.verdict.Replacement != "" {
		topic.Status.ReplacementID = done.verdict.Replacement
	}
	topics.SetConditions(&topic.Status.Conditions, done.verdict, v1beta1.TopicDriftPolicy(topic.Spec.DriftPolicy), topic.Status.ObservedGeneration, p.clock.Now())
}

// fillSpec writes to a spec what it left to the brokers, or was done outside, and returns the fields that it has changed.
func fillSpec(topic *kafka.KafkaTopic, done outcome) (filled []fieldpath.Path) {
	spec, wanted := &topic.Spec, topic.Spec.Partitions
	open := topics.Open[kafka.TopicDeletionPolicy]{Partitions: &spec.Partitions, Replicas: &spec.Replicas, DeletionPolicy: &spec.DeletionPolicy}
	for _, name := range topics.Fill(open, *done.onBrokers, done.retain) {
		filled = append(filled, fieldpath.MakePathOrDie("spec", name))
	}
	if spec.Partitions != wanted {
		grownFrom(topic, wanted)
	}
	return filled
}
