// Package resolver finds what requests about KafkaTopics are about: the stored object, its Kafka, and the topic on the brokers. It turns
// what brokers say into API errors of a KafkaTopic.
package resolver

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// Resource is what errors call the resource.
var Resource = kafka.Resource("kafkatopics")

// Resolver finds topics. Its fields are set before the first request.
type Resolver struct {
	Clusters *live.Clusters
	// Objects reads stored KafkaTopics of the request's namespace.
	Objects rest.Getter
	// MayHave refuses to do anything to a topic of which the object is not known to be the owner.
	MayHave func(ctx context.Context, target Target) error
}

// Target is a stored topic with what its brokers have.
type Target struct {
	Topic   *kafka.KafkaTopic
	Cluster *broker.Cluster
	// Have is the zero value where the brokers were not asked yet.
	Have broker.Topic

	resolver *Resolver
}

var _ sub.Target = Target{}

// Resource implements sub.Target.
func (Target) Resource() schema.GroupResource { return Resource }

// Parent implements sub.Target.
func (t Target) Parent() metav1.Object { return t.Topic }

// Begin implements sub.Target.
func (t Target) Begin(ctx context.Context) error {
	if err := t.resolver.Clusters.Begin(ctx, t.Cluster); err != nil {
		return live.Unavailable(t.resolver.InWords(ctx, t.Topic, err))
	}
	return nil
}

// Meta is the metadata of a view of the topic.
func (t Target) Meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: t.Topic.Name, Namespace: t.Topic.Namespace, UID: t.Topic.UID, CreationTimestamp: t.Topic.CreationTimestamp}
}

// Topic reads a stored topic of the request's namespace.
func (r *Resolver) Topic(ctx context.Context, name string) (*kafka.KafkaTopic, error) {
	obj, err := r.Objects.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	topic, ok := obj.(*kafka.KafkaTopic)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("read KafkaTopic %s: got %T", name, obj))
	}
	return topic, nil
}

// Kafka reads the Kafka of a topic; one that does not exist is a mistake in the topic.
func (r *Resolver) Kafka(ctx context.Context, topic *kafka.KafkaTopic) (*kafka.Kafka, error) {
	k, err := r.FindKafka(ctx, topic)
	var missing *live.NoKafkaError
	if errors.As(err, &missing) {
		return nil, Invalid(topic, field.Invalid(field.NewPath("spec", "clusterRef", "name"), missing.Name, missing.Error()))
	}
	return k, err
}

// FindKafka is Kafka for who goes on without a Kafka: then the error is a *live.NoKafkaError.
func (r *Resolver) FindKafka(ctx context.Context, topic *kafka.KafkaTopic) (*kafka.Kafka, error) {
	namespace, name := topic.ClusterNamespace(), topic.Spec.ClusterRef.Name
	k, err := r.Clusters.Kafka(ctx, namespace, name)
	if apierrors.IsNotFound(err) {
		return nil, &live.NoKafkaError{Namespace: namespace, Name: name}
	}
	return k, err
}

// Look finds a topic and asks its brokers for it: brokers that are away are a 503, and a topic that they do not have is a 404. What
// they have may be another topic in the place of the object's own.
func (r *Resolver) Look(ctx context.Context, name string) (Target, error) {
	topic, err := r.Topic(ctx, name)
	if err != nil {
		return Target{}, err
	}
	k, err := r.Kafka(ctx, topic)
	if err != nil {
		return Target{}, err
	}
	target := Target{Topic: topic, resolver: r}
	if target.Cluster, err = r.Clusters.Ask(ctx, k); err != nil {
		return Target{}, live.Unavailable(r.InWords(ctx, topic, err))
	}
	if target.Have, err = r.OnBrokers(ctx, target); err != nil {
		return Target{}, err
	}
	return target, nil
}

// Find is Look for who is shown what the topic is like, or what it holds: that takes the right to have it.
func (r *Resolver) Find(ctx context.Context, name string) (Target, error) {
	target, err := r.Look(ctx, name)
	if err != nil {
		return Target{}, err
	}
	return target, r.mayHave(ctx, target)
}

// Ask asks the brokers for the topic of a target that was only reached, as Find does.
func (r *Resolver) Ask(ctx context.Context, target Target) (Target, error) {
	var err error
	if target.Have, err = r.OnBrokers(ctx, target); err != nil {
		return Target{}, err
	}
	return target, r.mayHave(ctx, target)
}

// mayHave is MayHave for who waits for the answer.
func (r *Resolver) mayHave(ctx context.Context, target Target) error {
	err := r.MayHave(ctx, target)
	if live.IsAway(err) {
		return live.Unavailable(r.InWords(ctx, target.Topic, err))
	}
	return err
}

// Own is Records for who does something to the topic: another one in the place of the object's own is refused, and no retry mends that.
func (r *Resolver) Own(ctx context.Context, name string) (Target, error) {
	target, err := r.Look(ctx, name)
	if err != nil {
		return Target{}, err
	}
	if problem := Foreign(target.Topic, target.Have); problem != nil {
		return Target{}, Invalid(target.Topic, problem)
	}
	return target, r.mayHave(ctx, target)
}

// Reach finds a topic and the way to its brokers, for views: nothing is asked of them yet.
func (r *Resolver) Reach(ctx context.Context, name string) (Target, error) {
	topic, err := r.Topic(ctx, name)
	if err != nil {
		return Target{}, err
	}
	cluster, err := r.Clusters.Reach(ctx, topic.ClusterNamespace(), topic.Spec.ClusterRef.Name)
	switch {
	case live.IsAway(err):
		return Target{}, live.Unavailable(r.InWords(ctx, topic, err))
	case apierrors.IsNotFound(err):
		_, err = r.Kafka(ctx, topic)
		return Target{}, err
	case err != nil:
		return Target{}, err
	}
	return Target{Topic: topic, Cluster: cluster, resolver: r}, nil
}

// InWords is an error about asking a topic's brokers as the caller is to see it: how they are reached is for who may see the Kafka.
func (r *Resolver) InWords(ctx context.Context, topic *kafka.KafkaTopic, err error) error {
	return r.Clusters.For(ctx, topic.ClusterNamespace(), topic.Spec.ClusterRef.Name, err)
}

// OnBrokers asks the brokers for a topic; one that they do not have is a 404.
func (r *Resolver) OnBrokers(ctx context.Context, target Target) (broker.Topic, error) {
	have, found, err := target.Cluster.Topic(ctx, target.Topic.TopicName())
	if err != nil {
		return have, Refusal(r.InWords(ctx, target.Topic, err), target.Topic)
	}
	if !found {
		return have, NotOnBrokers(target.Topic)
	}
	return have, nil
}
