package sub

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
)

// Declarative is a subresource that says how something is, and by an update how it is to be. It is not stored: its resourceVersion is one
// of what is there. P is what is to be done, and then what was.
type Declarative[T Target, O Object, P any] struct {
	View[T, O]
	// Target is Find for an update.
	Target func(ctx context.Context, name string) (T, error)
	// Current is what an update changes.
	Current func(ctx context.Context, target T) (O, error)
	// Missing is the error of a target that does not exist, nil for one that does: an update makes it. Without Missing all exist.
	Missing func(target T) error
	// Modified says why an update of another version is a conflict; nil for the words of stored objects.
	Modified error
	// Prepare brings a body into the form in which it is judged; nil when it is in that.
	Prepare func(next O)
	// Validate judges a body by itself and by what is there.
	Validate func(target T, next, old O) field.ErrorList
	// Ask finds out what is to be done, and refuses what would be refused.
	Ask func(ctx context.Context, target T, next, old O) (P, error)
	// Foresee is the answer to a dry run.
	Foresee func(ctx context.Context, target T, next, old O, plan P) (O, error)
	// Do does it. Its errors say that nothing was done, or that it is not known. An Outdated one has the request start again.
	Do func(ctx context.Context, target T, next O, plan P) (P, error)
	// Record is the answer.
	Record func(ctx context.Context, target T, next, old O, plan P) (O, error)
}

var _ rest.Patcher = &Declarative[Target, Object, any]{}

// Update implements rest.Updater. As everywhere, a patch needs an object that exists, while a put by somebody who may create can make it.
// A request whose target somebody changes meanwhile starts again, as an update of a stored object does.
func (d *Declarative[T, O, P]) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := deadline(ctx)
	defer cancel()
	for {
		out, created, err := d.update(ctx, name, info, create, update, options)
		var changed *outdated
		switch {
		case !errors.As(err, &changed):
			return out, created, err
		case ctx.Err() != nil:
			return nil, false, changed.conflict
		}
	}
}

func (d *Declarative[T, O, P]) update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	var target T
	var old O
	err := asking(ctx, func(ctx context.Context) (err error) {
		if target, err = d.Target(ctx, name); err != nil {
			return err
		}
		old, err = d.Current(ctx, target)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	var missing error
	if d.Missing != nil {
		missing = d.Missing(target)
	}
	next, err := d.next(ctx, target, old, missing, info)
	if err != nil {
		return nil, false, err
	}
	if d.Prepare != nil {
		d.Prepare(next)
	}
	if err := d.invalid(name, d.Validate(target, next, old)); err != nil {
		return nil, false, err
	}
	switch {
	case missing == nil && update != nil:
		err = update(ctx, next.DeepCopyObject(), old.DeepCopyObject())
	case missing != nil && create != nil:
		err = create(ctx, next.DeepCopyObject())
	}
	if err != nil {
		return nil, false, err
	}
	var out O
	err = asking(ctx, func(ctx context.Context) (err error) {
		out, err = d.carryOut(ctx, target, next, old, dryrun.IsDryRun(options.DryRun))
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return out, missing != nil, nil
}

// carryOut is what comes after admission.
func (d *Declarative[T, O, P]) carryOut(ctx context.Context, target T, next, old O, dryRun bool) (out O, err error) {
	if err := target.Begin(ctx); err != nil {
		return out, err
	}
	plan, err := d.Ask(ctx, target, next, old)
	if err != nil {
		return out, err
	}
	if dryRun {
		return d.Foresee(ctx, target, next, old, plan)
	}
	if plan, err = d.Do(ctx, target, next, plan); err != nil {
		return out, err
	}
	return d.Record(ctx, target, next, old, plan)
}

// next is the object that the caller wants, if the request is for the one that is there.
func (d *Declarative[T, O, P]) next(ctx context.Context, target T, old O, missing error, info rest.UpdatedObjectInfo) (next O, err error) {
	obj, err := info.UpdatedObject(ctx, old.DeepCopyObject())
	if err != nil {
		return next, err
	}
	if next, err = d.typed(obj); err != nil {
		return next, err
	}
	if missing != nil && (wantedUID(next, info.Preconditions()) != "" || next.GetResourceVersion() != "") {
		return next, missing
	}
	if err := sameObject(target.Resource(), target.Parent(), next, info.Preconditions()); err != nil {
		return next, err
	}
	return next, sameVersion(target.Resource(), old, next, d.Modified)
}
