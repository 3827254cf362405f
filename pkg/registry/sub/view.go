package sub

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// View is a subresource that is read. T is what a request is about.
type View[T any, O runtime.Object] struct {
	Type[O]
	// Find finds what the request is about.
	Find func(ctx context.Context, name string) (T, error)
	// Show asks for what is shown of it.
	Show func(ctx context.Context, target T) (O, error)
}

var _ rest.Getter = &View[any, runtime.Object]{}

// Get implements rest.Getter.
func (v *View[T, O]) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := deadline(ctx)
	defer cancel()
	var shown O
	err := asking(ctx, func(ctx context.Context) error {
		target, err := v.Find(ctx, name)
		if err != nil {
			return err
		}
		shown, err = v.Show(ctx, target)
		return err
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}
