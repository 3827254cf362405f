package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// step is one of a JSON patch, by its members. Those that its operation has no use for may be anything.
type step map[string]json.RawMessage

func (s step) text(member string) string {
	var text string
	_ = utiljson.Unmarshal(s[member], &text) // what is none is refused by who carries out the step
	return text
}

// steps looks at what a JSON patch puts at its paths.
func (m *misfits) steps(of shape, patch []byte) {
	var steps []step
	if utiljson.Unmarshal(patch, &steps) != nil {
		return
	}
	for _, s := range steps {
		switch op := s.text("op"); op {
		case "add", "replace":
			m.put(of, s.text("path"), s["value"])
		case "move", "copy":
			if of.exact {
				m.copied(of, op, s.text("from"), s.text("path"))
			}
		}
	}
}

// put looks at a value that comes to a path.
func (m *misfits) put(of shape, pointer string, text json.RawMessage) {
	at := find(of.of, pointer)
	if at.unknown != nil && of.exact && !at.inStatus {
		m.unknown(at)
	}
	if at.of == nil {
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return
	}
	if of.exact && !at.inStatus {
		m.fields(at.of, text, at.path)
	}
	if member := strings.TrimPrefix(pointer, "/"); m.other == nil {
		m.other = of.another(map[string]any{member: value})
	}
	m.value(at.of, value, at.path)
	if at.in != nil {
		m.empty(at.in, at.member, value, at.path)
	}
}

// copied looks at a value that comes from another path: one of another type has fields that are none at its new place.
func (m *misfits) copied(of shape, op, from, to string) {
	at := find(of.of, to)
	switch {
	case at.inStatus:
	case at.unknown != nil:
		m.unknown(at)
	case at.of != nil && known(at.of) != nil && known(at.of) != known(orAny(find(of.of, from).of)):
		m.refuse(at.path, fmt.Sprintf("%s of %q: what is there is of another type", op, from))
	}
}

func orAny(of reflect.Type) reflect.Type {
	if of == nil {
		return reflect.TypeFor[any]()
	}
	return of
}

func (m *misfits) unknown(at place) {
	m.refuse(at.path, "there is no such field; accepted are "+strings.Join(slices.Sorted(maps.Keys(at.unknown)), ", "))
}

func (m *misfits) refuse(path *field.Path, why string) {
	if len(m.errs) < maxMisfits {
		if path == nil {
			path = field.NewPath("object")
		}
		m.errs = append(m.errs, field.Forbidden(path, why))
	}
}

// fields looks for those that a JSON text has and its type has not, and for those that it has more than once.
func (m *misfits) fields(of reflect.Type, text []byte, path *field.Path) {
	e := &exactFields{of: of, base: path, errs: m.errs}
	e.take(text)
	m.errs = e.errs
}

// place is where a JSON pointer leads.
type place struct {
	// of is the type of what is there, nil when it is not known.
	of   reflect.Type
	path *field.Path
	// unknown are the fields that there are where the last one of the path is none of them; nil otherwise.
	unknown map[string]reflect.Type
	// in is the type of the struct whose field it is, and member its name; nil when it is none.
	in     reflect.Type
	member string
	// inStatus tells that only the server says what is there.
	inStatus bool
}

func find(of reflect.Type, pointer string) (at place) {
	parts := strings.Split(pointer, "/")[1:]
	at.inStatus = len(parts) > 0 && parts[0] == statusField
	for _, part := range parts {
		at.in = nil
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch {
		case of.Kind() == reflect.Map:
			of, at.path = of.Elem(), at.path.Key(part)
		case decodesItself(of):
			return at
		case of.Kind() == reflect.Struct:
			fields := typesOf(of)
			inner, known := fields[part]
			at.path = child(at.path, part)
			if !known {
				at.unknown = fields
				return at
			}
			at.in, at.member = of, part
			of = inner
		case of.Kind() == reflect.Slice:
			of = of.Elem()
			if n, err := strconv.Atoi(part); err == nil {
				at.path = at.path.Index(n)
			} else {
				at.path = at.path.Key(part)
			}
		default:
			return at
		}
	}
	at.of = of
	return at
}
