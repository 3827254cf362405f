package sub

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
)

// Target is what a request is about, as it was found.
type Target interface {
	// Resource is what errors call the target's resource.
	Resource() schema.GroupResource
	// Parent is the metadata that the body of a request is compared with.
	Parent() metav1.Object
	// Begin counts the request among those that wait for the target's brokers, after admission. Its error is one of the API.
	Begin(ctx context.Context) error
}

// sameObject refuses a body that is for another object than the request: for another name, or for one that was deleted since.
func sameObject(gr schema.GroupResource, parent, body metav1.Object, preconditions *metav1.Preconditions) error {
	if body.GetName() != parent.GetName() || body.GetNamespace() != "" && body.GetNamespace() != parent.GetNamespace() {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is for %s/%s, the request for %s/%s",
			body.GetNamespace(), body.GetName(), parent.GetNamespace(), parent.GetName()))
	}
	if uid := wantedUID(body, preconditions); uid != "" && uid != parent.GetUID() {
		return apierrors.NewConflict(gr, parent.GetName(), fmt.Errorf("the request is for uid %s, the object has %s", uid, parent.GetUID()))
	}
	return nil
}

// wantedUID is the uid that a request is for; "" for any.
func wantedUID(body metav1.Object, preconditions *metav1.Preconditions) types.UID {
	if preconditions != nil && preconditions.UID != nil {
		return *preconditions.UID
	}
	return body.GetUID()
}

// sameVersion refuses a body that was made from another version than the newest; one without a version means any.
func sameVersion(gr schema.GroupResource, newest, body metav1.Object, modified error) error {
	if body.GetResourceVersion() == "" || body.GetResourceVersion() == newest.GetResourceVersion() {
		return nil
	}
	if modified == nil {
		modified = errors.New(genericregistry.OptimisticLockErrorMsg)
	}
	return apierrors.NewConflict(gr, body.GetName(), modified)
}

// Outdated is the conflict of a request whose target somebody has changed since it was found, and for which nothing was done. When the
// request is for one version of the target, it is answered so. Otherwise it is one for what is there now.
func Outdated(gr schema.GroupResource, name string) error {
	return &outdated{apierrors.NewConflict(gr, name, errors.New(genericregistry.OptimisticLockErrorMsg))}
}

// IsOutdated tells whether an error is one of Outdated.
func IsOutdated(err error) bool {
	var changed *outdated
	return errors.As(err, &changed)
}

type outdated struct{ conflict *apierrors.StatusError }

func (o *outdated) Error() string { return o.conflict.Error() }
