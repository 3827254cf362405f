package stored

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
)

// nameAttempts is how many generated names are tried; see maxNameGenerationCreateAttempts of the generic registry.
const nameAttempts = 8

// named gives an object that asks for a generated name one that is free. The generic registry would find out by storing the object,
// and judge it again for each name: each time, quotas are charged and brokers are asked. Somebody who takes the name in between is
// a conflict, which says that the client may try again.
func (s *Store) named(ctx context.Context, obj runtime.Object) (runtime.Object, error) {
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	if accessor.GetGenerateName() == "" || accessor.GetName() != "" {
		return obj, nil
	}
	obj = obj.DeepCopyObject()
	if accessor, err = meta.Accessor(obj); err != nil {
		return nil, err
	}
	for range nameAttempts {
		accessor.SetName(s.CreateStrategy.GenerateName(accessor.GetGenerateName()))
		key, err := s.KeyFunc(ctx, accessor.GetName())
		if err != nil {
			// What is wrong with the name is said by the validation of the object.
			return obj, nil
		}
		err = s.Storage.Get(ctx, key, storage.GetOptions{}, s.NewFunc())
		if storage.IsNotFound(err) {
			return obj, nil
		}
		if err != nil {
			return nil, storeerr.InterpretGetError(err, s.DefaultQualifiedResource, accessor.GetName())
		}
	}
	return nil, apierrors.NewGenerateNameConflict(s.DefaultQualifiedResource, accessor.GetName(), 1)
}
