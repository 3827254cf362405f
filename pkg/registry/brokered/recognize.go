package brokered

import (
	"context"
	"errors"

	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// unrecorded tells whether a stored object may have something that its status does not name.
func (s *Sweeper[T, H]) unrecorded(obj T, c *storage.Claim) bool {
	return len(c.Wanted) > 0 || s.unknownToStatus(obj, c)
}

// unknownToStatus tells whether a claim has an id that the object's status does not: what has it was made, and the storage failed.
func (s *Sweeper[T, H]) unknownToStatus(obj T, c *storage.Claim) bool {
	return c.ID != "" && c.ID != s.store.kind.ReportedID(obj)
}

// recognize looks for what was made for a stored object, and was not recorded: the answer was lost, who made it was killed, or the storage
// failed. It becomes the object's. What is not there after some time is not made any more, and what comes later is somebody else's. done is
// false while there is to be another look.
func (s *Sweeper[T, H]) recognize(ctx context.Context, obj T) (done bool, err error) {
	name := s.store.kind.Name(obj)
	unlock, err := s.store.locks.lock(ctx, name)
	if err != nil {
		return false, err
	}
	defer unlock()
	c, err := s.store.claims.Get(ctx, name)
	if err != nil || c == nil || c.Owner.UID != obj.GetUID() || !s.unrecorded(obj, c) {
		return err == nil, err
	}
	if fenced, err := s.store.fenced(ctx, c); err != nil || fenced {
		return false, err
	}
	id, err := s.made(ctx, obj, c)
	switch {
	case err != nil:
		return false, err
	case id != "":
		klog.FromContext(ctx).Info("What was made for an object is recorded late", "claim", name, "id", id)
		s.store.Record(ctx, obj, Outcome[T]{ID: id, Made: true, Record: func(obj T, _ int64) { s.store.kind.Report(obj, id) }})
		return false, nil
	case s.watched(c) < inFlight:
		return false, nil
	case len(c.Wanted) == 0:
		return true, nil
	}
	_, err = s.store.claims.Update(ctx, c, func(c *storage.Claim) { c.Wanted = nil })
	if errors.Is(err, storage.ErrClaimChanged) {
		// They may have been asked again meanwhile.
		err = nil
	}
	return false, err
}

// made is the id of what was made for a stored object and is not in its status; "" when nothing is there.
func (s *Sweeper[T, H]) made(ctx context.Context, obj T, c *storage.Claim) (string, error) {
	host, uid, found, err := s.store.backend.Host(ctx, c.Cluster)
	if err != nil || !found || !c.OfKafka(uid) {
		return "", err
	}
	if s.unknownToStatus(obj, c) {
		wanted, err := s.store.kind.Wanted(obj)
		if err != nil {
			return "", err
		}
		id, err := s.store.kind.Find(ctx, host, &storage.Claim{Name: c.Name, ReportedID: c.ID, ReportedAs: wanted})
		if err != nil || id == c.ID {
			return id, err
		}
	}
	asked := *c
	// Whoever has said so in the status was asked for the right to.
	asked.ReportedID = s.store.kind.ReportedID(obj)
	id, err := s.store.kind.Find(ctx, host, &asked)
	if id == c.ID {
		id = ""
	}
	return id, err
}
