// Package stored wraps the generic registry for kinds that live in etcd: it answers
// 503 instead of "not found" while the storage is not the one this installation
// knows. It adds nothing else.
package stored

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Guard knows whether the storage is ours; see storage.Guard.
type Guard interface {
	// Err is the outcome of the last look, without looking again.
	Err() error
	// Verify looks now.
	Verify(ctx context.Context) error
}

// Store is a generic registry behind a guard.
type Store struct {
	*genericregistry.Store
	Guard Guard
}

var (
	_ rest.StandardStorage = &Store{}
	_ rest.Watcher         = &Store{}
)

// check refuses to go on while the storage does not verify.
func (s *Store) check(ctx context.Context) error {
	if s.Guard.Err() == nil {
		return nil
	}
	return s.verify(ctx)
}

// verify looks at the storage now: an answer that finds nothing is only true of a storage that is ours.
func (s *Store) verify(ctx context.Context) error {
	if err := s.Guard.Verify(ctx); err != nil {
		// Always an APIStatus: watches answer with it too.
		return apierrors.NewServiceUnavailable(s.DefaultQualifiedResource.String() + " cannot be served: " + err.Error())
	}
	return nil
}

func (s *Store) doubt(ctx context.Context, err error) error {
	if !apierrors.IsNotFound(err) {
		return err
	}
	if foreign := s.verify(ctx); foreign != nil {
		return foreign
	}
	return err
}

// Get implements rest.Getter.
func (s *Store) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	obj, err := s.Store.Get(ctx, name, options)
	return obj, s.doubt(ctx, err)
}

// List implements rest.Lister.
func (s *Store) List(ctx context.Context, options *metainternalversion.ListOptions) (runtime.Object, error) {
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	list, err := s.Store.List(ctx, options)
	if err != nil {
		return nil, err
	}
	if meta.LenList(list) == 0 {
		if err := s.verify(ctx); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Watch implements rest.Watcher. A watch may show nothing for hours, so the last look is not enough.
func (s *Store) Watch(ctx context.Context, options *metainternalversion.ListOptions) (watch.Interface, error) {
	if err := s.verify(ctx); err != nil {
		return nil, err
	}
	w, err := s.Store.Watch(ctx, options)
	if err != nil {
		return nil, err
	}
	return s.doubtful(ctx, w), nil
}

// Create implements rest.Creater.
func (s *Store) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	// What is written into a foreign storage is lost when ours returns, so the last look is not enough. This one takes place while
	// the request is validated, and is over before anything is stored.
	verified := make(chan error, 1)
	go func() { verified <- s.verify(ctx) }()
	return s.Store.Create(ctx, obj, func(ctx context.Context, obj runtime.Object) error {
		var invalid error
		if validate != nil {
			invalid = validate(ctx, obj)
		}
		if err := <-verified; err != nil {
			return err
		}
		return invalid
	}, options)
}

// Update implements rest.Updater.
func (s *Store) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if err := s.check(ctx); err != nil {
		return nil, false, err
	}
	obj, created, err := s.Store.Update(ctx, name, info, create, update, forceAllowCreate, options)
	return obj, created, s.doubt(ctx, err)
}

// Delete implements rest.GracefulDeleter.
func (s *Store) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	if err := s.check(ctx); err != nil {
		return nil, false, err
	}
	obj, deleted, err := s.Store.Delete(ctx, name, validate, options)
	return obj, deleted, s.doubt(ctx, err)
}

// DeleteCollection implements rest.CollectionDeleter.
func (s *Store) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *metainternalversion.ListOptions) (runtime.Object, error) {
	// An emptied storage has nothing to delete, which must not look like done.
	if err := s.verify(ctx); err != nil {
		return nil, err
	}
	return s.Store.DeleteCollection(ctx, validate, options, list)
}
