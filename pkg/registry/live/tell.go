package live

import (
	"context"
	"errors"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// border is around where the brokers of one Kafka may be. Brokers advertise addresses as they like, also long after the Kafka became ready.
type border struct {
	broker.Addresses
	identities *Identities
	kafka      *v1beta1.Kafka
}

var _ broker.Addresses = border{}

// IP implements broker.Addresses.
func (b border) IP(ctx context.Context, ip netip.Addr) error {
	err := b.Addresses.IP(ctx, ip)
	// Of a Kafka that is not ready the status says why.
	if err != nil && !errors.Is(err, broker.ErrAddressUnknown) && meta.IsStatusConditionTrue(b.kafka.Status.Conditions, v1beta1.ConditionReady) {
		b.identities.tell(klog.NewContext(context.Background(), klog.FromContext(ctx)), b.kafka)
	}
	return err
}

// tell has the status of a Kafka say what has come out about its brokers, and asks them for that. It begins no more often than verdicts are
// renewed: a request may meet the same broker again and again, and so does the look for the status.
func (i *Identities) tell(ctx context.Context, k *v1beta1.Kafka) {
	of := types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
	if !i.toTell(k.UID) {
		return
	}
	ctx = genericapirequest.WithNamespace(ctx, k.Namespace)
	crash.Go(func() error {
		ctx, cancel := context.WithTimeout(ctx, restateTimeout)
		defer cancel()
		return i.Restate(ctx, of)
	}, func(err error) {
		// Who finds it out next has it said again.
		if err != nil && !apierrors.IsNotFound(err) {
			klog.FromContext(ctx).Error(err, "Status not written of a Kafka with brokers that it must not have", "kafka", of)
		}
	})
}

func (i *Identities) toTell(kafka types.UID) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.Clock.Now()
	for uid, at := range i.told {
		if now.Sub(at) >= verdictFresh {
			delete(i.told, uid)
		}
	}
	if _, told := i.told[kafka]; told {
		return false
	}
	if i.told == nil {
		i.told = map[types.UID]time.Time{}
	}
	i.told[kafka] = now
	return true
}
