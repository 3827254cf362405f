package sub

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// Object is the object of a subresource, or its parent.
type Object interface {
	runtime.Object
	metav1.Object
}

// Type is what a subresource serves.
type Type[O runtime.Object] struct {
	// Kind is the type's name.
	Kind schema.GroupKind
	// Empty makes an object for a body to be decoded into.
	Empty func() O
	// Table is how kubectl shows it.
	Table rest.TableConvertor
}

// TypeOf is a type of the group that is served.
func TypeOf[O runtime.Object](kind string, empty func() O, table rest.TableConvertor) Type[O] {
	return Type[O]{Kind: kafka.Kind(kind), Empty: empty, Table: table}
}

var (
	_ rest.Storage        = Type[runtime.Object]{}
	_ rest.TableConvertor = Type[runtime.Object]{}
)

// New implements rest.Storage.
func (t Type[O]) New() runtime.Object { return t.Empty() }

// Destroy implements rest.Storage.
func (Type[O]) Destroy() {}

// ConvertToTable implements rest.TableConvertor.
func (t Type[O]) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return t.Table.ConvertToTable(ctx, object, options)
}

// Unstored is a subresource that takes orders: these are carried out, and then nobody can look up any more what they said.
type Unstored interface{ unstored() }

func (*Action[T, O, P]) unstored() {}

func (*Declarative[T, O, P]) unstored() {}

// typed is the body of a request.
func (t Type[O]) typed(obj runtime.Object) (O, error) {
	body, ok := obj.(O)
	if !ok {
		return body, apierrors.NewBadRequest(fmt.Sprintf("expected a %s, got %T", t.Kind.Kind, obj))
	}
	return body, nil
}

// invalid is the error of a body; nil without problems.
func (t Type[O]) invalid(name string, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(t.Kind, name, validation.FirstProblems(problems))
}

// asking does a part of a request that asks brokers. Those whose brokers keep them waiting are few, so it is not to last longer than that:
// admission, which may be slow too, is no part of it.
func asking(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	return ask(ctx)
}

// deadline bounds a request. Of a shorter time that its client has set a part is left for the answer: when that time is over the server
// answers by itself, and does not say that something may have been done.
func deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithTimeout(ctx, live.RequestTime)
	at, ok := ctx.Deadline()
	if !ok {
		return inner, cancel
	}
	reserve := min(time.Until(at)/4, time.Second)
	shorter, cancelShorter := context.WithDeadline(inner, at.Add(-reserve))
	return shorter, func() { cancelShorter(); cancel() }
}
