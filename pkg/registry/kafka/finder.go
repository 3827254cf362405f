package kafka

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// reached is a stored Kafka with the way to its brokers.
type reached struct {
	kafka   *kafka.Kafka
	cluster *broker.Cluster
}

// meta is the metadata of a view of the Kafka.
func (t reached) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: t.kafka.Name, Namespace: t.kafka.Namespace, UID: t.kafka.UID, CreationTimestamp: t.kafka.CreationTimestamp}
}

// finder finds what subresources of Kafkas are about.
type finder struct {
	clusters *live.Clusters
}

// find finds a Kafka and the way to its brokers: those that are away are a 503. Nothing is asked of them yet.
func (f finder) find(ctx context.Context, name string) (reached, error) {
	k, err := f.clusters.Kafka(ctx, genericapirequest.NamespaceValue(ctx), name)
	if err != nil {
		return reached{}, err
	}
	return f.reach(ctx, k)
}

func (f finder) reach(ctx context.Context, k *kafka.Kafka) (reached, error) {
	cluster, err := f.clusters.Ask(ctx, k)
	if err != nil {
		return reached{}, live.Unavailable(f.clusters.For(ctx, k.Namespace, k.Name, err))
	}
	return reached{kafka: k, cluster: cluster}, nil
}

// refused is an error of a Kafka's brokers as the caller is to see it.
func (f finder) refused(ctx context.Context, t reached, err error) error {
	return live.Refused(f.clusters.For(ctx, t.kafka.Namespace, t.kafka.Name, err), kafka.Resource("kafkas"), t.kafka.Name, "")
}
