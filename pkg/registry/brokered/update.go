package brokered

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// validateUpdate comes after strategy validation and admission. A change that does not concern the brokers asks nobody. It may be
// called again, with a newer object that somebody else has stored meanwhile.
func (w *write[T, H]) validateUpdate(validate rest.ValidateObjectUpdateFunc) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		if validate != nil {
			if err := validate(ctx, obj, old); err != nil {
				return err
			}
		}
		s := w.store
		o, ok := obj.(T)
		before, known := old.(T)
		if !ok || !known {
			return apierrors.NewBadRequest(fmt.Sprintf("expected an object of %s, got %T", s.DefaultQualifiedResource, obj))
		}
		w.concerned, w.away, w.verdict = false, nil, Verdict[T]{}
		if !s.kind.Concerns(o, before) {
			return nil
		}
		// Also of an object that is about to go: what it names is its own from then on, and goes with it.
		if err := s.kind.Access(ctx, o, before); err != nil {
			return err
		}
		if o.GetDeletionTimestamp() != nil {
			return nil
		}
		w.concerned = true
		var err error
		if w.host, w.hostUID, err = s.kind.Host(ctx, o, before, false); err == nil {
			asking, cancel := live.Deadline(ctx)
			defer cancel()
			w.verdict, err = s.kind.Judge(asking, w.host, o, before, Leftover{})
		}
		if s.backend.Away(err) {
			w.away = err
			return s.kind.JudgeAlone(o, before)
		}
		return s.refused(err, o.GetName())
	}
}

// answerUpdate carries out what is stored, and answers with what came of it.
func (w *write[T, H]) answerUpdate(ctx context.Context, out runtime.Object) (runtime.Object, error) {
	obj, ok := out.(T)
	if !ok {
		return nil, apierrors.NewInternalError(fmt.Errorf("update an object of %s: got %T", w.store.DefaultQualifiedResource, out))
	}
	switch {
	case !w.concerned:
		return obj, nil
	case w.dryRun:
		if w.verdict.Fill != nil {
			w.verdict.Fill(obj)
		}
		w.warn(ctx)
		return obj, nil
	}
	if w.away == nil && w.store.kind.ReportedID(obj) == "" {
		if err := w.store.noteHost(ctx, obj, w.hostUID); err != nil {
			klog.FromContext(ctx).Info("Which Kafka an object is on is not in the claim", "claim", w.store.kind.Name(obj), "err", err)
		}
	}
	if w.away != nil {
		w.warn(ctx)
		return w.store.Record(ctx, obj, w.store.kind.Unreachable(w.away)), nil
	}
	// As for a create: however little time the caller has.
	asking, cancel := live.Deadline(context.WithoutCancel(ctx))
	defer cancel()
	var answer runtime.Object = obj
	err := w.store.Exclusively(asking, obj, func(ctx context.Context) error {
		answer = w.carryOut(ctx, obj)
		return nil
	})
	if err != nil {
		// The object is stored: an error would say that it is not.
		w.failed = err
	}
	w.warn(ctx)
	return answer, nil
}

// carryOut makes the brokers have what is stored by now, which another request may have written after this one did: whichever comes
// last here, the brokers have the newest.
func (w *write[T, H]) carryOut(ctx context.Context, obj T) runtime.Object {
	s := w.store
	ctx = onHost(ctx, w.hostUID)
	newest, err := s.newest(ctx, obj)
	if err != nil {
		w.failed = err
		return obj
	}
	if newest.GetUID() != obj.GetUID() || newest.GetDeletionTimestamp() != nil {
		return obj
	}
	verdict := w.verdict
	if newest.GetGeneration() != obj.GetGeneration() {
		verdict = Verdict[T]{}
	}
	done, err := s.kind.Converge(ctx, w.host, newest, verdict)
	if err != nil {
		w.failed = err
		done = s.kind.Failed(err)
		if s.backend.Away(err) {
			done = s.kind.Unreachable(err)
		}
	}
	recorded := s.Record(ctx, newest, done)
	if newest.GetGeneration() != obj.GetGeneration() {
		return obj
	}
	return recorded
}

func (s *Store[T, H]) newest(ctx context.Context, obj T) (T, error) {
	got, err := s.Store.Get(inNamespace(ctx, obj.GetNamespace()), obj.GetName(), &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		var none T
		return none, fmt.Errorf("%w: %w", errGone, err)
	}
	if err != nil {
		var none T
		return none, err
	}
	o, ok := got.(T)
	if !ok {
		return o, fmt.Errorf("read an object of %s: got %T", s.DefaultQualifiedResource, got)
	}
	return o, nil
}

// Record writes an outcome to a stored object, and returns it. obj is the version of it that was carried out. What is on the brokers is
// done: when the outcome cannot be written the caller is told, and the object is returned with what is known. It outlives the request,
// whose time may be over.
func (s *Store[T, H]) Record(ctx context.Context, obj T, done Outcome[T]) runtime.Object {
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	out, err := s.record(writing, obj, "", done)
	switch {
	case err == nil:
		return out
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
		if err := s.release(writing, obj, done); err != nil {
			live.Warn(ctx, "the object was deleted meanwhile, and what was made for it may stay", err)
		}
	default:
		live.Warn(ctx, "done, and not written to the object's status yet", err)
		// Whoever reports it later is told by the claim that it was made for the object.
		if done.ID == "" || done.Made {
			s.noteOutcome(writing, obj, done)
			s.Sweeper.Check(s.kind.Name(obj), requestFirst)
		}
	}
	known, ok := obj.DeepCopyObject().(T)
	if !ok {
		return obj
	}
	done.Record(known, obj.GetGeneration())
	return known
}

// ErrOutdated says that an object has another version than the one that an outcome was to be recorded on.
var ErrOutdated = errors.New("the object has been changed meanwhile")

// RecordAt is Record for one version of the object, when nothing was done that an error would hide: of any other version the error is
// ErrOutdated, and nothing is recorded.
func (s *Store[T, H]) RecordAt(ctx context.Context, obj T, version string, done Outcome[T]) (runtime.Object, error) {
	return s.record(ctx, obj, version, done)
}

// record writes an outcome to the stored object, of one version or of any, and its id to the claim.
func (s *Store[T, H]) record(ctx context.Context, obj T, version string, done Outcome[T]) (runtime.Object, error) {
	info := rest.DefaultUpdatedObjectInfo(nil, func(_ context.Context, _, old runtime.Object) (runtime.Object, error) {
		next, ok := old.DeepCopyObject().(T)
		switch {
		case !ok || next.GetUID() != obj.GetUID():
			return nil, apierrors.NewNotFound(s.DefaultQualifiedResource, obj.GetName())
		case version != "" && next.GetResourceVersion() != version:
			return nil, ErrOutdated
		}
		done.Record(next, obj.GetGeneration())
		return next, nil
	})
	out, _, err := s.outcomes.Update(inNamespace(ctx, obj.GetNamespace()), obj.GetName(), info,
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if known, ok := obj.DeepCopyObject().(T); err == nil && ok {
		// What was left to the brokers, or was asked for beside the spec, is part of what the object has.
		done.Record(known, obj.GetGeneration())
		s.noteOutcome(ctx, known, done)
	}
	return out, err
}

// noteOutcome writes to the claim of an object what came of it.
func (s *Store[T, H]) noteOutcome(ctx context.Context, obj T, done Outcome[T]) {
	switch {
	case done.ID != "", done.WithoutID:
		s.Learn(ctx, obj, done.ID, done.TakenOver)
	case done.Unanswered, done.Lost:
		asked := func() error { return s.Lost(ctx, obj, false) }
		if done.Unanswered {
			asked = func() error { return s.Asked(ctx, obj, true) }
		}
		if err := asked(); err != nil {
			klog.FromContext(ctx).Error(err, "Not written to the claim that what it is on may appear yet", "claim", s.kind.Name(obj))
		}
	}
}
