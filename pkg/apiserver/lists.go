package apiserver

import (
	"bytes"
	"io"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// plainLists is a serializer of indented JSON that does not indent lists: curl gets indented JSON without asking for it, and a long list
// would be held in memory twice for that.
type plainLists struct {
	runtime.Serializer
	plain runtime.Encoder
}

// Encode implements runtime.Encoder.
func (s plainLists) Encode(object runtime.Object, w io.Writer) error {
	if meta.IsListType(object) {
		return s.plain.Encode(object, w)
	}
	return s.Serializer.Encode(object, w)
}

// yamlLists is a serializer of YAML that writes lists object by object. Of a whole list the library would make a text, a tree and a text
// again.
type yamlLists struct{ runtime.Serializer }

// Encode implements runtime.Encoder.
func (s yamlLists) Encode(object runtime.Object, w io.Writer) error {
	list, err := meta.ListAccessor(object)
	if err != nil || !meta.IsListType(object) || meta.LenList(object) == 0 {
		return s.Serializer.Encode(object, w)
	}
	version, kind := object.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	head, err := yaml.Marshal(map[string]string{"apiVersion": version})
	if err != nil {
		return err
	}
	foot, err := yaml.Marshal(struct {
		Kind     string          `json:"kind"`
		Metadata metav1.ListMeta `json:"metadata"`
	}{kind, metav1.ListMeta{ResourceVersion: list.GetResourceVersion(), Continue: list.GetContinue(), RemainingItemCount: list.GetRemainingItemCount()}})
	if err != nil {
		return err
	}
	if _, err := w.Write(append(head, "items:\n"...)); err != nil {
		return err
	}
	if err := meta.EachListItem(object, func(item runtime.Object) error {
		text, err := yaml.Marshal(item)
		if err != nil {
			return err
		}
		_, err = w.Write(append([]byte("- "), indented(text)...))
		return err
	}); err != nil {
		return err
	}
	_, err = w.Write(foot)
	return err
}

// indented puts lines of YAML, all but the first, below a dash.
func indented(text []byte) []byte {
	lines := bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte("\n  "))
	return append(lines, '\n')
}
