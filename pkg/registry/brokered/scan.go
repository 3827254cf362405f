package brokered

import (
	"context"
	"errors"
	"hash/maphash"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// scan looks for claims that owe a deletion or have no owner, and for objects without a claim, and tells whether it could. Of objects it
// sees the watch cache's; what that does not know yet is looked up again before anything is done.
func (s *Sweeper[T, H]) scan(ctx context.Context) bool {
	err := s.scanOnce(ctx)
	if err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "Claims not looked through, will try again")
	}
	return err == nil
}

func (s *Sweeper[T, H]) scanOnce(ctx context.Context) error {
	if s.guard.Err() != nil {
		if err := s.guard.Verify(ctx); err != nil {
			return err
		}
	}
	// The names that objects hold are kept as hashes: of a hundred thousand objects these are some megabytes, and a list of the objects hundreds.
	held, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	byCluster := map[types.NamespacedName][]storage.Name{}
	holds := func(owner types.UID, name storage.Name) uint64 {
		return maphash.Comparable(seed, holder{owner, name})
	}
	if err := s.store.claims.List(ctx, func(c *storage.Claim) error {
		owner, stored, err := s.seen(ctx, c)
		if err != nil {
			return err
		}
		if len(c.TombstonedIDs) > 0 || !stored || s.unrecorded(owner, c) {
			s.pending.add(c.Name, s.store.clock.Now())
		}
		if !stored {
			s.store.outlives(c)
		}
		if len(c.Wanted)+len(c.Unanswered) > 0 || c.WithoutID != nil {
			byCluster[c.Cluster] = append(byCluster[c.Cluster], c.Name)
		}
		if stored {
			held[holds(c.Owner.UID, c.Name)] = struct{}{}
		}
		return nil
	}); err != nil {
		return err
	}
	s.placeAll(ctx, byCluster)

	for options := (&metainternalversion.ListOptions{Limit: scanPage}); ; {
		list, err := s.store.List(inNamespace(ctx, metav1.NamespaceAll), options)
		if err != nil {
			return err
		}
		if err := meta.EachListItem(list, func(obj runtime.Object) error {
			if o, ok := obj.(T); ok {
				if _, claimed := held[holds(o.GetUID(), s.store.kind.Name(o))]; !claimed {
					s.restore(ctx, o)
				}
			}
			return nil
		}); err != nil {
			return err
		}
		page, err := meta.ListAccessor(list)
		if err != nil || page.GetContinue() == "" {
			return err
		}
		options.Continue = page.GetContinue()
	}
}

// placeAll is place for the claims of many clusters, beside all else: brokers that are silent hold up nothing but this.
func (s *Sweeper[T, H]) placeAll(ctx context.Context, byCluster map[types.NamespacedName][]storage.Name) {
	if len(byCluster) == 0 || !s.placing.CompareAndSwap(false, true) {
		return
	}
	crash.Go(func() error {
		for cluster, names := range byCluster {
			if err := s.place(ctx, cluster, names); err != nil && !s.store.backend.Away(err) {
				// The next scan tries again, and the other clusters have nothing to do with it.
				klog.FromContext(ctx).Info("Which cluster claims are about is not in them yet", "kafka", cluster, "err", err)
			}
		}
		return nil
	}, func(error) { s.placing.Store(false) })
}

// place writes to claims that say what was asked of a host, and not which cluster that stood for, which one it is: they were written before that was
// known. A host that stands for another cluster one day does not have what was asked of this one.
func (s *Sweeper[T, H]) place(ctx context.Context, cluster types.NamespacedName, names []storage.Name) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	host, uid, found, err := s.store.backend.Host(ctx, cluster)
	if err != nil || !found {
		return err
	}
	answered := false
	for _, name := range names {
		c, err := s.store.claims.Get(ctx, name)
		if err != nil {
			return err
		}
		if c == nil || !c.OfKafka(uid) || c.ClusterUID != "" && !c.Lacks(uid) {
			continue
		}
		if !answered {
			// The id may be mistyped as long as nobody has answered who has it.
			if _, err := s.store.kind.Members(ctx, host); err != nil {
				return err
			}
			answered = true
		}
		if _, err := s.store.claims.Update(ctx, c, func(c *storage.Claim) { moveTo(c, uid) }); err != nil && !errors.Is(err, storage.ErrClaimChanged) {
			return err
		}
	}
	return nil
}

// scanPage is how many objects a scan has in memory at a time.
const scanPage = 500

// holder is an object that holds a name.
type holder struct {
	owner types.UID
	name  storage.Name
}

// seen is the owner of a claim if the watch cache has it.
func (s *Sweeper[T, H]) seen(ctx context.Context, c *storage.Claim) (owner T, stored bool, err error) {
	var none T
	obj, err := s.store.Get(inNamespace(ctx, c.Owner.Namespace), c.Owner.Name, &metav1.GetOptions{ResourceVersion: "0"})
	if apierrors.IsNotFound(err) {
		return none, false, nil
	}
	if err != nil {
		return none, false, err
	}
	o, ok := obj.(T)
	return o, ok && o.GetUID() == c.Owner.UID, nil
}

// restore claims the name of a stored object whose claim was lost, so that no second object can have it. When it is another's by now,
// both stay as they are: whose it is is for people to decide.
func (s *Sweeper[T, H]) restore(ctx context.Context, listed T) {
	standing, err := s.store.claims.Get(ctx, s.store.kind.Name(listed))
	if err != nil || standing != nil && standing.Owner.UID == listed.GetUID() {
		// It was taken since the claims were looked through.
		return
	}
	obj, err := s.store.newest(ctx, listed)
	if err != nil || obj.GetUID() != listed.GetUID() || obj.GetDeletionTimestamp() != nil {
		return
	}
	retain, _ := s.store.kind.Retain(obj)
	claim := storage.Claim{Name: s.store.kind.Name(obj), Owner: ownerOf(obj), Retain: retain, Since: s.store.clock.Now()}
	_, err = s.store.claims.Take(ctx, claim, "")
	klog.FromContext(ctx).Info("An object had no claim on its name", "claim", claim.Name, "owner", claim.Owner, "err", err)
}
