package brokered

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Backend keeps on hosts H what objects stand for, as the brokers of Kafkas keep topics, and the workers of Kafka Connect connectors.
type Backend[H any] interface {
	// Host finds a host by the object that it is of, with the uid of that; found is false when it is gone, and what it had with it. Nothing
	// is asked of the host yet.
	Host(ctx context.Context, of types.NamespacedName) (host H, uid types.UID, found bool, err error)
	// Same are the other objects that the same host is of: what has a name on it is the same for all of them.
	Same(ctx context.Context, of types.NamespacedName) ([]types.NamespacedName, error)
	// Away tells whether an error says that nobody could be asked, and so that nothing has happened.
	Away(err error) bool
	// Unknown tells whether an error leaves open whether anything has happened.
	Unknown(err error) bool
	// Refused is the status of any other error, for a client that waits for the answer. field is what it is about.
	Refused(err error, gr schema.GroupResource, name, field string) *apierrors.StatusError
}

// refused makes a refusal of the backend one of the API, unless the kind has done so, which knows the field that it is about.
func (s *Store[T, H]) refused(err error, name string) error {
	var status apierrors.APIStatus
	if err == nil || errors.As(err, &status) || s.backend.Away(err) || s.backend.Unknown(err) {
		return err
	}
	return s.backend.Refused(err, s.DefaultQualifiedResource, name, "spec")
}
