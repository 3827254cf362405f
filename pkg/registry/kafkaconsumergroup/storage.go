// Package kafkaconsumergroup serves the consumer groups of all Kafkas: what the
// brokers say at request time, and a way to reset offsets. It stores nothing, and
// no group is created or deleted through it.
package kafkaconsumergroup

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

var resource = kafka.Resource("kafkaconsumergroups")

// KafkaLister lists the Kafkas of the context's namespace, or of all.
type KafkaLister interface {
	List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error)
}

// Storage is kafkaconsumergroups with its subresource.
type Storage struct {
	Group   *REST
	Offsets *Offsets
}

// NewStorage builds the storages. Nothing is asked of any broker.
func NewStorage(clusters *live.Clusters, kafkas KafkaLister, clock clock.PassiveClock) *Storage {
	return &Storage{Group: &REST{clusters: clusters, kafkas: kafkas, recent: recent{clock: clock}}, Offsets: newOffsets(clusters)}
}

// place is where a group is, whether it exists or not.
type place struct {
	clusters *live.Clusters
	kafka    *kafka.Kafka
	cluster  *broker.Cluster
	groupID  string
	name     string
}

// find reads a group's name and the Kafka in it. A name that no group can have, and a Kafka that does not exist, are not found.
func find(ctx context.Context, clusters *live.Clusters, name string) (place, error) {
	namespace := genericapirequest.NamespaceValue(ctx)
	kafkaName, groupID, ok := v1beta1.ParseConsumerGroupName(name)
	if !ok {
		return place{}, notFound(name, "names have the form <kafka>.<group id>, with ~ and two upper case hexadecimal digits for each byte of the id's UTF-8 "+
			"that is not a letter, a digit, '.', '_' or '-'")
	}
	k, err := clusters.Kafka(ctx, namespace, kafkaName)
	if apierrors.IsNotFound(err) {
		return place{}, notFound(name, fmt.Sprintf("there is no Kafka %q in namespace %q", kafkaName, namespace))
	}
	if err != nil {
		return place{}, err
	}
	cluster, err := clusters.Ask(ctx, k)
	if err != nil {
		return place{}, live.Unavailable(clusters.For(ctx, k.Namespace, k.Name, err))
	}
	return place{clusters: clusters, kafka: k, cluster: cluster, groupID: groupID, name: name}, nil
}

// ask is what asks the coordinator for a group: a consumer group, or one of any kind for who only looks.
type ask func(c *broker.Cluster, ctx context.Context, id string) (broker.Group, bool, error)

// group asks the coordinator; false means that there is no such group.
func (p place) group(ctx context.Context, ask ask) (broker.Group, bool, error) {
	g, found, err := ask(p.cluster, ctx, p.groupID)
	if err != nil {
		return broker.Group{}, false, refused(err, p.name, "")
	}
	return g, found, nil
}

func (p place) notFound() error {
	return notFound(p.name, fmt.Sprintf("the brokers of Kafka %q have no consumer group %q", p.kafka.Name, p.groupID))
}

func notFound(name, why string) error {
	err := apierrors.NewNotFound(resource, name)
	err.ErrStatus.Message += ": " + why
	return err
}

// refused turns a broker's refusal into an API error. The gateway has followed a group that moves, and asked again for leaders that
// were being elected, for as long as somebody may wait: a Retry-After would have clients do all of that ten times.
func refused(err error, name, field string) *apierrors.StatusError {
	status := live.Refused(err, resource, name, field)
	if apierrors.IsServiceUnavailable(status) {
		status.ErrStatus.Details.RetryAfterSeconds = 0
	}
	return status
}

// objectMeta is the metadata of a group's object. The uid is the same for as long as the Kafka is, so that events and references find it.
// There is no resourceVersion: nothing here can be watched or updated.
func objectMeta(k *kafka.Kafka, groupID string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: v1beta1.ConsumerGroupName(k.Name, groupID), Namespace: k.Namespace,
		UID: types.UID(uuid.NewSHA1(uuid.NameSpaceOID, []byte(string(k.UID)+"/kafkaconsumergroups/"+groupID)).String()),
	}
}

// view is a group as it is served, without what is known of one group only.
func view(k *kafka.Kafka, g broker.Group) kafka.KafkaConsumerGroup {
	groupType := kafka.GroupTypeClassic
	switch g.Type {
	case broker.GroupConsumer:
		groupType = kafka.GroupTypeConsumer
	case broker.GroupShare:
		groupType = kafka.GroupTypeShare
	case broker.GroupStreams:
		groupType = kafka.GroupTypeStreams
	}
	return kafka.KafkaConsumerGroup{
		ObjectMeta: objectMeta(k, g.ID),
		Spec:       kafka.KafkaConsumerGroupSpec{ClusterRef: kafka.ClusterReference{Name: k.Name}, GroupID: g.ID},
		Status:     kafka.KafkaConsumerGroupStatus{State: g.State, Type: groupType, ProtocolType: g.ProtocolType, Coordinator: g.Coordinator},
	}
}
