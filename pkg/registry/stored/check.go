package stored

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
)

// Change is what a request makes of one stored object, whichever way the request came.
type Change struct {
	// Old is the object as it is stored, nil in a create. New is what takes its place, nil in a delete. Checks change neither.
	Old, New runtime.Object
	// DryRun says that nothing is going to be stored.
	DryRun bool
}

// Check refuses a change for reasons that the object by itself does not tell: who asks, what other objects say, what brokers say.
//
// A delete is checked when it is requested, and once more when the object goes although it had finalizers then: Old is the object
// in its last state.
type Check func(ctx context.Context, change Change) error

// run refuses what one of the checks refuses.
func (s *Store) run(ctx context.Context, change Change) error {
	for _, check := range s.Checks {
		if err := check(ctx, change); err != nil {
			return err
		}
	}
	return nil
}

// Checks come after the object's own validation and before validating admission, whose last plugin charges quotas: what is refused
// here was never charged.

func (s *Store) checkedCreate(admit rest.ValidateObjectFunc, dryRun []string) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		// What is written into a foreign storage is lost when ours returns, so the last look is not enough. This one takes place
		// while the request is judged, and is over before anything is stored.
		verified := s.verifying(ctx)
		err := s.run(ctx, Change{New: obj, DryRun: dryrun.IsDryRun(dryRun)})
		if err == nil && admit != nil {
			err = admit(ctx, obj)
		}
		if foreign := <-verified; foreign != nil {
			return foreign
		}
		return err
	}
}

func (s *Store) checkedUpdate(admit rest.ValidateObjectUpdateFunc, dryRun []string) rest.ValidateObjectUpdateFunc {
	return func(ctx context.Context, obj, old runtime.Object) error {
		change := Change{Old: old, New: obj, DryRun: dryrun.IsDryRun(dryRun)}
		if err := s.run(ctx, change); err != nil {
			return err
		}
		// The generic registry deletes an object that loses its last finalizer here, and asks nobody again.
		if genericregistry.ShouldDeleteDuringUpdate(ctx, "", obj, old) {
			if err := s.run(ctx, Change{Old: obj, DryRun: change.DryRun}); err != nil {
				return err
			}
		}
		if admit == nil {
			return nil
		}
		return admit(ctx, obj, old)
	}
}

// checkedDelete takes options that may be nil, as the generic registry does.
func (s *Store) checkedDelete(admit rest.ValidateObjectFunc, options *metav1.DeleteOptions) rest.ValidateObjectFunc {
	return func(ctx context.Context, obj runtime.Object) error {
		if err := s.run(ctx, Change{Old: obj, DryRun: options != nil && dryrun.IsDryRun(options.DryRun)}); err != nil {
			return err
		}
		if admit == nil {
			return nil
		}
		return admit(ctx, obj)
	}
}
