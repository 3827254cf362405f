package sub

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"

	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// Action is a subresource that is created, and not stored: what is asked for is done once. P is what is to be done, and then what was.
type Action[T Target, O Object, P any] struct {
	Type[O]
	// Find finds what the request is about.
	Find func(ctx context.Context, name string) (T, error)
	// Prepare drops from a body what only the server says.
	Prepare func(order O)
	// Validate judges a body by itself and by what was found.
	Validate func(target T, order O) field.ErrorList
	// Ask finds out what is to be done, and refuses what would be refused.
	Ask func(ctx context.Context, target T, order O) (P, error)
	// Foresee is Do of a dry run; nil when Ask has foreseen everything.
	Foresee func(ctx context.Context, target T, plan P) (P, error)
	// Do does it. Its errors say that nothing was done, or that it is not known.
	Do func(ctx context.Context, target T, plan P) (P, error)
	// Record is the answer.
	Record func(ctx context.Context, target T, order O, plan P) (O, error)
	// Once says that Do cannot be repeated by who is told that it was cut short, so that a slow cluster does not have it cut short.
	Once bool
}

var (
	_ rest.NamedCreater                   = &Action[Target, Object, any]{}
	_ rest.SubresourceObjectMetaPreserver = &Action[Target, Object, any]{}
)

// PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate implements rest.SubresourceObjectMetaPreserver: a uid or a resourceVersion in
// the body is a precondition. Who gives one means that very object.
func (*Action[T, O, P]) PreserveRequestObjectMetaSystemFieldsOnSubresourceCreate() bool { return true }

// Create implements rest.NamedCreater.
func (a *Action[T, O, P]) Create(ctx context.Context, name string, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	ctx, cancel := deadline(ctx)
	defer cancel()
	order, err := a.typed(obj)
	if err != nil {
		return nil, err
	}
	var target T
	if err := asking(ctx, func(ctx context.Context) (err error) {
		target, err = a.Find(ctx, name)
		return err
	}); err != nil {
		return nil, err
	}
	if err := a.complete(target, order); err != nil {
		return nil, err
	}
	a.Prepare(order)
	if err := a.invalid(name, a.Validate(target, order)); err != nil {
		return nil, err
	}
	if validate != nil {
		if err := validate(ctx, order.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	var answer O
	if err := asking(ctx, func(ctx context.Context) (err error) {
		answer, err = a.carryOut(ctx, target, order, dryrun.IsDryRun(options.DryRun))
		return err
	}); err != nil {
		return nil, err
	}
	return answer, nil
}

// carryOut is what comes after admission.
func (a *Action[T, O, P]) carryOut(ctx context.Context, target T, order O, dryRun bool) (answer O, err error) {
	if err := target.Begin(ctx); err != nil {
		return answer, err
	}
	plan, err := a.Ask(ctx, target, order)
	if err != nil {
		return answer, err
	}
	do := a.Do
	switch {
	case dryRun:
		do = a.Foresee
	case a.Once:
		live.Keep(ctx)
	}
	if do != nil {
		if plan, err = do(ctx, target, plan); err != nil {
			return answer, err
		}
	}
	return a.Record(ctx, target, order, plan)
}

// complete checks that an order is for the target, and makes its metadata that of the target.
func (a *Action[T, O, P]) complete(target T, order O) error {
	parent := target.Parent()
	if order.GetName() == "" {
		order.SetName(parent.GetName())
	}
	if err := sameObject(target.Resource(), parent, order, nil); err != nil {
		return err
	}
	if err := sameVersion(target.Resource(), parent, order, nil); err != nil {
		return err
	}
	order.SetNamespace(parent.GetNamespace())
	order.SetUID(parent.GetUID())
	// Nothing is stored whose fields somebody could own.
	order.SetManagedFields(nil)
	return nil
}
