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
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
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
	if r.clusters.Identities == nil {
		return r.StatusREST.Update(ctx, name, info, create, update, forceAllowCreate, options)
	}
	var before *kafka.Kafka
	info = rest.WrapUpdatedObjectInfo(info, func(ctx context.Context, obj, old runtime.Object) (runtime.Object, error) {
		before, _ = old.(*kafka.Kafka)
		return r.identify(ctx, obj, old)
	})
	out, created, err := r.StatusREST.Update(ctx, name, info, create, update, forceAllowCreate, options)
	if err != nil || dryrun.IsDryRun(options.DryRun) {
		return out, created, err
	}
	return r.claim(ctx, out, before), created, nil
}

// claim claims the cluster that a Kafka which is run here is by its status, now that the status is stored: a write that is only tried, or
// refused in the end, claims nothing. It returns what is stored then.
func (r *StatusREST) claim(ctx context.Context, out runtime.Object, before *kafka.Kafka) runtime.Object {
	k, ok := out.(*kafka.Kafka)
	if !ok || before == nil || k.Spec.External != nil || k.Status.ClusterID == "" || k.Status.ClusterID == before.Status.ClusterID {
		return out
	}
	err := r.clusters.Claim(ctx, k)
	var claimed *live.ClaimedError
	if errors.As(err, &claimed) {
		// Another one has claimed it since this one was judged: nothing is started as it either.
		takeBack := rest.DefaultUpdatedObjectInfo(nil, func(ctx context.Context, _, old runtime.Object) (runtime.Object, error) {
			is, ok := old.DeepCopyObject().(*kafka.Kafka)
			if !ok || is.Status.ClusterID != k.Status.ClusterID {
				return old, nil
			}
			reset(is, before)
			setWrong(ctx, is, before, wrong(before, claimed))
			return is, nil
		})
		var taken runtime.Object
		if taken, _, err = r.StatusREST.Update(ctx, k.Name, takeBack, nil, nil, false, &metav1.UpdateOptions{}); err == nil {
			return taken
		}
	}
	if err != nil {
		// Identities.Run claims it, or has the status say whose it is.
		klog.FromContext(ctx).Error(err, "Cluster not claimed", "kafka", klog.KObj(k), "clusterID", k.Status.ClusterID)
	}
	return out
}

// reset makes a status what it was, but for what it says about it.
func reset(k, before *kafka.Kafka) {
	observed, conditions := k.Status.ObservedGeneration, k.Status.Conditions
	k.Status = *before.Status.DeepCopy()
	k.Status.ObservedGeneration, k.Status.Conditions = observed, conditions
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
	if before.Spec.External == nil {
		k.Status.PinnedClusterID, k.Status.FirstClusterID = "", ""
		r.identifyOurs(ctx, k, before)
	} else if err := r.identifyTheirs(ctx, k, before); err != nil {
		return nil, err
	}
	if equality.Semantic.DeepEqual(k.Status, before.Status) {
		// Whoever said something else has tried in vain, and when is no news either: nothing is written.
		k.ManagedFields = before.ManagedFields
	}
	return k, nil
}

// identifyTheirs asks the brokers of an external Kafka of which cluster they are. Which it was stays written as long as that may be its own:
// Ready's reason is another one with the next write, and who has no claims to look at goes by the id. What it is pinned to stays in any case.
func (r *StatusREST) identifyTheirs(ctx context.Context, k, before *kafka.Kafka) error {
	k.Status.ClusterID, k.Status.PinnedClusterID = before.Status.ClusterID, before.Status.PinnedClusterID
	if k.Status.PinnedClusterID == "" && !isClaimed(before) {
		k.Status.PinnedClusterID = before.Status.ClusterID
	}
	if k.Status.FirstClusterID = before.Status.FirstClusterID; k.Status.FirstClusterID == "" {
		k.Status.FirstClusterID = k.Status.PinnedClusterID
	}
	ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
	if ready != nil && (ready.Status == metav1.ConditionTrue || ready.Reason == target.ReasonBrokersUnreachable) {
		id, err := r.clusterID(ctx, before)
		why := wrong(before, err)
		switch {
		case err == nil:
			k.Status.ClusterID, k.Status.PinnedClusterID = id, id
			if k.Status.FirstClusterID == "" {
				k.Status.FirstClusterID = id
			}
			return nil
		case why != nil:
			setWrong(ctx, k, before, why)
			var stranger *kafkaerr.NotAdmittedError
			if errors.As(err, &stranger) && why.claimed != nil {
				k.Status.ClusterID = stranger.ID
			}
		case ready.Status == metav1.ConditionTrue:
			setCondition(k, before, v1beta1.ConditionReady, reasonNotIdentified, "the API server cannot find out which cluster answers at spec.external.bootstrapServers", false)
		}
	}
	return r.disown(ctx, k, before)
}

// disown takes the id of a cluster out of the status of an external Kafka that may not be that cluster. It asks no broker. A Kafka that was
// ClusterClaimed was not admitted to the one whose id it has, whoever has that by now; as long as its status says so, the id stays.
func (r *StatusREST) disown(ctx context.Context, k, before *kafka.Kafka) error {
	if k.Status.ClusterID == "" || isClaimed(k) {
		return nil
	}
	if !isClaimed(before) {
		err := r.clusters.Owns(ctx, before, k.Status.ClusterID)
		var claimed *live.ClaimedError
		if !errors.As(err, &claimed) {
			return err
		}
	}
	k.Status.ClusterID = ""
	return nil
}

func isClaimed(k *kafka.Kafka) bool {
	ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Reason == target.ReasonClusterClaimed
}

// identifyOurs judges the cluster that a Kafka which is run here is said to be: a claim on a volume says so, and who wrote that is not
// known. As long as it is another's, it is not this one's, and nothing is started as it. It changes no claim.
func (r *StatusREST) identifyOurs(ctx context.Context, k, before *kafka.Kafka) {
	ready := meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionReady)
	var err error
	if id := k.Status.ClusterID; id != "" {
		err = r.clusters.Owns(ctx, before, id)
	}
	why := wrong(before, err)
	switch {
	case why != nil && before.Status.ClusterID == "":
		reset(k, before)
	case why == nil && ready:
		_, err = r.clusterID(ctx, before)
		why = wrong(before, err)
	}
	if why != nil {
		setWrong(ctx, k, before, why)
	}
}

// wrongBrokers is why nothing is done on the brokers of a Kafka for it.
type wrongBrokers struct {
	reason, message string
	// claimed is whose they are; nil when that is not why.
	claimed *live.ClaimedError
}

// wrong is why brokers must not be those of a Kafka: they are another's, or where none may be. It is nil of an error that says anything
// else, such as that one is away.
func wrong(before *kafka.Kafka, err error) *wrongBrokers {
	var claimed *live.ClaimedError
	if errors.As(err, &claimed) {
		// Whose is for who may get that one, and the status of this one is read by others.
		return &wrongBrokers{target.ReasonClusterClaimed, "the brokers are those of another Kafka, and nothing is done on them for this one", claimed}
	}
	var first *wrongBrokers
	said := meta.FindStatusCondition(before.Status.Conditions, v1beta1.ConditionReady)
	for _, objection := range kafkaerr.SecurityErrors(err) {
		if objection.Reason != kafkaerr.ReasonAddressNotAllowed && objection.Reason != kafkaerr.ReasonClusterReplaced {
			continue
		}
		why := &wrongBrokers{reason: objection.Reason, message: objection.Text}
		if said != nil && said.Reason == why.reason && said.Message == why.message {
			// Which of several is found first is no news.
			return why
		}
		if first == nil {
			first = why
		}
	}
	return first
}

// setWrong says that the brokers of a Kafka must not be its own.
func setWrong(ctx context.Context, k, before *kafka.Kafka, why *wrongBrokers) {
	said := meta.FindStatusCondition(before.Status.Conditions, v1beta1.ConditionReady)
	if why.claimed != nil && (said == nil || said.Reason != why.reason) {
		klog.FromContext(ctx).Info("The brokers of a Kafka are another's", "kafka", klog.KObj(k), "clusterID", why.claimed.ClusterID, "owner", why.claimed.By)
	}
	for _, kind := range []string{v1beta1.ConditionReady, v1beta1.ConditionDegraded} {
		setCondition(k, before, kind, why.reason, why.message, kind == v1beta1.ConditionDegraded)
	}
	if meta.IsStatusConditionTrue(k.Status.Conditions, v1beta1.ConditionProgressing) {
		setCondition(k, before, v1beta1.ConditionProgressing, why.reason, why.message, false)
	}
	// What they have and allow is not this Kafka's, and not for who sees it.
	meta.RemoveStatusCondition(&k.Status.Conditions, v1beta1.ConditionAuthorized)
	k.Status.Brokers, k.Status.UnreachableBrokers = kafka.BrokerCounts{}, nil
}

// clusterID asks the brokers of which cluster they are, and whether that may be this Kafka's. Each is asked: one that answers for itself may
// name those of another cluster as the rest of its own, at which requests end.
func (r *StatusREST) clusterID(ctx context.Context, k *kafka.Kafka) (string, error) {
	cluster, err := r.clusters.Observe(k)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	info, err := cluster.Describe(ctx)
	if err != nil {
		return "", err
	}
	versions, err := cluster.BrokerVersions(ctx)
	if err != nil {
		return "", err
	}
	var answers []error
	serving := false
	for _, version := range versions {
		answers = append(answers, version.Err)
		serving = serving || version.Err == nil
	}
	// One broker that is of another cluster than it is meant to be is left out of what is asked, and the others serve.
	if err := errors.Join(answers...); wrong(k, err) != nil && (wrong(k, err).reason != kafkaerr.ReasonClusterReplaced || !serving) {
		return "", err
	}
	return info.ID, nil
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
