package brokered

import (
	"context"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
)

// notifying is the storage of a kind's objects. All ways of a request end here: a POST and a server-side apply that creates, a DELETE,
// a deletecollection and the removal of the last finalizer. A dry run does not come so far.
type notifying struct {
	storage.Interface
	// deleting is called with an object that is about to be deleted, as it is stored then, and with its last version, which is not stored
	// any more when an update deletes it; an error keeps it.
	deleting func(ctx context.Context, obj, last runtime.Object) error
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

// GuaranteedUpdate implements storage.Interface. An error of etcd may have come after the object was written: an update that is stored is
// answered as one, as a create is.
func (n *notifying) GuaranteedUpdate(ctx context.Context, key string, out runtime.Object, ignoreNotFound bool, preconditions *storage.Preconditions, update storage.UpdateFunc, cached runtime.Object) error {
	var written runtime.Object
	err := n.Interface.GuaranteedUpdate(ctx, key, out, ignoreNotFound, preconditions, func(have runtime.Object, meta storage.ResponseMeta) (runtime.Object, *uint64, error) {
		written = nil
		next, ttl, err := update(have, meta)
		if err == nil {
			written = next
		}
		return next, ttl, err
	}, cached)
	if err == nil || written == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if read := n.Interface.Get(ctx, key, storage.GetOptions{}, out); read != nil || !sameButForVersion(out, written) {
		return err
	}
	return nil
}

// sameButForVersion tells whether an object that was read is one that was written, which has no version yet.
func sameButForVersion(read, written runtime.Object) bool {
	asStored := equality.Semantic.Copy()
	// Times have seconds in the storage.
	if err := asStored.AddFunc(func(a, b metav1.Time) bool { return a.Unix() == b.Unix() }); err != nil {
		return false
	}
	read, written = read.DeepCopyObject(), written.DeepCopyObject()
	for _, obj := range []runtime.Object{read, written} {
		accessor, err := meta.Accessor(obj)
		if err != nil {
			return false
		}
		accessor.SetResourceVersion("")
	}
	return asStored.DeepEqual(read, written)
}

// Delete implements storage.Interface. What is noted is the version of the object that is deleted: when another was written meanwhile
// the deletion starts again with that one. An error of etcd may have come after the object was deleted: then it is.
func (n *notifying) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions, validate storage.ValidateObjectFunc, cached runtime.Object, options storage.DeleteOptions) error {
	var gone runtime.Object
	err := n.Interface.Delete(ctx, key, out, preconditions, func(ctx context.Context, obj runtime.Object) error {
		gone = nil
		if err := validate(ctx, obj); err != nil {
			return err
		}
		last, err := lastOf(ctx, obj)
		if err == nil {
			err = n.deleting(ctx, obj, last)
		}
		if err == nil {
			gone = obj
		}
		return err
	}, cached, options)
	if err == nil || gone == nil || storage.IsNotFound(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	if read := n.Interface.Get(ctx, key, storage.GetOptions{}, out); !storage.IsNotFound(read) {
		return err
	}
	reflect.ValueOf(out).Elem().Set(reflect.ValueOf(gone).Elem())
	return nil
}
