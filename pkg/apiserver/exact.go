package apiserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxName is the length of the name of a field that is looked up. No field has a longer one.
const maxName = 4 << 10

// exactFields finds the fields in a JSON text that its type does not have, and those that are there more than once. The text comes in pieces,
// and may be too long to be kept. It has to be right for texts only that are JSON: decoders check that.
type exactFields struct {
	of   reflect.Type
	base *field.Path
	// directives says that a strategic merge patch has directives among the fields.
	directives bool

	levels            []level
	inString, escaped bool
	// name is that of a field, with its quotes, while it is read; nil beside names.
	name []byte
	errs field.ErrorList
}

// level is an object or an array that has begun and not ended.
type level struct {
	// of is its type; nil for what holds anything.
	of     reflect.Type
	object bool
	// named tells that the name of the member has been read, whose value comes next.
	named bool
	// key is the name of the present member of an object, index that of an array.
	key   string
	index int
	seen  map[string]bool
}

func (e *exactFields) take(piece []byte) {
	for _, b := range piece {
		if e.inString {
			e.text(b)
			continue
		}
		switch b {
		case '"':
			e.inString = true
			if at := e.top(); at != nil && at.object && !at.named {
				e.name = append(e.name[:0], b)
			}
		case '{', '[':
			e.levels = append(e.levels, level{of: e.inner(), object: b == '{'})
		case '}', ']':
			if n := len(e.levels); n > 0 {
				e.levels = e.levels[:n-1]
			}
		case ',':
			if at := e.top(); at != nil {
				at.named = false
				at.index++
			}
		}
	}
}

// text takes the next byte of a string.
func (e *exactFields) text(b byte) {
	if len(e.name) > 0 && len(e.name) <= maxName {
		e.name = append(e.name, b)
	}
	switch {
	case e.escaped:
		e.escaped = false
	case b == '\\':
		e.escaped = true
	case b == '"':
		e.inString = false
		if len(e.name) > 0 {
			e.member()
			e.name = e.name[:0]
		}
	}
}

func (e *exactFields) top() *level {
	if len(e.levels) == 0 {
		return nil
	}
	return &e.levels[len(e.levels)-1]
}

// member judges the name that was read.
func (e *exactFields) member() {
	at := e.top()
	at.named = true
	if json.Unmarshal(e.name, &at.key) != nil {
		// It is too long for one that is known.
		at.key = strings.ToValidUTF8(string(e.name[1:min(maxShown, len(e.name))]), "") + "..."
	}
	if at.of == nil || e.directives && strings.HasPrefix(at.key, "$") {
		return
	}
	if at.of.Kind() == reflect.Struct {
		if fields := typesOf(at.of); fields[at.key] == nil {
			e.refuse("there is no such field; accepted are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			return
		}
	}
	if at.seen[at.key] {
		e.refuse("it is given more than once")
	}
	if at.seen == nil {
		at.seen = map[string]bool{}
	}
	at.seen[at.key] = true
}

func (e *exactFields) refuse(why string) {
	if len(e.errs) < maxMisfits {
		e.errs = append(e.errs, field.Forbidden(e.path(), why))
	}
}

// inner is the type of the value that begins, nil when it may be anything.
func (e *exactFields) inner() reflect.Type {
	at := e.top()
	switch {
	case at == nil:
		return known(e.of)
	case at.of == nil, at.object != (at.of.Kind() != reflect.Slice):
		return nil
	case !at.object, at.of.Kind() == reflect.Map:
		return known(at.of.Elem())
	case len(e.levels) == 1 && e.base == nil && at.key == statusField:
		// Only the server says what is there.
		return nil
	}
	of, has := typesOf(at.of)[at.key]
	if !has {
		return nil
	}
	return known(of)
}

// statusField is the field of an object which is what its server says.
const statusField = "status"

// known is a type whose fields are known, nil for another.
func known(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch of.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map:
		if !decodesItself(of) {
			return of
		}
	}
	return nil
}

// path is that of the present member.
func (e *exactFields) path() *field.Path {
	path := e.base
	for _, at := range e.levels {
		switch {
		case !at.object && path == nil:
			return field.NewPath(fmt.Sprint(at.index))
		case !at.object:
			path = path.Index(at.index)
		case at.of != nil && at.of.Kind() == reflect.Map && path != nil:
			path = path.Key(at.key)
		default:
			path = child(path, at.key)
		}
	}
	return path
}
