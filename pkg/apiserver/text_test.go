package apiserver

import "testing"

// What decoders would put U+FFFD for is found wherever a body is cut into pieces.
func TestWhatIsNoUnicodeIsFoundInPieces(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"größe €😀 \ufffd` + "\ufffd" + `","b":"😀 \uD83D\uDE00 \\ud800 \n\u0041"}`: "",
		"{\"a\":\"id-\x80\"}":          "a byte that is not UTF-8 at byte 9",
		"{\"a\":\"\xe2\x82\"}":         "a byte that is not UTF-8 at byte 8",
		"{\"a\":\"\xed\xa0\x80\"}":     "a byte that is not UTF-8 at byte 7",
		"{\"a\xff\":1}":                "a byte that is not UTF-8 at byte 3",
		`{"a":"\ud800"}`:               "half of a surrogate pair at byte 12",
		`{"a":"\ud83d\n"}`:             "half of a surrogate pair at byte 13",
		`{"a":"\ud83d\u0041"}`:         "half of a surrogate pair at byte 17",
		`{"a":"\ude00\ud83d"}`:         "half of a surrogate pair at byte 11",
		`{"a":"\ud83d\ud83d\ude00 "}`:  "half of a surrogate pair at byte 17",
		`{"a\uDE00":1}`:                "half of a surrogate pair at byte 8",
		`{"a":"\ud83d\ude00\ude00 x"}`: "half of a surrogate pair at byte 23",
	} {
		for size := 1; size <= len(text); size++ {
			check, got := &jsonText{}, ""
			for rest := text; rest != "" && got == ""; rest = rest[min(size, len(rest)):] {
				if _, err := check.take([]byte(rest[:min(size, len(rest))])); err != nil {
					got = err.Error()
				}
			}
			if got != want {
				t.Errorf("%q in pieces of %d: %q, want %q", text, size, got, want)
			}
		}
	}
}
