package brokered

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
)

// departure is the update that takes the last finalizer of an object that was deleted. The generic registry deletes the object then as it
// is stored, without what else the update says, but that is the object's last word: who takes the finalizer and sets the deletion policy
// in one request means both.
type departure struct {
	// last is the object as the update has it, and base the version that it was made from.
	last runtime.Object
	base string
	// resource is what errors call the object's.
	resource schema.GroupResource
	// outdated says that somebody has written another version since the update was made, so that nothing was deleted.
	outdated bool
}

type departureKey struct{}

func withDeparture(ctx context.Context, resource schema.GroupResource) (context.Context, *departure) {
	d := &departure{resource: resource}
	return context.WithValue(ctx, departureKey{}, d), d
}

// noteDeparture is a genericregistry.Store's ShouldDeleteDuringUpdate, which is asked about an update that leaves no finalizers.
func noteDeparture(ctx context.Context, _ string, obj, existing runtime.Object) bool {
	d, ok := ctx.Value(departureKey{}).(*departure)
	if !ok {
		return true
	}
	if accessor, err := meta.Accessor(existing); err == nil {
		d.last, d.base = obj.DeepCopyObject(), accessor.GetResourceVersion()
	}
	return true
}

// lastOf is the last version of a stored object that is about to be deleted. When somebody has written another version since an update was
// made that deletes it, the update has to be made from that one, as any other update is.
func lastOf(ctx context.Context, stored runtime.Object) (runtime.Object, error) {
	d, ok := ctx.Value(departureKey{}).(*departure)
	if !ok || d.last == nil {
		return stored, nil
	}
	accessor, err := meta.Accessor(stored)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if accessor.GetResourceVersion() != d.base {
		d.outdated = true
		return nil, apierrors.NewConflict(d.resource, accessor.GetName(), errors.New(genericregistry.OptimisticLockErrorMsg))
	}
	return d.last, nil
}
