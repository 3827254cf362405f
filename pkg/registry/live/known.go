package live

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Known is Kafka for those who may be some milliseconds late, which spares them a question to etcd.
func (c *Clusters) Known(ctx context.Context, namespace, name string) (*kafka.Kafka, error) {
	obj, err := c.Kafkas.Get(genericapirequest.WithNamespace(ctx, namespace), name, &metav1.GetOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	k, ok := obj.(*kafka.Kafka)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("read Kafka %s/%s: got %T", namespace, name, obj))
	}
	return k, nil
}

// Reach is Known and Connect for reads. What the cache does not have, has not up yet, or has as another's cluster or where none may be is read
// freshly.
func (c *Clusters) Reach(ctx context.Context, namespace, name string) (*broker.Cluster, error) {
	k, err := c.Known(ctx, namespace, name)
	if err == nil {
		var cluster *broker.Cluster
		if cluster, err = c.Ask(ctx, k); err == nil {
			return cluster, nil
		}
	}
	var claimed *ClaimedError
	if !apierrors.IsNotFound(err) && !errors.Is(err, ErrNotUp) && !errors.As(err, &claimed) && len(kafkaerr.SecurityErrors(err)) == 0 {
		return nil, err
	}
	if k, err = c.Kafka(ctx, namespace, name); err != nil {
		return nil, err
	}
	return c.Ask(ctx, k)
}
