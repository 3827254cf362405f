package apiserver

import (
	"strings"
	"testing"
)

func TestElementsAreCounted(t *testing.T) {
	cbor := func(parts ...string) string { return strings.Join(parts, "") }
	for name, tc := range map[string]struct {
		media, text string
		want        int64
	}{
		"an empty object":           {"application/json", `{}`, 1},
		"members":                   {"application/json", `{"a":[1,2,{"b":null}],"c":"d"}`, 6},
		"objects without anything":  {"application/json", `[{},{},{}]`, 6},
		"what is in a text":         {"application/json", `{"a":"{[,\",,[{\\"}`, 1},
		"a patch":                   {"application/json-patch+json", `[{"op":"add","path":"/a,b","value":[]}]`, 5},
		"with a character set":      {"application/merge-patch+json; charset=utf-8", `{"a":1,"b":2}`, 2},
		"no type at all":            {"", `[1,2,3]`, 3},
		"a block of YAML":           {"application/yaml", "a:\n- b\n- c: d\n", 4},
		"a sequence in a line":      {"application/yaml", "- - - - x", 4},
		"JSON where YAML can be":    {"application/apply-patch+yaml", `{"a":[1,2]}`, 4},
		"an empty map of CBOR":      {"application/cbor", "\xa0", 1},
		"arrays of CBOR":            {"application/cbor", cbor("\x84", "\x80", "\x80", "\x80", "\x80"), 5},
		"a text of CBOR":            {"application/apply-patch+cbor", cbor("\x82", "\x63\x80\x80\x80", "\x01"), 3},
		"a long text of CBOR":       {"application/cbor", cbor("\x82", "\x79\x01\x00", strings.Repeat("\x80", 256), "\xf6"), 3},
		"numbers of CBOR":           {"application/cbor", cbor("\x83", "\x18\x80", "\x1a\x80\x80\x80\x80", "\xfb\x80\x80\x80\x80\x80\x80\x80\x80"), 4},
		"texts in pieces":           {"application/cbor", cbor("\x7f", "\x62\x80\x80", "\x40", "\xff"), 4},
		"a tag and an endless list": {"application/cbor", cbor("\xc1", "\x9f", "\x00", "\xff"), 4},
	} {
		for _, piece := range []int{1, 2, 3, len(tc.text)} {
			counter, _ := counterFor(tc.media, bodyLimit{1 << 20, 1 << 20})
			for rest := tc.text; rest != ""; {
				n := min(piece, len(rest))
				counter.count([]byte(rest[:n]))
				rest = rest[n:]
			}
			if got, err := counter.elements(); err != nil || got != tc.want {
				t.Errorf("%s, in pieces of %d: %d, %v; want %d", name, piece, got, err, tc.want)
			}
		}
	}
}

// A kilobyte of aliases can stand for gigabytes.
func TestAliasesOfYAMLAreFew(t *testing.T) {
	laughs := "a: &a xxxxxxxxxxxxxxxx\nb: &b [*a, *a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b]\n"
	for name, tc := range map[string]struct {
		text    string
		refused bool
	}{
		"laughs":          {laughs, true},
		"in one line":     {strings.ReplaceAll(laughs, "\n", " "), true},
		"a few":           {"a: &a x\nb: *a\nc: *a\n", false},
		"text":            {"a: |\n  *one* *two* *three* *four* *five* *six* *seven* *eight* *nine* * ten\n", false},
		"text and amends": {"a: |\n  this & that, a*b, 2 * 3 * 4 * 5 * 6 * 7 * 8 * 9 * 10 * 11\n", false},
	} {
		counter, _ := counterFor("application/yaml", bodyLimit{1 << 20, 1 << 20})
		for i := range tc.text {
			counter.count([]byte{tc.text[i]})
		}
		if _, err := counter.elements(); (err != nil) != tc.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What an alias stands for is decoded once more.
	list := "a: &a [" + strings.Repeat("1,", 1000) + "]\nb: *a\nc: *a\nd: *a\n"
	counter, _ := counterFor("application/yaml", bodyLimit{1 << 20, 1 << 20})
	counter.count([]byte(list))
	if n, err := counter.elements(); err != nil || n < 4000 {
		t.Errorf("three aliases of a thousand elements count as %d, %v", n, err)
	}
}
