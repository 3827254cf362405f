package brokered

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/rest"
	apistorage "k8s.io/apiserver/pkg/storage"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// write is one create or update on its way.
type write[T Object, H any] struct {
	store  *Store[T, H]
	dryRun bool
	// applied says that a create comes from a server-side apply.
	applied bool

	host    H
	hostUID types.UID
	// away says why the brokers were not asked; nil when they were, or were not concerned.
	away error
	// failed says why something that is stored was not carried out.
	failed    error
	concerned bool
	verdict   Verdict[T]
}

var _ creation = (*write[Object, any])(nil)

// validateCreate comes after strategy validation. Admission is asked once, and last where a quota would count what brokers refuse.
func (w *write[T, H]) validateCreate(validate rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		s := w.store
		o, ok := obj.(T)
		if !ok {
			return apierrors.NewBadRequest(fmt.Sprintf("expected an object of %s, got %T", s.DefaultQualifiedResource, obj))
		}
		var none T
		if err := s.kind.Access(ctx, o, none); err != nil {
			return err
		}
		counted := s.hasQuota != nil && s.hasQuota(o.GetNamespace())
		if counted && !w.dryRun {
			if err := w.judgeCreate(ctx, o); err != nil {
				return err
			}
		}
		if validate != nil {
			if err := validate(ctx, obj); err != nil {
				return err
			}
		}
		switch {
		case w.dryRun:
			return w.judgeCreate(ctx, o)
		case counted:
			return nil
		}
		return w.findHost(ctx, o)
	}
}

func (w *write[T, H]) findHost(ctx context.Context, obj T) error {
	var none T
	var err error
	w.host, w.hostUID, err = w.store.kind.Host(ctx, obj, none, w.applied)
	if w.store.kind.Away(err) {
		w.away = err
		return w.store.kind.JudgeAlone(obj, none)
	}
	return err
}

// judgeCreate asks the brokers what they would say, and looks at the claim. Nothing is written.
func (w *write[T, H]) judgeCreate(ctx context.Context, obj T) error {
	s := w.store
	if err := w.findHost(ctx, obj); err != nil {
		return err
	}
	standing, err := s.claims.Get(ctx, s.kind.Name(obj))
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if err := s.free(ctx, obj, standing); err != nil {
		return err
	}
	if w.away != nil {
		return nil
	}
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	var none T
	w.verdict, err = s.kind.Judge(asking, w.host, obj, none, leftover(standing))
	if s.kind.Away(err) {
		w.away = err
		return nil
	}
	return err
}

// free tells whether a new object may have the name of a standing claim.
func (s *Store[T, H]) free(ctx context.Context, obj T, standing *storage.Claim) error {
	if standing == nil {
		return nil
	}
	owned, err := s.owned(ctx, standing)
	if err != nil {
		return err
	}
	same := sameName(standing.Owner, ownerOf(obj))
	switch {
	case owned && same:
		return apierrors.NewAlreadyExists(s.DefaultQualifiedResource, obj.GetName())
	case owned:
		return s.kind.Claimed(ctx, obj, standing)
	}
	// Another server may still carry out a change of the former owner, which must not reach what is made for the next.
	fenced, err := s.fenced(ctx, standing)
	switch {
	case err != nil:
		return apierrors.NewInternalError(err)
	case fenced:
		return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), fmt.Errorf("%s is being changed by another request; try again", standing.Name))
	case standing.Server == "" || standing.Owner.UID == obj.GetUID():
		return nil
	}
	// It may be that of a create that has not stored its object yet. The same object cannot be stored twice, so that who creates it
	// again need not wait for a server that is gone.
	lives, err := s.servers.Lives(ctx, standing.Server)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	if !lives && (same || s.servers.Alone()) {
		return nil
	}
	if id, err := s.servers.ID(ctx); err == nil && same && standing.Server == id {
		return nil
	}
	s.Sweeper.Check(standing.Name, 0)
	return apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), fmt.Errorf("%s is being created by another request; try again", standing.Name))
}

// leftover is what a claim says of former owners.
func leftover(c *storage.Claim) Leftover {
	if c == nil {
		return Leftover{}
	}
	left := Leftover{IDs: tombstoned(c)}
	if c.ID == "" && !c.Retain {
		left.Wanted = c.Wanted
	}
	return left
}

// tombstoned are the ids that go with a claim whose owner is gone.
func tombstoned(c *storage.Claim) []string {
	ids := append([]string(nil), c.TombstonedIDs...)
	if c.ID != "" && !c.Retain {
		ids = append(ids, c.ID)
	}
	return ids
}

// around implements creation: claim, brokers, object. The claim's id is written while the object is: both take as long as a disk does.
func (w *write[T, H]) around(ctx context.Context, key string, obj runtime.Object, store func(context.Context) error, read func(context.Context, runtime.Object) error) error {
	s := w.store
	o, ok := obj.(T)
	if !ok {
		return apierrors.NewInternalError(fmt.Errorf("store an object of %s: got %T", s.DefaultQualifiedResource, obj))
	}
	unlock, err := s.locks.lock(ctx, s.kind.Name(o))
	if err != nil {
		return apierrors.NewTimeoutError(err.Error(), 1)
	}
	defer unlock()
	claim, left, err := w.take(ctx, o, key)
	if err != nil {
		return err
	}
	done, err := w.make(ctx, o, left)
	if err != nil {
		w.giveBack(ctx, claim, left)
		return err
	}
	done.Record(o, o.GetGeneration())
	noted := make(chan struct{})
	var now *storage.Claim
	crash.Go(func() error {
		now = w.note(ctx, claim, done)
		return nil
	}, func(error) { close(noted) })
	err = store(ctx)
	<-noted
	if now != nil {
		claim = now
	}
	if err == nil {
		return nil
	}
	return w.notStored(ctx, o, claim, left, done, err, read)
}

// make asks the brokers for what the object wants, for real. Errors are refusals: nothing is there then, and nothing is stored.
func (w *write[T, H]) make(ctx context.Context, obj T, left Leftover) (Outcome[T], error) {
	kind := w.store.kind
	if w.away == nil {
		asking, cancel := live.Deadline(ctx)
		defer cancel()
		done, err := kind.Create(asking, w.host, obj, left)
		switch {
		case err == nil:
			return done, nil
		case kind.Away(err):
			w.away = err
		case kind.Unknown(err):
			// Whether the brokers have it is for the controller to find out, which goes on from here.
			w.failed = err
			return kind.Failed(err), nil
		default:
			return Outcome[T]{}, err
		}
	}
	return kind.Unreachable(w.away), nil
}

// note writes to the claim what the brokers call what was made. Without it the object's status and the sweeper find out later.
func (w *write[T, H]) note(ctx context.Context, claim *storage.Claim, done Outcome[T]) *storage.Claim {
	if done.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	now, err := w.store.claims.Update(ctx, claim, func(c *storage.Claim) {
		// The object is not known to be stored: Server goes on saying so. When it never is, what was somebody's before stays.
		c.ID, c.Wanted, c.TombstonedIDs, c.Retain = done.ID, nil, nil, c.Retain || !done.Made
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "Id not written to the claim", "claim", claim.Name, "id", done.ID)
		w.store.Sweeper.Check(claim.Name, requestFirst)
		return nil
	}
	return now
}

// afterwards bounds what is done for a request that may have ended.
const afterwards = 5 * time.Second

// notStored undoes a create whose object was not stored, when it is known not to be. An error of the storage may have come after the
// object was written: then the create is answered as what it is, done.
func (w *write[T, H]) notStored(ctx context.Context, obj T, claim *storage.Claim, left Leftover, done Outcome[T], cause error, read func(context.Context, runtime.Object) error) error {
	s := w.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if !apistorage.IsExist(cause) {
		stored := s.New()
		err := read(ctx, stored)
		if o, ok := stored.(T); err == nil && ok && o.GetUID() == obj.GetUID() {
			return &storedError{stored: stored}
		}
		// What is not there yet may still be on its way, so the sweeper decides when it cannot be any more.
		s.Sweeper.Check(claim.Name, 0)
		return cause
	}
	if done.Made {
		if err := s.kind.Remove(ctx, w.host, claim.Name, done.ID); err != nil {
			klog.FromContext(ctx).Info("What was made for an object that exists already stays for now", "claim", claim.Name, "id", done.ID, "err", err)
			s.Sweeper.Check(claim.Name, 0)
			return cause
		}
	}
	w.giveBack(ctx, claim, left)
	return cause
}

// storedError says that an object was stored although the storage answered with an error.
type storedError struct{ stored runtime.Object }

func (*storedError) Error() string { return "the object was stored, and the storage's answer was lost" }

// take claims the object's name, or says whose it is. A claim whose owner is gone is taken over, with the duty to delete what that one
// had on the brokers.
func (w *write[T, H]) take(ctx context.Context, obj T, key string) (*storage.Claim, Leftover, error) {
	s := w.store
	wanted, err := w.newClaim(ctx, obj)
	if err != nil {
		return nil, Leftover{}, err
	}
	for range claimRetries {
		standing, err := s.claims.Take(ctx, wanted, key)
		var claimed *storage.ClaimedError
		switch {
		case err == nil:
			return standing, Leftover{}, nil
		case errors.Is(err, storage.ErrObjectExists):
			return nil, Leftover{}, apistorage.NewKeyExistsError(key, 0)
		case !errors.As(err, &claimed):
			return nil, Leftover{}, internal(err)
		}
		if err := s.free(ctx, obj, standing); err != nil {
			if apierrors.IsAlreadyExists(err) {
				err = apistorage.NewKeyExistsError(key, 0)
			}
			return nil, Leftover{}, err
		}
		left := leftover(standing)
		taken, err := s.claims.Update(ctx, standing, func(c *storage.Claim) {
			revised := wanted
			revised.TombstonedIDs = left.IDs
			*c = revised
		})
		if err == nil {
			return taken, left, nil
		}
		if !errors.Is(err, storage.ErrClaimChanged) {
			return nil, Leftover{}, internal(err)
		}
	}
	return nil, Leftover{}, apierrors.NewConflict(s.DefaultQualifiedResource, obj.GetName(), errBusy)
}

// internal is an error of the storage as it is answered; that it is full is no fault of the server's.
func internal(err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return apierrors.NewInternalError(err)
}

// claimRetries bounds the attempts to change a claim that others change too.
const claimRetries = 5

var errBusy = errors.New("others keep changing the claim on its name; try again")

func (w *write[T, H]) newClaim(ctx context.Context, obj T) (storage.Claim, error) {
	s := w.store
	id, err := s.servers.ID(ctx)
	if err != nil {
		return storage.Claim{}, apierrors.NewServiceUnavailable(err.Error())
	}
	wanted, err := s.kind.Wanted(obj)
	if err != nil {
		return storage.Claim{}, apierrors.NewInternalError(err)
	}
	return storage.Claim{Name: s.kind.Name(obj), ClusterUID: w.hostUID, Owner: ownerOf(obj), Retain: s.kind.Retain(obj), Wanted: wanted,
		MayAdopt: s.kind.MayAdopt(ctx, obj), Server: id, Since: s.clock.Now()}, nil
}

// giveBack drops a claim whose object is not stored. One with something left of former owners stays for the sweeper.
func (w *write[T, H]) giveBack(ctx context.Context, claim *storage.Claim, left Leftover) {
	s := w.store
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	var err error
	if len(left.IDs) == 0 && left.Wanted == nil {
		err = s.claims.Drop(ctx, claim)
	} else {
		_, err = s.claims.Update(ctx, claim, func(c *storage.Claim) { c.ID, c.Server, c.Wanted, c.Retain = "", "", left.Wanted, false })
		s.Sweeper.Check(claim.Name, 0)
	}
	if err != nil {
		klog.FromContext(ctx).Info("Claim not given back, the sweeper does it", "claim", claim.Name, "err", err)
		s.Sweeper.Check(claim.Name, 0)
	}
}

// answerCreate is the answer to a create that is stored, or to its dry run.
func (w *write[T, H]) answerCreate(ctx context.Context, out runtime.Object) (runtime.Object, error) {
	if o, ok := out.(T); ok && w.dryRun && w.verdict.Fill != nil {
		w.verdict.Fill(o)
	}
	w.warn(ctx)
	return out, nil
}

// warn tells what was not done yet.
func (w *write[T, H]) warn(ctx context.Context) {
	switch {
	case w.dryRun && w.away != nil:
		live.Warn(ctx, "the brokers were not asked", w.away)
	case w.away != nil:
		live.Warn(ctx, "stored, and carried out when the brokers can be reached", w.away)
	case w.failed != nil:
		live.Warn(ctx, "stored, not carried out yet", w.failed)
	}
}
