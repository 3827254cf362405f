package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// Twins are the other Kafkas that may be the cluster that a Kafka is: the one that claims it, and those whose makers have the verb "own" on
// that one. Which cluster a Kafka is, this server has heard from its brokers or reads in its status: a Kafka of which neither says so is
// nobody's twin yet.
func (c *Clusters) Twins(ctx context.Context, of types.NamespacedName) ([]types.NamespacedName, error) {
	if c.Identities == nil {
		return nil, nil
	}
	k, err := c.find(ctx, of)
	if err != nil || k == nil {
		return nil, err
	}
	id := c.Identities.heard(k.UID)[k.UID]
	if id == "" {
		id = k.Status.ClusterID
	}
	if id == "" {
		return nil, nil
	}
	return c.Identities.twins(ctx, k, id)
}

// twins are the Kafkas but one that may be a cluster.
func (i *Identities) twins(ctx context.Context, k *kafka.Kafka, clusterID string) ([]types.NamespacedName, error) {
	first, err := i.Claims.Get(ctx, clusterID)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	var twins []types.NamespacedName
	if first != nil && first.Owner.UID != k.UID {
		// The cache may not know it yet.
		owned, err := i.stored(ctx, first.Owner)
		if err != nil {
			return nil, err
		}
		if owned {
			twins = append(twins, types.NamespacedName{Namespace: first.Owner.Namespace, Name: first.Owner.Name})
		}
	}
	obj, err := i.Kafkas.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("list the Kafkas: %w", err)
	}
	items := obj.(*kafka.KafkaList).Items
	said := i.heard("")
	for n := range items {
		other := &items[n]
		if other.UID == k.UID || first != nil && other.UID == first.Owner.UID {
			continue
		}
		heard := said[other.UID] == clusterID
		if !heard && other.Status.ClusterID != clusterID {
			continue
		}
		v, err := versioned(other)
		if err != nil {
			return nil, err
		}
		if !heard && target.Claimed(v) {
			// Whose maker had no right to it when that was last asked. Anybody can make many of them.
			continue
		}
		var claimed *ClaimedError
		switch err := i.compare(ctx, v, clusterID); {
		case err == nil:
			twins = append(twins, types.NamespacedName{Namespace: other.Namespace, Name: other.Name})
		case !errors.As(err, &claimed):
			return nil, err
		}
	}
	return twins, nil
}

// heard are the clusters that the brokers of a Kafka, or of all with "", said last that they are, and that the Kafka may be. A Kafka whose
// brokers this server has not asked for long is not among them.
func (i *Identities) heard(kafka types.UID) map[types.UID]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	said, last := map[types.UID]string{}, map[types.UID]time.Time{}
	for q, v := range i.verdicts {
		if (kafka == "" || q.uid == kafka) && v.err == nil && !v.at.IsZero() && !v.used.Before(last[q.uid]) {
			said[q.uid], last[q.uid] = q.clusterID, v.used
		}
	}
	return said
}
