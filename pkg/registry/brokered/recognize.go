package brokered

import (
	"context"

	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// recognize looks for what was made for a stored object, and was not recorded: the answer was lost, who made it was killed, or the storage
// failed. It becomes the object's. What is not there after some time is not made any more, and what comes later is somebody else's.
func (s *Sweeper[T, H]) recognize(ctx context.Context, obj T) error {
	name := s.store.kind.Name(obj)
	unlock, err := s.store.locks.lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := s.store.claims.Get(ctx, name)
	if err != nil || c == nil || c.Owner.UID != obj.GetUID() || len(c.Wanted) == 0 {
		return err
	}
	if fenced, err := s.store.fenced(ctx, c); err != nil || fenced {
		return err
	}
	host, uid, found, err := s.store.backend.Host(ctx, c.Cluster)
	if err != nil {
		return err
	}
	id := ""
	if found && c.OfKafka(uid) {
		// Whoever has said so in the status was asked for the right to.
		c.ReportedID = s.store.kind.ReportedID(obj)
		if id, err = s.store.kind.Find(ctx, host, c); err != nil {
			return err
		}
	}
	switch {
	case id != "" && id != c.ID:
		klog.FromContext(ctx).Info("What was made for an object is recorded late", "claim", name, "id", id)
		s.store.Record(ctx, obj, Outcome[T]{ID: id, Made: true, Record: func(obj T, _ int64) { s.store.kind.Report(obj, id) }})
		return nil
	case s.watched(c) < inFlight:
		return nil
	}
	return s.store.changeClaim(ctx, name, c.Owner, func(c *storage.Claim) bool {
		changed := len(c.Wanted) > 0
		c.Wanted = nil
		return changed
	})
}
