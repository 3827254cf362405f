package apiserver

import (
	"fmt"
	"mime"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"
)

// shape is what the bodies of some requests are decoded into.
type shape struct {
	kind schema.GroupVersionKind
	of   reflect.Type
}

// shapes are those of all resources and subresources. Decoders, of which each kind of patch has another, say that a value is none of its field's
// without the field, or with the whole object. So bodies are compared with their shape before.
type shapes map[string]shape

// newShapes are the shapes of the storages of a version.
func newShapes(scheme *runtime.Scheme, version schema.GroupVersion, storages map[string]rest.Storage) (shapes, error) {
	all := shapes{}
	for name, storage := range storages {
		kinds, _, err := scheme.ObjectKinds(storage.New())
		if err != nil {
			return nil, fmt.Errorf("what %s is decoded into: %w", name, err)
		}
		kind := kinds[0]
		if kind.Version == runtime.APIVersionInternal {
			kind = version.WithKind(kind.Kind)
		}
		obj, err := scheme.New(kind)
		if err != nil {
			return nil, fmt.Errorf("what %s is decoded into: %w", name, err)
		}
		all[name] = shape{kind, reflect.TypeOf(obj).Elem()}
	}
	return all, nil
}

// of is the shape of a request's body; false when it has none.
func (s shapes) of(info *request.RequestInfo) (shape, bool) {
	name := info.Resource
	if info.Subresource != "" {
		name += "/" + info.Subresource
	}
	found, known := s[name]
	return found, known && (info.Verb == "create" || info.Verb == "update" || info.Verb == "patch")
}

// check returns which values of a body are none of their fields', nil when all may be. What else is wrong with the body its decoder says, and
// everything of one that is not JSON or YAML.
func (s shape) check(contentType, name string, body []byte) error {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "":
		media = runtime.ContentTypeJSON
	case err != nil:
		return nil
	}
	m := &misfits{}
	switch media {
	case runtime.ContentTypeYAML, string(types.ApplyYAMLPatchType):
		if body, err = yaml.YAMLToJSON(body); err != nil {
			return nil
		}
	case runtime.ContentTypeJSON, string(types.MergePatchType), string(types.StrategicMergePatchType):
	case string(types.JSONPatchType):
		var steps []step
		if utiljson.Unmarshal(body, &steps) == nil {
			for _, step := range steps {
				m.step(s.of, step)
			}
		}
		return s.invalid(name, m)
	default:
		return nil
	}
	var value map[string]any
	if err := utiljson.Unmarshal(body, &value); err != nil || !s.is(value) {
		return nil
	}
	m.value(s.of, value, nil)
	if meta, ok := value["metadata"].(map[string]any); ok && name == "" {
		name, _ = meta["name"].(string)
	}
	return s.invalid(name, m)
}

// is tells whether a body is of this kind as far as it says.
func (s shape) is(value map[string]any) bool {
	for key, want := range map[string]string{"kind": s.kind.Kind, "apiVersion": s.kind.GroupVersion().String()} {
		if said, has := value[key]; has && said != want {
			return false
		}
	}
	return true
}

func (s shape) invalid(name string, m *misfits) error {
	if len(m.errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(s.kind.GroupKind(), name, m.errs)
}
