package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/stored"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// identifyTimeout bounds the look at which cluster a Kafka is; a cluster is known to be away within five seconds.
const identifyTimeout = 6 * time.Second

// reasonNotIdentified is Ready's reason of an external Kafka that only others than this server can reach.
const reasonNotIdentified = "ClusterNotIdentified"

// makers remember who writes the spec.external of Kafkas.
type makers struct {
	identities *live.Identities
}

// record is asked about a Kafka that is about to be stored.
func (m makers) record(ctx context.Context, change stored.Change) error {
	k, _ := change.New.(*kafka.Kafka)
	before, _ := change.Old.(*kafka.Kafka)
	if k == nil || change.DryRun {
		return nil
	}
	return m.identities.Made(ctx, k, before)
}

// StatusREST is kafkas/status. Which cluster a Kafka is, and whether that is its own, is not for others to say: nobody writes that a Kafka
// is ready before this server has found out.
type StatusREST struct {
	*stored.StatusREST
	clusters *live.Clusters
}

// Update implements rest.Updater.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if r.clusters.Identities != nil {
		info = rest.WrapUpdatedObjectInfo(info, r.identify)
	}
	return r.StatusREST.Update(ctx, name, info, create, update, forceAllowCreate, options)
}

// restate writes a status anew, as it is.
func (r *StatusREST) restate(ctx context.Context, of types.NamespacedName) error {
	same := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		return old.DeepCopyObject(), nil
	})
	_, _, err := r.Update(genericapirequest.WithNamespace(ctx, of.Namespace), of.Name, same, nil, nil, false, &metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("write the status of Kafka %s: %w", of, err)
	}
	return nil
}

// identify puts into a status what this server knows about the cluster.
func (r *StatusREST) identify(ctx context.Context, obj, old runtime.Object) (runtime.Object, error) {
	k, ok := obj.(*kafka.Kafka)
	before, was := old.(*kafka.Kafka)
	if !ok || !was {
		return obj, nil
	}
	external := before.Spec.External != nil
	if external {
		k.Status.ClusterID = before.Status.ClusterID
	}
	if !meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionReady) {
		return k, nil
	}
	id, err := r.clusterID(ctx, before)
	var claimed *live.ClaimedError
	var stranger *broker.NotAdmittedError
	switch {
	case err == nil && external:
		k.Status.ClusterID = id
	case errors.As(err, &claimed):
		if external && errors.As(err, &stranger) {
			k.Status.ClusterID = stranger.ID
		}
		message := fmt.Sprintf("the brokers are those of Kafka %s, and nothing is done on them for this one", claimed.By)
		for _, kind := range []string{v1beta1.ConditionReady, v1beta1.ConditionDegraded} {
			setCondition(k, before, kind, target.ReasonClusterClaimed, message, kind == v1beta1.ConditionDegraded)
		}
	case err != nil && external:
		setCondition(k, before, v1beta1.ConditionReady, reasonNotIdentified, "the API server cannot find out which cluster answers at spec.external.bootstrapServers", false)
	}
	if equality.Semantic.DeepEqual(k.Status, before.Status) {
		// Whoever said something else has tried in vain, and when is no news either: nothing is written.
		k.ManagedFields = before.ManagedFields
	}
	return k, nil
}

// clusterID asks the brokers of which cluster they are, and whether that may be this Kafka's.
func (r *StatusREST) clusterID(ctx context.Context, k *kafka.Kafka) (string, error) {
	cluster, err := r.clusters.Connect(k)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	info, err := cluster.Describe(ctx)
	return info.ID, err
}

// setCondition writes a condition in the place of what others say of it, and keeps since when it says so.
func setCondition(k, before *kafka.Kafka, kind, reason, message string, status bool) {
	meta.RemoveStatusCondition(&k.Status.Conditions, kind)
	if was := meta.FindStatusCondition(before.Status.Conditions, kind); was != nil {
		k.Status.Conditions = append(k.Status.Conditions, *was)
	}
	condition := metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: k.Status.ObservedGeneration}
	if status {
		condition.Status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&k.Status.Conditions, condition)
}
