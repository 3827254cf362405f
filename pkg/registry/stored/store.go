// Package stored wraps the generic registry for kinds that live in etcd. It answers
// 503 instead of "not found" while the storage is not the one this installation
// knows, and it is where all ways of a write meet: what is checked here is checked
// for each of them.
package stored

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
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
	// Checks are asked in their order about every change, whichever way it comes.
	Checks []Check
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

// doubt is an error as it is answered: a storage that is full says so, and "not found" is only true of one that is ours.
func (s *Store) doubt(ctx context.Context, err error) error {
	if !apierrors.IsNotFound(err) {
		return storage.Explain(distinct(err))
	}
	if foreign := s.verify(ctx); foreign != nil {
		return foreign
	}
	return err
}

// distinct says each cause of a refusal once. The generic registry judges metadata before the strategy does, which cannot leave that out,
// because it also judges what comes another way.
func distinct(err error) error {
	var refusal *apierrors.StatusError
	if !errors.As(err, &refusal) || refusal.ErrStatus.Details == nil {
		return err
	}
	var causes []metav1.StatusCause
	for _, cause := range refusal.ErrStatus.Details.Causes {
		if !slices.Contains(causes, cause) {
			causes = append(causes, cause)
		}
	}
	refusal.ErrStatus.Details.Causes = causes
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
	if options != nil && ptr.Deref(options.TimeoutSeconds, 0) < 0 {
		// Its context has ended already, so that the storage could not be looked at.
		return nil, apierrors.NewBadRequest(fmt.Sprintf("timeoutSeconds: must be 0 or greater, not %d", *options.TimeoutSeconds))
	}
	if err := s.verify(ctx); err != nil {
		return nil, err
	}
	w, err := s.Store.Watch(ctx, options)
	if err != nil {
		return nil, err
	}
	return s.doubtful(ctx, w), nil
}

// verifying verifies beside what its caller does.
func (s *Store) verifying(ctx context.Context) <-chan error {
	verified := make(chan error, 1)
	crash.Go(func() error { return s.verify(ctx) }, func(err error) { verified <- err })
	return verified
}

// Create implements rest.Creater.
func (s *Store) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	obj, err := s.named(ctx, obj)
	if err != nil {
		return nil, err
	}
	created, err := s.Store.Create(ctx, obj, s.checkedCreate(validate, options.DryRun), options)
	return created, storage.Explain(distinct(err))
}

// Update implements rest.Updater.
func (s *Store) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, create rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, forceAllowCreate bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	if err := s.check(ctx); err != nil {
		return nil, false, err
	}
	obj, created, err := s.Store.Update(ctx, name, info, s.checkedCreate(create, options.DryRun), s.checkedUpdate(update, options.DryRun), forceAllowCreate, options)
	return obj, created, s.doubt(ctx, err)
}

// Delete implements rest.GracefulDeleter.
func (s *Store) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	if err := s.check(ctx); err != nil {
		return nil, false, err
	}
	obj, deleted, err := s.Store.Delete(ctx, name, s.checkedDelete(validate, options), options)
	return obj, deleted, s.doubt(ctx, err)
}

// DeleteCollection implements rest.CollectionDeleter.
func (s *Store) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *metainternalversion.ListOptions) (runtime.Object, error) {
	// An emptied storage has nothing to delete, which must not look like done.
	if err := s.verify(ctx); err != nil {
		return nil, err
	}
	return s.Store.DeleteCollection(ctx, s.checkedDelete(validate, options), options, list)
}
