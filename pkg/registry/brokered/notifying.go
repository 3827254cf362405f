package brokered

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
)

// notifying is the storage of a kind's objects. All ways of a request end here: a POST and a server-side apply that creates, a DELETE,
// a deletecollection and the removal of the last finalizer. A dry run does not come so far.
type notifying struct {
	storage.Interface
	// deleting is called with an object that is about to be deleted, as it is stored then; an error keeps it.
	deleting func(ctx context.Context, obj runtime.Object) error
}

// creation is what a request's create does around the store.
type creation interface {
	// around calls store with the object that is to be stored under key.
	around(ctx context.Context, key string, obj runtime.Object, store func(context.Context) error, read func(context.Context, runtime.Object) error) error
}

type creationKey struct{}

func withCreation(ctx context.Context, c creation) context.Context {
	return context.WithValue(ctx, creationKey{}, c)
}

// Create implements storage.Interface.
func (n *notifying) Create(ctx context.Context, key string, obj, out runtime.Object, ttl uint64) error {
	store := func(ctx context.Context) error { return n.Interface.Create(ctx, key, obj, out, ttl) }
	c, ok := ctx.Value(creationKey{}).(creation)
	if !ok {
		return store(ctx)
	}
	return c.around(ctx, key, obj, store, func(ctx context.Context, into runtime.Object) error {
		return n.Interface.Get(ctx, key, storage.GetOptions{}, into)
	})
}

// Delete implements storage.Interface. What is noted is the version of the object that is deleted: when another was written meanwhile
// the deletion starts again with that one.
func (n *notifying) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions, validate storage.ValidateObjectFunc, cached runtime.Object, options storage.DeleteOptions) error {
	return n.Interface.Delete(ctx, key, out, preconditions, func(ctx context.Context, obj runtime.Object) error {
		if err := validate(ctx, obj); err != nil {
			return err
		}
		return n.deleting(ctx, obj)
	}, cached, options)
}
