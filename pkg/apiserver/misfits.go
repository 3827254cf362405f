package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// maxMisfits is how many are told, and maxShown the length of a value that is.
const maxMisfits, maxShown = 16, 128

// misfits are values that are none of their fields'.
type misfits struct {
	errs field.ErrorList
	// other is the error of a patch to another kind of object.
	other error
}

func (m *misfits) add(path *field.Path, value any, what string) {
	if path == nil || len(m.errs) == maxMisfits {
		// What is no object at all has no field, and its decoder says so.
		return
	}
	switch of := value.(type) {
	case map[string]any, []any:
		// It may be as long as the body.
		if text, err := json.Marshal(of); err != nil || len(text) > maxShown {
			value = field.OmitValueType{}
		}
	case string:
		if len(of) > maxShown {
			value = field.OmitValueType{}
		}
	}
	m.errs = append(m.errs, field.TypeInvalid(path, value, "must be "+what))
}

// value looks at a value and at all that is in it.
func (m *misfits) value(of reflect.Type, value any, path *field.Path) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case value == nil:
		// Null is the value of any field, or takes it away.
	case of.Kind() == reflect.Map:
		members, ok := value.(map[string]any)
		if !ok {
			m.add(path, value, "an object")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			// A strategic merge patch has directives among the members.
			if !strings.HasPrefix(key, "$") {
				m.value(of.Elem(), members[key], path.Key(key))
			}
		}
	case decodesItself(of):
		m.text(of, value, path)
	case of.Kind() == reflect.Struct:
		members, ok := value.(map[string]any)
		if !ok {
			m.add(path, value, "an object")
			return
		}
		fields := typesOf(of)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if inner, known := fields[name]; known {
				m.value(inner, members[name], child(path, name))
				m.empty(of, name, members[name], child(path, name))
			}
		}
	case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
		items, ok := value.([]any)
		if !ok {
			m.add(path, value, "a list")
			return
		}
		for i, item := range items {
			m.value(of.Elem(), item, path.Index(i))
		}
	default:
		m.text(of, value, path)
	}
}

// scopes are the fields of orders that say what an order is about. Left out they mean all, which one that is empty is decoded as: a script whose
// variable is not set gives that.
var scopes = map[reflect.Type][]string{
	reflect.TypeFor[v1beta1.OffsetReset]():              {"topic", "partitions"},
	reflect.TypeFor[v1beta1.KafkaTopicElectionSpec]():   {"partitions"},
	reflect.TypeFor[v1beta1.KafkaTopicTruncationSpec](): {"partitions"},
}

// empty refuses what says of an order that it is about nothing, and would be taken for all.
func (m *misfits) empty(of reflect.Type, name string, value any, path *field.Path) {
	items, isList := value.([]any)
	if (value == "" || isList && len(items) == 0) && slices.Contains(scopes[of], name) {
		m.refuse(path, "it is empty, which would mean all; name what is meant, or leave the field out for all")
	}
}

// text decodes a value alone, as its decoder would.
func (m *misfits) text(of reflect.Type, value any, path *field.Path) {
	if _, is := value.(string); is && of.Kind() == reflect.String && !decodesItself(of) {
		return
	}
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(of).Interface())
	}
	if err != nil {
		m.add(path, value, accepted(of, path))
	}
}

// accepted is what is decoded into a type, at a path.
func accepted(of reflect.Type, path *field.Path) string {
	switch of {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime]():
		return "a time as RFC 3339 has it, such as \"2026-01-31T12:00:00Z\""
	case reflect.TypeFor[resource.Quantity]():
		return "a quantity, such as 500m, 128Mi or 10Gi"
	case reflect.TypeFor[metav1.Duration]():
		return "a duration, such as \"90s\""
	}
	switch of.Kind() {
	case reflect.String:
		if at := path.String(); strings.HasSuffix(at, ".time") || strings.HasSuffix(at, ".timestamp") {
			return "a time in quotes as RFC 3339 has it, such as \"2026-01-31T12:00:00Z\""
		}
		return "a string in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number of %d bits, without a point or an exponent", of.Bits())
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a string of base64"
	}
	return "what " + of.Name() + " is decoded from"
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

func decodesItself(of reflect.Type) bool {
	return of.Kind() != reflect.Interface && reflect.PointerTo(of).Implements(unmarshaler)
}

// knownTypes keeps what typesOf has found out.
var knownTypes sync.Map

// typesOf are the types of the fields of a struct by their names in JSON.
func typesOf(of reflect.Type) map[string]reflect.Type {
	if known, ok := knownTypes.Load(of); ok {
		return known.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			maps.Copy(fields, typesOf(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	knownTypes.Store(of, fields)
	return fields
}

func child(path *field.Path, name string) *field.Path {
	if path == nil {
		return field.NewPath(name)
	}
	return path.Child(name)
}
