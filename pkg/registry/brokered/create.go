package brokered

import (
	"context"
	"encoding/json"
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
	// asks says that the claim of a create says what the brokers are asked for.
	asks bool
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
	if w.store.backend.Away(err) {
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
	asking, cancel := live.Deadline(ctx)
	defer cancel()
	// What the claim of a create that is under way says of the brokers is not known to be so.
	unlock, err := s.locks.lock(asking, s.kind.Name(obj))
	if err != nil {
		return apierrors.NewTimeoutError(err.Error(), 1)
	}
	defer unlock()
	if err := s.room(obj); err != nil {
		return err
	}
	if err := s.takeBack(ctx, s.kind.Name(obj)); err != nil {
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
	var none T
	w.verdict, err = s.kind.Judge(asking, w.host, obj, none, w.leftover(standing, s.kind.Name(obj)))
	if s.backend.Away(err) {
		w.away = err
		return nil
	}
	return s.refused(err, obj.GetName())
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
	var withoutID json.RawMessage
	if done.WithoutID {
		withoutID = s.withoutID(ctx, o)
	}
	noted := make(chan struct{})
	now := claim
	if done.ID == "" && !done.WithoutID && !done.Unanswered && w.asks {
		// Before the object is there that would have somebody's topic by it.
		now = w.takeBackWish(ctx, claim, left, done.Lost)
		close(noted)
	} else {
		crash.Go(func() error {
			now = w.note(ctx, claim, done, withoutID)
			return nil
		}, func(error) { close(noted) })
	}
	err = store(ctx)
	<-noted
	claim = now
	if err == nil {
		if len(claim.Wanted) > 0 {
			// What may appear is looked for.
			s.Sweeper.Check(claim.Name, requestFirst)
		}
		return nil
	}
	return w.notStored(ctx, o, claim, left, done, err, read)
}

// make asks the brokers for what the object wants, for real. Errors are refusals: nothing is there then, and nothing is stored.
func (w *write[T, H]) make(ctx context.Context, obj T, left Leftover) (Outcome[T], error) {
	kind := w.store.kind
	if w.away == nil {
		// The answer is waited for however little time the caller has. Of what is lost, whatever appears later counts as made for the object, which
		// is not for the caller to bring about.
		asking, cancel := live.Deadline(context.WithoutCancel(ctx))
		defer cancel()
		done, err := kind.Create(asking, w.host, obj, left)
		switch {
		case err == nil:
			return done, nil
		case w.store.backend.Away(err):
			w.away = err
		case w.store.backend.Unknown(err):
			// Whether the brokers have it is for the controller to find out, which goes on from here.
			w.failed = err
			return kind.Failed(err), nil
		default:
			return Outcome[T]{}, w.store.refused(err, obj.GetName())
		}
	}
	return kind.Unreachable(w.away), nil
}

// note writes to the claim what the brokers call what was made, or what it is when they give no ids, and returns it as it stands then. Without it
// the object's status and the sweeper find out later.
func (w *write[T, H]) note(ctx context.Context, claim *storage.Claim, done Outcome[T], withoutID json.RawMessage) *storage.Claim {
	if done.ID == "" && withoutID == nil && !done.Lost {
		return claim
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	now, err := w.store.changeOwn(ctx, claim, func(c *storage.Claim) {
		if w.lost(c, done.Lost); done.ID == "" && withoutID == nil {
			return
		}
		// The object is not known to be stored: Server goes on saying so. When it never is, what was somebody's before stays.
		c.ID, c.WithoutID, c.TombstonedIDs, c.Retain, c.Wanted = done.ID, withoutID, nil, c.Retain || !done.Made, nil
		c.Prove(done.ID)
	})
	if err != nil {
		klog.FromContext(ctx).Error(err, "What was made is not written to the claim", "claim", claim.Name, "id", done.ID)
		w.store.Sweeper.Check(claim.Name, requestFirst)
		return claim
	}
	return now
}

// lost notes in the claim of a create that what it asked for may come late.
func (w *write[T, H]) lost(c *storage.Claim, lost bool) {
	if lost && w.asks && len(c.Wanted) > 0 {
		w.store.await(c, c.Wanted[0])
	}
}

// takeBackWish writes to the claim that what the object wants is not known to be made for it, should it be there, and returns it as it stands
// then. lost says that brokers were asked for it all the same.
func (w *write[T, H]) takeBackWish(ctx context.Context, claim *storage.Claim, left Leftover, lost bool) *storage.Claim {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	now, err := w.store.changeOwn(ctx, claim, func(c *storage.Claim) {
		w.lost(c, lost)
		c.Wanted = left.Wanted
	})
	if err != nil {
		w.withdraw(ctx, claim, left, err)
		return claim
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
	if done.Made && done.ID != "" {
		if _, err := s.kind.Remove(ctx, w.host, claim.Name, done.ID, false); err != nil {
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
		live.Warn(ctx, "stored, and carried out "+live.Later(w.away), w.away)
	case w.failed != nil:
		live.Warn(ctx, "stored, not carried out yet", w.failed)
	}
}
