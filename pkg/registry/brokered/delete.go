package brokered

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// noteDeletion makes the claim carry all that is needed to delete what an object has on the brokers when the object is gone. It is
// called for the version of the object that is deleted, and with the last one, whose spec decides what stays.
func (s *Store[T, H]) noteDeletion(ctx context.Context, obj, lastVersion runtime.Object) error {
	o, ok := obj.(T)
	last, same := lastVersion.(T)
	if !ok || !same {
		return nil
	}
	wanted, err := s.kind.Wanted(o)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	note := func(c *storage.Claim) bool {
		before := *c
		// What the last spec leaves open, the claim knows.
		if retain, said := s.kind.Retain(last); said {
			c.Retain = retain
		}
		c.Server, c.ReportedID, c.ReportedAs = "", "", nil
		switch id := s.kind.ReportedID(o); {
		case c.Retain:
			c.Wanted, c.Unanswered = nil, nil
		case id != "" && id != c.ID:
			c.ReportedID, c.ReportedAs = id, wanted
		}
		return !reflect.DeepEqual(before, *c)
	}
	name := s.kind.Name(o)
	for range claimRetries {
		standing, err := s.claims.Get(ctx, name)
		switch {
		case err != nil:
			return apierrors.NewInternalError(err)
		case standing == nil:
			// The claim was lost. The object's own word is all there is then.
			tombstone := storage.Claim{Name: name, Owner: ownerOf(o), Since: s.clock.Now()}
			note(&tombstone)
			standing, err = s.claims.Take(ctx, tombstone, "")
		case standing.Owner.UID != o.GetUID():
			return nil
		default:
			if probe := *standing; note(&probe) {
				standing, err = s.claims.Update(ctx, standing, func(c *storage.Claim) { note(c) })
			}
		}
		var claimed *storage.ClaimedError
		switch {
		case err == nil:
			s.outlives(standing)
			return nil
		case !errors.Is(err, storage.ErrClaimChanged) && !errors.As(err, &claimed):
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(s.DefaultQualifiedResource, o.GetName(), errBusy)
}

// release sees to it that what a write has made goes when its object was deleted meanwhile: whoever deleted the object could not know
// of it. When its claim is gone, too, it gets a new one, as a tombstone. What the write has only found is left to the claim, and so is
// what has a name that is another object's by now: that one has found it, and taken it.
func (s *Store[T, H]) release(ctx context.Context, obj T, done Outcome[T]) error {
	switch {
	case done.ID == "" && done.Lost:
		return s.Lost(ctx, obj, done.Unanswered)
	case done.ID == "":
		return nil
	}
	retain, _ := s.kind.Retain(obj)
	tombstone := storage.Claim{Name: s.kind.Name(obj), ID: done.ID, Owner: ownerOf(obj), Retain: retain, Since: s.clock.Now()}
	defer s.Sweeper.Check(tombstone.Name, 0)
	if !done.Made {
		return nil
	}
	for range claimRetries {
		standing, err := s.claims.Get(ctx, tombstone.Name)
		switch {
		case err != nil:
			return apierrors.NewInternalError(err)
		case standing == nil && tombstone.Retain:
			return nil
		case standing == nil:
			if standing, err = s.claims.Take(ctx, tombstone, ""); err == nil && standing.ID == tombstone.ID {
				return nil
			}
		case standing.Owner.UID != obj.GetUID() || standing.ID == tombstone.ID:
			return nil
		default:
			if _, err = s.claims.Update(ctx, standing, func(c *storage.Claim) {
				c.ID, c.ReportedID, c.ReportedAs, c.Wanted = tombstone.ID, "", nil, nil
			}); err == nil {
				return nil
			}
		}
		var claimed *storage.ClaimedError
		if err != nil && !errors.Is(err, storage.ErrClaimChanged) && !errors.As(err, &claimed) {
			return apierrors.NewInternalError(err)
		}
	}
	return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), errBusy)
}

// Tombstoned tells whether an id is that of something that a former owner of an object's name had and that is about to be deleted.
func (s *Store[T, H]) Tombstoned(ctx context.Context, obj T, id string) (bool, error) {
	standing, err := s.claims.Get(ctx, s.kind.Name(obj))
	if err != nil {
		return false, apierrors.NewInternalError(err)
	}
	return standing != nil && slices.Contains(standing.TombstonedIDs, id), nil
}

// ClusterID is the id of the cluster that an object has got what it has from, as its claim says; "" where that is not noted.
func (s *Store[T, H]) ClusterID(ctx context.Context, obj T) (string, error) {
	standing, err := s.claims.Get(ctx, s.kind.Name(obj))
	if err != nil || standing == nil || standing.Owner.UID != obj.GetUID() {
		return "", err
	}
	return standing.ClusterID(), nil
}

// Standing is what the claim of an object says.
type Standing struct {
	// ID is what the object has, Retain that it was somebody's before, and stays unless the object says otherwise.
	ID     string
	Retain bool
	// WithoutID is what the object has that the brokers, when they were asked, gave no id to.
	WithoutID json.RawMessage
	// MayAdopt says that who made the object may take over what is on the brokers already.
	MayAdopt bool
	// Wanted is what may have been made for the object without anybody recording it: any of it.
	Wanted []json.RawMessage
}

// Standing reads the claim of an object. What it says of another Kafka of the same name than the object's is left out.
func (s *Store[T, H]) Standing(ctx context.Context, obj T) (Standing, error) {
	if err := s.takeBack(ctx, s.kind.Name(obj)); err != nil {
		return Standing{}, err
	}
	standing, err := s.claims.Get(ctx, s.kind.Name(obj))
	if err != nil {
		return Standing{}, apierrors.NewInternalError(err)
	}
	if standing == nil || standing.Owner.UID != obj.GetUID() {
		return Standing{}, nil
	}
	_, uid, err := s.kind.Host(ctx, obj, obj, false)
	switch {
	case err != nil && !s.backend.Away(err):
		return Standing{}, err
	case !standing.OfKafka(uid):
		return Standing{ID: standing.ID, Retain: standing.Retain}, nil
	}
	return Standing{ID: standing.ID, WithoutID: standing.WithoutID, Retain: standing.Retain, MayAdopt: standing.MayAdopt, Wanted: standing.Wanted}, nil
}
