package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Kafka's error codes that mean something special here (org.apache.kafka.common.protocol.Errors).
const (
	codeInvalidTopic             = 17
	codeTopicAlreadyExists       = 36
	codeInvalidPartitions        = 37
	codeInvalidReplicationFactor = 38
	codeInvalidConfig            = 40
)

// plane is what the storages of kafkatopics share: the way to the brokers, to the claims and to the stored objects.
type plane struct {
	clusters *live.Clusters
	access   access
	clock    clock.Clock
	// replicasPerBroker is how many replicas of partitions a cluster takes for each broker; 0 for any number.
	replicasPerBroker int
	// topics is the write path of the kind.
	topics *brokered.Store[*kafka.KafkaTopic, *broker.Cluster]
	late   lateClusters
}

// topic reads a stored topic of the request's namespace.
func (p *plane) topic(ctx context.Context, name string) (*kafka.KafkaTopic, error) {
	obj, err := p.topics.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*kafka.KafkaTopic), nil
}

// host reads the Kafka of a topic; one that does not exist is a mistake in the topic.
func (p *plane) host(ctx context.Context, topic *kafka.KafkaTopic) (*kafka.Kafka, error) {
	k, err := p.findHost(ctx, topic)
	var missing *noKafkaError
	if errors.As(err, &missing) {
		return nil, invalid(topic, field.Invalid(field.NewPath("spec", "clusterRef", "name"), missing.name, missing.Error()))
	}
	return k, err
}

// findHost is host for who goes on without a Kafka: then the error is a *noKafkaError.
func (p *plane) findHost(ctx context.Context, topic *kafka.KafkaTopic) (*kafka.Kafka, error) {
	namespace, name := topic.ClusterNamespace(), topic.Spec.ClusterRef.Name
	k, err := p.clusters.Kafka(ctx, namespace, name)
	if apierrors.IsNotFound(err) {
		return nil, &noKafkaError{namespace: namespace, name: name}
	}
	return k, err
}

// noKafkaError says that a topic's Kafka does not exist.
type noKafkaError struct{ namespace, name string }

func (e *noKafkaError) Error() string {
	return fmt.Sprintf("there is no Kafka %q in namespace %q", e.name, e.namespace)
}

// liveTopic is a stored topic with its brokers, for subresources: brokers that are away are a 503, and a topic that
// the brokers do not have is a 404. Another topic in its place can be looked at; everything else is refused, and no retry mends that.
func (p *plane) liveTopic(ctx context.Context, name string) (*kafka.KafkaTopic, *broker.Cluster, broker.Topic, error) {
	topic, err := p.topic(ctx, name)
	if err != nil {
		return nil, nil, broker.Topic{}, err
	}
	k, err := p.host(ctx, topic)
	if err != nil {
		return nil, nil, broker.Topic{}, err
	}
	cluster, err := p.clusters.Ask(ctx, k)
	if err != nil {
		return nil, nil, broker.Topic{}, live.Unavailable(p.inWords(ctx, topic, err))
	}
	have, err := p.onBrokers(ctx, cluster, topic)
	if err != nil {
		return nil, nil, broker.Topic{}, err
	}
	// Records are more than a look.
	if info, known := genericapirequest.RequestInfoFrom(ctx); !known || info.Verb != "get" || info.Subresource == "log" {
		if problem := foreign(topic, have); problem != nil && (!known || info.Verb != "get") {
			return nil, nil, broker.Topic{}, invalid(topic, problem)
		}
		if err := p.mayHave(ctx, cluster, topic, have); err != nil {
			return nil, nil, broker.Topic{}, err
		}
	}
	return topic, cluster, have, nil
}

// partitionsProblem says why a topic on the brokers cannot become what a spec asks for; nil when it can.
func partitionsProblem(have broker.Topic, want *int32, path *field.Path) *field.Error {
	if want == nil || int(*want) >= len(have.Partitions) {
		return nil
	}
	return field.Invalid(path, *want, fmt.Sprintf("topic %s has %d partitions, and partitions only grow", have.Name, len(have.Partitions)))
}

// planned is the part of a topic's spec that the brokers carry out.
func planned(topic *kafka.KafkaTopic) topics.Spec {
	return topics.Spec{Partitions: topic.Spec.Partitions, Replicas: topic.Spec.Replicas, Config: topic.Spec.Config}
}

// foreign refuses to do anything to a topic that somebody made in the place of an object's own; nil when it is the object's.
func foreign(topic *kafka.KafkaTopic, have broker.Topic) *field.Error {
	if topics.Mine(topic.Status.TopicID, topic.Spec.AdoptTopicID, have) {
		return nil
	}
	// The name is the other topic's now.
	problem := field.Duplicate(field.NewPath("spec", "adoptTopicID"), field.OmitValueType{})
	problem.Detail = topics.Replaced(topic.Status.TopicID, have)
	return problem
}

func invalid(topic *kafka.KafkaTopic, errs ...*field.Error) error {
	return apierrors.NewInvalid(kafka.Kind("KafkaTopic"), topic.Name, errs)
}

// refusal turns a broker's refusal into an API error on the field that it is about.
func refusal(err error, topic *kafka.KafkaTopic) error {
	path := "spec"
	switch broker.CodeOf(err) {
	case codeInvalidTopic:
		path = "metadata.name"
		if topic.Spec.TopicName != "" {
			path = "spec.topicName"
		}
	case codeInvalidPartitions:
		path = "spec.partitions"
	case codeInvalidReplicationFactor:
		path = "spec.replicas"
	case codeInvalidConfig:
		path = "spec.config"
		if key := topics.NamedIn(err.Error(), topic.Spec.Config); key != "" {
			path = field.NewPath("spec", "config").Key(key).String()
		}
	}
	return ofTopic(live.Refused(err, kafka.Resource("kafkatopics"), topic.Name, path), topic)
}

// ofTopic leaves out of a broker's refusal which topic it is about: who reads it knows.
func ofTopic(status *apierrors.StatusError, topic *kafka.KafkaTopic) error {
	if status.ErrStatus.Reason != metav1.StatusReasonInvalid || status.ErrStatus.Details == nil {
		return status
	}
	for i := range status.ErrStatus.Details.Causes {
		cause := &status.ErrStatus.Details.Causes[i]
		cause.Message = strings.TrimPrefix(cause.Message, topic.TopicName()+": ")
	}
	return status
}

// statusUnlessAway leaves "the brokers are away" as it is, for the caller to store what it may.
func statusUnlessAway(err error, topic *kafka.KafkaTopic) error {
	if err == nil || live.IsAway(err) {
		return err
	}
	return refusal(err, topic)
}

func asTopic(obj runtime.Object) (*kafka.KafkaTopic, error) {
	topic, ok := obj.(*kafka.KafkaTopic)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a KafkaTopic, got %T", obj))
	}
	return topic, nil
}
