package live

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// NoKafkaError says that a Kafka does not exist to which an object refers.
type NoKafkaError struct{ Namespace, Name string }

func (e *NoKafkaError) Error() string {
	return fmt.Sprintf("there is no Kafka %q in namespace %q", e.Name, e.Namespace)
}

// Brokers are the backend of what Kafka's brokers keep; see brokered.Backend.
type Brokers struct{ *Clusters }

// Host implements brokered.Backend.
func (b Brokers) Host(ctx context.Context, of types.NamespacedName) (*broker.Cluster, types.UID, bool, error) {
	k, err := b.Kafka(ctx, of.Namespace, of.Name)
	if apierrors.IsNotFound(err) {
		return nil, "", false, nil
	}
	if err != nil {
		return nil, "", false, err
	}
	cluster, err := b.Ask(ctx, k)
	return cluster, Identity(k), err == nil, err
}

// Identity tells a Kafka from a later one of its name, and from what it was while it stood for another cluster: its uid, and where it is pinned to
// a cluster that somebody else runs the id of that (storage.OnCluster).
func Identity(k *kafka.Kafka) types.UID {
	if v, err := versioned(k); err == nil {
		if id := target.Pinned(v); id != "" {
			first := k.Status.FirstClusterID
			return storage.OnCluster(k.UID, id, id != first && (first != "" || k.Spec.External.ClusterID != ""))
		}
	}
	return k.UID
}

// Same implements brokered.Backend.
func (b Brokers) Same(ctx context.Context, of types.NamespacedName) ([]types.NamespacedName, error) {
	return b.Twins(ctx, of)
}

// Away implements brokered.Backend. A Kafka that does not exist has no brokers that anybody could ask.
func (Brokers) Away(err error) bool {
	var missing *NoKafkaError
	return errors.As(err, &missing) || IsAway(err)
}

// Unknown implements brokered.Backend.
func (Brokers) Unknown(err error) bool {
	var status apierrors.APIStatus
	return kafkaerr.IsUnknownOutcome(err) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &status) && apierrors.IsTimeout(err)
}

// Refused implements brokered.Backend.
func (Brokers) Refused(err error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	return Refused(err, gr, name, field)
}
