package apiserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// shape is what the bodies of some requests are decoded into.
type shape struct {
	kind schema.GroupVersionKind
	of   reflect.Type
	// exact says that a body must have no other fields, and none more than once. A field that is left out of it means something, such as all
	// partitions, and a misspelt one is left out: whatever a client wants to be told of those, nothing is done by a body that has one.
	exact bool
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
		_, unstored := storage.(sub.Unstored)
		// Scales are of Kubernetes, which clients may know better.
		all[name] = shape{kind: kind, of: reflect.TypeOf(obj).Elem(), exact: unstored && kind.Group == kafka.GroupName}
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

// bodyCheck compares a body with its shape while it is read.
type bodyCheck struct {
	shape
	media string
	// name is that of the object in the request, "" when only the body says it.
	name string
	// fields looks at JSON that is to be exact; nil when nobody does.
	fields *exactFields
	// whole is the body as far as it was read; cut tells that it became too long to be kept.
	whole []byte
	cut   bool
}

func (s shape) newCheck(contentType, name string) *bodyCheck {
	c := &bodyCheck{shape: s, media: mediaType(contentType), name: name}
	switch c.media {
	case runtime.ContentTypeJSON, string(types.MergePatchType), string(types.StrategicMergePatchType):
		if s.exact {
			c.fields = &exactFields{of: s.of, directives: c.media == string(types.StrategicMergePatchType)}
		}
	}
	return c
}

// take takes the next piece. Of values of what is larger than any stored object the decoder says what is wrong.
func (c *bodyCheck) take(piece []byte) {
	if c.fields != nil {
		c.fields.take(piece)
	}
	if c.cut = c.cut || len(c.whole)+len(piece) > maxStoredBody; c.cut {
		c.whole = nil
		return
	}
	c.whole = append(c.whole, piece...)
}

// at is the field that a body is in after its last piece, "" when that is not looked for, or when it is within the name of one.
func (c *bodyCheck) at(last []byte) string {
	if c == nil || c.fields == nil {
		return ""
	}
	c.fields.take(last)
	if path := c.fields.path(); path != nil && len(c.fields.name) == 0 {
		return path.String()
	}
	return ""
}

// err says which values of the body are none of their fields', and which fields of an exact one are none of its own; nil when all may be. What
// else is wrong with the body its decoder says, and everything of one that is not JSON or YAML.
func (c *bodyCheck) err() error {
	m := &misfits{}
	name := c.name
	if c.fields != nil {
		m.errs = c.fields.errs
	}
	switch c.media {
	case string(types.JSONPatchType):
		m.steps(c.shape, c.whole)
		if m.other != nil {
			return m.other
		}
	case runtime.ContentTypeJSON, string(types.MergePatchType), string(types.StrategicMergePatchType),
		runtime.ContentTypeYAML, string(types.ApplyYAMLPatchType):
		if c.cut {
			break
		}
		value, text, err := c.parse()
		if errors.Is(err, errNotText) {
			return err
		}
		if err != nil {
			break
		}
		if other := c.another(value); other != nil {
			// What fields it has is judged of its own kind, if at all.
			return other
		}
		if !c.is(value) {
			break
		}
		if c.exact && c.fields == nil {
			m.repeated(c.whole)
			m.fields(c.of, text, nil)
		}
		m.value(c.of, value, nil)
		if meta, ok := value["metadata"].(map[string]any); ok && name == "" {
			name, _ = meta["name"].(string)
		}
	}
	if len(m.errs) == 0 {
		return nil
	}
	return apierrors.NewInvalid(c.kind.GroupKind(), name, m.errs)
}

// parse reads the body, and returns it as JSON, too. Numbers stay as they are written: 3.0 is no whole number to a decoder.
func (c *bodyCheck) parse() (value map[string]any, text []byte, err error) {
	text = c.whole
	switch c.media {
	case runtime.ContentTypeYAML, string(types.ApplyYAMLPatchType):
		if text, err = jsonOfYAML(c.whole); err != nil {
			return nil, nil, err
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return value, text, decoder.Decode(&value)
}

// mediaType is the type of a body, without its parameters. The handlers of patches go by what is before these, whatever they are.
func mediaType(contentType string) string {
	if contentType == "" {
		return runtime.ContentTypeJSON
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media, _, _ = strings.Cut(contentType, ";")
		media = strings.ToLower(strings.TrimSpace(media))
	}
	return media
}

// is tells whether a body is of this kind as far as it says. Decoders fill in what is null or "", and what is no string is none of its field's.
func (s shape) is(value map[string]any) bool { return len(s.differs(value)) == 0 }

// differs says what a body has in the place of what this kind is called by.
func (s shape) differs(value map[string]any) (texts []string) {
	for _, is := range []struct{ member, want string }{{"kind", s.kind.Kind}, {"apiVersion", s.kind.GroupVersion().String()}} {
		said, ok := value[is.member].(string)
		if !ok || said == "" || said == is.want {
			continue
		}
		if len(said) > maxShown {
			said = strings.ToValidUTF8(said[:maxShown], "") + "…"
		}
		texts = append(texts, fmt.Sprintf("%s: the body says %q, and accepted is %q", is.member, said, is.want))
	}
	return texts
}

// another refuses a body of another kind in words of the API: its decoder says what it did not fit into. The decoder may know other versions of kinds
// that are Kubernetes' own.
func (s shape) another(value map[string]any) error {
	if texts := s.differs(value); len(texts) > 0 && s.kind.Group == kafka.GroupName {
		return apierrors.NewBadRequest(strings.Join(texts, "; "))
	}
	return nil
}
