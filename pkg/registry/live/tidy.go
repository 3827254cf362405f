package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

const (
	// tidyEvery is how often claims and makers are compared with the Kafkas.
	tidyEvery = 30 * time.Second
	// makerPatience is how long makers are remembered of a Kafka that is not stored: it may be about to be.
	makerPatience = 5 * time.Minute
)

// Run keeps claims, makers and statuses together until ctx ends.
func (i *Identities) Run(ctx context.Context) {
	ticker := i.Clock.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			if err := i.tidy(ctx); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Claims on clusters not looked through")
			}
		}
	}
}

// tidy drops what is kept of Kafkas that are gone, claims for those that are run here what their statuses say and nobody has claimed, and
// has those say so whose cluster has become another's.
func (i *Identities) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tidyEvery)
	defer cancel()
	// In this order: what is claimed after the Kafkas were listed is not looked at.
	claims, err := i.Claims.List(ctx)
	if err != nil {
		return err
	}
	makers, err := i.Makers.Kafkas(ctx)
	if err != nil {
		return err
	}
	obj, err := i.Kafkas.List(genericapirequest.WithNamespace(ctx, metav1.NamespaceAll), &metainternalversion.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the Kafkas: %w", err)
	}
	stored := map[types.UID]*kafka.Kafka{}
	items := obj.(*kafka.KafkaList).Items
	for n := range items {
		stored[items[n].UID] = &items[n]
	}
	holders := map[string]types.UID{}
	var failures []error
	for _, claim := range claims {
		if stored[claim.Owner.UID] != nil {
			holders[claim.ClusterID] = claim.Owner.UID
		} else if err := i.Claims.Drop(ctx, claim); err != nil && !errors.Is(err, storage.ErrClaimChanged) {
			failures = append(failures, err)
		}
	}
	failures = append(failures, i.forgetMakers(ctx, makers, stored))
	for uid, k := range stored {
		holder, claimed := holders[k.Status.ClusterID]
		if !claimed && k.Spec.External == nil && k.Status.ClusterID != "" {
			// Another one may have come first by now, which the next look finds.
			var another *ClaimedError
			if err := i.claim(ctx, k); err != nil && !errors.As(err, &another) {
				failures = append(failures, err)
			}
			continue
		}
		ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
		if !claimed || holder == uid || ready == nil || ready.Reason == target.ReasonClusterClaimed {
			continue
		}
		if err := i.Restate(ctx, types.NamespacedName{Namespace: k.Namespace, Name: k.Name}); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// forgetMakers forgets those of Kafkas that have not been stored for long.
func (i *Identities) forgetMakers(ctx context.Context, makers []types.UID, stored map[types.UID]*kafka.Kafka) error {
	now := i.Clock.Now()
	missed := map[types.UID]time.Time{}
	var failures []error
	for _, uid := range makers {
		if stored[uid] != nil {
			continue
		}
		since, known := i.missed[uid]
		if !known {
			since = now
		}
		if now.Sub(since) < makerPatience {
			missed[uid] = since
		} else if err := i.Makers.Forget(ctx, uid); err != nil {
			failures = append(failures, err)
		}
	}
	i.missed = missed
	return errors.Join(failures...)
}
