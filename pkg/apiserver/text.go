package apiserver

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// jsonText looks for the place in a JSON text, which comes in pieces, where it is not Unicode: bytes that are not UTF-8, and escapes of one half
// of a surrogate pair. Decoders put U+FFFD there without a word, so that what is stored or written would be something else, and two keys one.
type jsonText struct {
	// read is how many bytes came before the present piece.
	read int64
	// rest is the beginning of a character whose other bytes are still to come.
	rest []byte
	// escape is how much of an escape was read: the backslash, the u, and each of its four digits. unit is what these say.
	escape int
	unit   rune
	// high tells that the first half of a surrogate pair was read, and that the second has to be next.
	high bool
}

// isJSON tells whether bodies of a type are JSON.
func isJSON(media string) bool {
	switch media {
	case runtime.ContentTypeJSON, string(types.MergePatchType), string(types.StrategicMergePatchType), string(types.JSONPatchType):
		return true
	}
	return false
}

// take takes the next piece. The error says what is wrong with its first n bytes.
func (t *jsonText) take(piece []byte) (n int, err error) {
	for i, b := range piece {
		if problem := t.byte(b); problem != "" {
			return i, fmt.Errorf("%s at byte %d", problem, t.read+int64(i))
		}
	}
	t.read += int64(len(piece))
	return len(piece), nil
}

const loneSurrogate = "half of a surrogate pair"

func (t *jsonText) byte(b byte) (problem string) {
	if b >= utf8.RuneSelf || len(t.rest) > 0 {
		t.rest = append(t.rest, b)
		if !utf8.FullRune(t.rest) {
			return ""
		}
		if r, size := utf8.DecodeRune(t.rest); r == utf8.RuneError && size == 1 {
			return "a byte that is not UTF-8"
		}
		t.rest = t.rest[:0]
	}
	switch {
	case t.escape == 0 && b == '\\':
		t.escape = 1
	case t.escape == 1 && b == 'u':
		t.escape, t.unit = 2, 0
	case t.escape >= 2:
		// What is no digit its decoder refuses.
		if t.unit = t.unit<<4 | hex(b); t.escape < 5 {
			t.escape++
			return ""
		}
		t.escape = 0
		low := 0xdc00 <= t.unit && t.unit < 0xe000
		if low != t.high {
			return loneSurrogate
		}
		t.high = 0xd800 <= t.unit && t.unit < 0xdc00
	default:
		t.escape = 0
		if t.high {
			return loneSurrogate
		}
	}
	return ""
}

func hex(b byte) rune {
	switch {
	case '0' <= b && b <= '9':
		return rune(b - '0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		return rune(b|0x20-'a') + 10
	}
	return 0
}

// errNotText is of text in YAML that is none, which its tag !!binary makes of base64.
var errNotText = errors.New("a text of the tag !!binary whose bytes are not UTF-8")

// notText is the refusal of what is no text. where is the field, "" when it is not known.
func notText(what, where string, problem error) error {
	if where != "" {
		where = where + ": "
	}
	return fmt.Errorf("%sthe body of %q has %w; accepted is text in UTF-8, and for bytes that are none the fields of records "+
		"that take base64: keyBase64 and valueBase64", where, what, problem)
}
