package sub

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Transition is a subresource that shows a part of its stored parent P, and whose update is one of the parent: it goes through all that an
// update of the parent does, which asks, stores and honours dry runs.
type Transition[T any, P, O Object] struct {
	View[T, O]
	// Resource is the parent's, and Parents its storage.
	Resource schema.GroupResource
	Parents  rest.Updater
	// Of is the subresource of a parent as it is stored, beside what was found.
	Of func(target T, parent P) O
	// GiveOwners makes who manages the part of the parent manage the subresource, for an apply of it.
	GiveOwners func(parent P, current O) error
	// Validate judges a body by itself and by its parent.
	Validate func(parent P, next O) field.ErrorList
	// Change writes to the parent what the body says.
	Change func(parent P, next O) error
}

var _ rest.Patcher = &Transition[any, Object, Object]{}

// Update implements rest.Updater.
func (t *Transition[T, P, O]) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := deadline(ctx)
	defer cancel()
	var target T
	err := asking(ctx, func(ctx context.Context) (err error) {
		target, err = t.Find(ctx, name)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	validate := func(ctx context.Context, obj, old runtime.Object) error {
		if update == nil {
			return nil
		}
		after, ok := obj.(P)
		before, was := old.(P)
		if !ok || !was {
			return apierrors.NewInternalError(wrongType{obj})
		}
		return update(ctx, t.Of(target, after), t.Of(target, before))
	}
	obj, _, err := t.Parents.Update(ctx, name, &change[T, P, O]{t, target, name, info}, create, validate, false, options)
	if err != nil {
		return nil, false, err
	}
	parent, ok := obj.(P)
	if !ok {
		return nil, false, apierrors.NewInternalError(wrongType{obj})
	}
	return t.Of(target, parent), false, nil
}

// change is a change of the subresource as one of its parent.
type change[T any, P, O Object] struct {
	*Transition[T, P, O]
	target T
	name   string
	info   rest.UpdatedObjectInfo
}

// Preconditions implements rest.UpdatedObjectInfo.
func (c *change[T, P, O]) Preconditions() *metav1.Preconditions { return c.info.Preconditions() }

// UpdatedObject implements rest.UpdatedObjectInfo. The storage asks it again when somebody else has changed the parent.
func (c *change[T, P, O]) UpdatedObject(ctx context.Context, old runtime.Object) (runtime.Object, error) {
	parent, ok := old.DeepCopyObject().(P)
	if !ok {
		return nil, apierrors.NewInternalError(wrongType{old})
	}
	if parent.GetUID() == "" {
		return nil, apierrors.NewNotFound(c.Resource, c.name)
	}
	before := c.Of(c.target, parent)
	if err := c.GiveOwners(parent, before); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	obj, err := c.info.UpdatedObject(ctx, before)
	if err != nil {
		return nil, err
	}
	next, err := c.typed(obj)
	if err != nil {
		return nil, err
	}
	if err := sameObject(c.Resource, parent, next, c.info.Preconditions()); err != nil {
		return nil, err
	}
	if err := c.invalid(c.name, c.Validate(parent, next)); err != nil {
		return nil, err
	}
	if err := c.Change(parent, next); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	// The storage compares it.
	parent.SetResourceVersion(next.GetResourceVersion())
	return parent, nil
}

// wrongType says that a storage has returned an object of another type than its own.
type wrongType struct{ obj runtime.Object }

func (e wrongType) Error() string { return fmt.Sprintf("the storage returned a %T", e.obj) }
