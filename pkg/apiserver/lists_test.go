package apiserver

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// pieces remembers the largest of the texts that are handed over at a time.
type pieces struct {
	bytes.Buffer
	largest int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.Buffer.Write(b)
}

// A list that is held as one text grows with its length, and whoever asks for some of them at a time ends the server.
func TestListsAreWrittenObjectByObject(t *testing.T) {
	group := newGroup()
	for kind := range Scheme.KnownTypes(v1beta1.SchemeGroupVersion) {
		if !strings.HasPrefix(kind, "Kafka") || !strings.HasSuffix(kind, "List") {
			continue
		}
		list, err := Scheme.New(v1beta1.SchemeGroupVersion.WithKind(kind))
		if err != nil {
			t.Fatal(err)
		}
		items, err := meta.GetItemsPtr(list)
		if err != nil {
			t.Fatal(err)
		}
		const n = 50
		slice := reflect.ValueOf(items).Elem()
		slice.Set(reflect.MakeSlice(slice.Type(), n, n))
		i := 0
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			object, err := meta.Accessor(item)
			if err != nil {
				return err
			}
			object.SetName(fmt.Sprintf("object-%02d", i))
			object.SetAnnotations(map[string]string{"text": "first line\n\n  \"second\" - line: # it is\n", "empty": "", "spaces": "  x"})
			i++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if m, err := meta.ListAccessor(list); err == nil {
			m.SetResourceVersion("7")
			m.SetContinue("more")
			m.SetRemainingItemCount(ptr.To[int64](3))
		}
		list.GetObjectKind().SetGroupVersionKind(v1beta1.SchemeGroupVersion.WithKind(kind))
		encoders := map[string]runtime.Serializer{}
		for _, info := range group.NegotiatedSerializer.SupportedMediaTypes() {
			encoders[info.MediaType] = info.Serializer
			if info.PrettySerializer != nil {
				encoders[info.MediaType+" pretty"] = info.PrettySerializer
			}
		}
		if len(encoders) != 3 {
			t.Fatalf("the serializers are %v, want those of JSON, indented JSON and YAML", encoders)
		}
		for name, encoder := range encoders {
			out := &pieces{}
			if err := group.NegotiatedSerializer.EncoderForVersion(encoder, v1beta1.SchemeGroupVersion).Encode(list, out); err != nil {
				t.Fatal(err)
			}
			if out.largest > 2*out.Len()/n {
				t.Errorf("%s as %s: the largest of the pieces has %d bytes of %d", kind, name, out.largest, out.Len())
			}
			got, err := Scheme.New(v1beta1.SchemeGroupVersion.WithKind(kind))
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(out.Bytes(), got); err != nil {
				t.Fatalf("%s as %s: %v", kind, name, err)
			}
			if !reflect.DeepEqual(got, list) {
				t.Errorf("%s as %s is another list:\n%s", kind, name, out.String())
			}
		}
	}
}

// One object is indented for curl, as by every API server.
func TestOneObjectIsIndented(t *testing.T) {
	for _, info := range newGroup().NegotiatedSerializer.SupportedMediaTypes() {
		if info.PrettySerializer == nil {
			continue
		}
		out := &bytes.Buffer{}
		if err := info.PrettySerializer.Encode(&v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "\n    \"name\": \"x\"") {
			t.Errorf("it is %s", out.String())
		}
	}
}
