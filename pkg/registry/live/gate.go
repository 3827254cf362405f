package live

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// gate is before the connections of one Kafka.
type gate struct {
	identities *Identities
	kafka      *v1beta1.Kafka
	// pin is asked first: a cluster that the Kafka is not meant to be is not claimed for it. It is nil while any cluster may be meant.
	pin broker.Gate
	// tell has the status say that it is another cluster; who writes the status says so himself.
	tell bool
}

var _ broker.Gate = gate{}

// Admit implements broker.Gate.
func (g gate) Admit(ctx context.Context, clusterID string) error {
	if g.pin != nil {
		if err := g.pin.Admit(ctx, clusterID); err != nil {
			if g.tell && meta.IsStatusConditionTrue(g.kafka.Status.Conditions, v1beta1.ConditionReady) {
				g.identities.tell(klog.NewContext(context.Background(), klog.FromContext(ctx)), g.kafka)
			}
			return err
		}
	}
	i, now := g.identities, g.identities.Clock.Now()
	q := question{g.kafka.UID, g.kafka.Generation, clusterID}
	i.mu.Lock()
	v := i.verdicts[q]
	if v == nil {
		i.forget(now, q)
		v = &verdict{}
		i.verdicts[q] = v
	}
	v.used = now
	known := !v.at.IsZero()
	if known && now.Sub(v.at) < verdictFresh {
		defer i.mu.Unlock()
		return v.err
	}
	if v.flight == nil {
		v.flight = make(chan struct{})
		i.look(klog.FromContext(ctx), g.kafka, clusterID, v)
	}
	if known && now.Sub(v.at) < verdictStale {
		defer i.mu.Unlock()
		return v.err
	}
	flight := v.flight
	i.mu.Unlock()
	select {
	case <-flight:
		i.mu.Lock()
		defer i.mu.Unlock()
		return v.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
