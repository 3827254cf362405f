package brokered

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// A host carries out what it did not answer however late: one that was stopped reads it from its sockets when it goes on. What was asked for may
// be there by another request long before, and be deleted with its object, so that the claim of a deleted object stays for as long as
// something may come, for whoever wants the name to take over at once.

const (
	// lateFor is how long after a request without an answer what it asks for may come. How long a host stands still nobody can say; whoever
	// operates it, or its liveness probe, has started it anew by then, and what was in its sockets is gone.
	lateFor = time.Hour
	// forwardedFor is how long a request is on its way although no host stands still: Kafka's brokers hand it to the controller for a minute, and
	// wait for each answer for half of one (retryTimeoutMs in BrokerServer, controller.socket.timeout.ms).
	forwardedFor = 2 * time.Minute
)

// sight is what was seen of a name under which something may come late.
type sight struct {
	// without are the members of the host that served when nothing had the name, as of at; nil when that was not seen.
	without []string
	at      time.Time
	// of is the host that was looked at, which is another one when its uid is.
	of types.UID
	// since is when something was first seen to have it after that.
	since time.Time
}

// awaited tells whether something may still come that was asked for, and not answered. Clocks jump: by a wrong time nothing is deleted that would
// not be by a right one, and something may stay.
func (s *Store[T, H]) awaited(c *storage.Claim) bool {
	return len(c.Unanswered) > 0 && !c.Retain && s.clock.Since(c.Asked) < lateFor
}

// await notes in a claim that something was asked for now and may come late.
func (s *Store[T, H]) await(c *storage.Claim, wanted json.RawMessage) {
	if !s.awaited(c) {
		c.Unanswered = nil
	}
	c.Await(wanted)
	if age := s.clock.Since(c.Asked); age < 0 || age > askedAgain {
		c.Asked = s.clock.Now()
	}
}

// Lost notes that what an object wants was asked for, and not answered. The object may be gone, and the name another's: the claim of that one says
// so then, or a new one. absent says that brokers did not have it when they were asked, so that what is found at once was made for the object.
func (s *Store[T, H]) Lost(ctx context.Context, obj T, absent bool) error {
	wanted, err := s.kind.Wanted(obj)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	retain, _ := s.kind.Retain(obj)
	if wanted == nil || retain {
		return nil
	}
	uid, err := s.askedHost(ctx, obj)
	if err != nil {
		return err
	}
	name := s.kind.Name(obj)
	note := func(c *storage.Claim) {
		moveTo(c, uid)
		s.await(c, wanted)
		if absent && c.Owner.UID == obj.GetUID() {
			c.Want(wanted)
		}
	}
	for range claimRetries {
		standing, err := s.claims.Get(ctx, name)
		switch {
		case err != nil:
			return apierrors.NewInternalError(err)
		case standing == nil:
			// Whoever may write the status of objects could have this kept of any number that never were.
			if err := s.room(obj); err != nil {
				return err
			}
			tombstone := storage.Claim{Name: name, ClusterUID: uid, Owner: ownerOf(obj), Since: s.clock.Now()}
			note(&tombstone)
			if standing, err = s.claims.Take(ctx, tombstone, ""); err == nil {
				s.outlives(standing)
			}
		case !standing.OfKafka(uid), standing.Name != name:
			return nil
		default:
			if standing, err = s.claims.Update(ctx, standing, note); err == nil && standing.Owner.UID == obj.GetUID() {
				// The object may be there still: the next look tells.
				s.outlives(standing)
			}
		}
		var claimed *storage.ClaimedError
		switch {
		case err == nil:
			s.Sweeper.Check(name, requestFirst)
			return nil
		case !errors.Is(err, storage.ErrClaimChanged) && !errors.As(err, &claimed):
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), errBusy)
}

// await looks for what may come late for a deleted object, which has nothing else any more, and deletes it. done is false as long as something
// may come. What has the name and is not as it was asked for, or cannot have come so, is somebody's, and stays.
func (s *Sweeper[T, H]) await(ctx context.Context, c *storage.Claim) (done bool, err error) {
	kind := s.store.kind
	host, uid, found, err := s.store.backend.Host(ctx, c.Cluster)
	if err != nil {
		return false, err
	}
	if !found || s.watched(c) >= lateFor {
		return true, s.store.claims.Drop(ctx, c)
	}
	// Before the name is looked for: who comes back in between did not serve without it.
	members, err := kind.Members(ctx, host)
	if err != nil {
		return false, err
	}
	if !c.OfKafka(uid) {
		// It has answered, so that the id of the cluster is not mistyped.
		return true, s.store.claims.Drop(ctx, c)
	}
	id, there, err := kind.Has(ctx, host, c.Name)
	if err != nil || there && slices.Contains(tombstoned(c), id) {
		return false, err
	}
	if len(c.Wanted)+len(c.TombstonedIDs) > 0 || c.ID+c.ReportedID != "" || c.WithoutID != nil {
		if c, err = s.store.claims.Update(ctx, c, func(c *storage.Claim) {
			c.ID, c.WithoutID, c.TombstonedIDs, c.Wanted, c.ReportedID, c.ReportedAs = "", nil, nil, nil, "", nil
		}); err != nil {
			return false, err
		}
	}
	if !there {
		s.pending.see(c.Name, sight{without: members, at: s.store.clock.Now(), of: uid})
		return false, nil
	}
	mine, err := kind.Find(ctx, host, &storage.Claim{Name: c.Name, Wanted: c.Unanswered})
	if err != nil {
		return false, err
	}
	switch {
	case mine == "" || mine != id:
		// While it is there nothing else is made of the name.
		return true, s.store.claims.Drop(ctx, c)
	case s.late(c, uid, members):
		klog.FromContext(ctx).Info("What was asked for a deleted object came late, and goes", "claim", c.Name, "id", mine)
		// Whoever takes the name meanwhile sees by the id that it goes.
		if c, err = s.store.claims.Update(ctx, c, func(c *storage.Claim) {
			c.ID = mine
			c.Unprove(mine)
		}); err != nil {
			return false, err
		}
		kept, err := s.remove(ctx, c, []string{mine})
		if err == nil && kept {
			return true, s.store.claims.Drop(ctx, c)
		}
		if s.store.backend.Unknown(err) {
			// It may go yet, so that nobody is to have it.
			return false, err
		}
		// By the time of another try somebody may use it, so that it is looked at anew.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
		defer cancel()
		_, forgetErr := s.store.claims.Update(ctx, c, func(c *storage.Claim) { c.ID = "" })
		return false, errors.Join(err, forgetErr)
	case s.pending.seen(c.Name, s.store.clock.Now()) < inFlight:
		// Who made it may be served by others a moment before it serves, and another server may know more.
		return false, nil
	}
	return true, s.store.claims.Drop(ctx, c)
}

// late tells whether what has the name of a claim by now, and had not when it was last looked at, may have come by a request without an answer:
// a moment after that was sent, or when one of the host's members has begun to serve since. A look of longer ago, as after an outage, in which
// people make by hand what was lost, tells nothing.
func (s *Sweeper[T, H]) late(c *storage.Claim, uid types.UID, members []string) bool {
	last := s.pending.sight(c.Name)
	without := last.without
	if without == nil || last.of != uid || s.store.clock.Since(last.at) > inFlight {
		return false
	}
	age := s.store.clock.Since(c.Asked)
	return age >= 0 && age < forwardedFor || slices.ContainsFunc(members, func(member string) bool { return !slices.Contains(without, member) })
}

// came is late for who creates an object of the name.
func (s *Sweeper[T, H]) came(ctx context.Context, host H, uid types.UID, c *storage.Claim) (bool, error) {
	members, err := s.store.kind.Members(ctx, host)
	return err == nil && s.late(c, uid, members), err
}
