package faults

import (
	"maps"
	"slices"
	"testing"
)

// Each way in which an answer is not true is found, and found alone.
func TestLedgerFindsEachUntrueAnswer(t *testing.T) {
	l := &Ledger{}
	l.Note("written", Written, &Place{0, 5})
	l.Note("written somewhere", Written, nil)
	l.Note("refused", Refused, nil)
	l.Note("unknown and there", Unknown, nil)
	l.Note("unknown and not there", Unknown, nil)
	there := map[string][]Place{"written": {{0, 5}}, "written somewhere": {{1, 0}}, "unknown and there": {{0, 7}}}
	if r := l.Check(there); len(r.Faults) != 0 || r.Written != 2 || r.Refused != 1 || r.Unknown != 2 || r.UnknownThere != 1 {
		t.Errorf("true answers: %v, %q", r, r.Faults)
	}
	for want, change := range map[string]func(map[string][]Place){
		"written was answered as written and is not there":           func(m map[string][]Place) { delete(m, "written") },
		"written somewhere was answered as written and is not there": func(m map[string][]Place) { delete(m, "written somewhere") },
		"written is there 2 times: [{0 5} {0 6}]":                    func(m map[string][]Place) { m["written"] = append(m["written"], Place{0, 6}) },
		"written was answered as written at {0 5} and is at [{1 5}]": func(m map[string][]Place) { m["written"] = []Place{{1, 5}} },
		"refused was answered as not written and is at [{0 1}]":      func(m map[string][]Place) { m["refused"] = []Place{{0, 1}} },
		"unknown and there is there 2 times: [{0 7} {0 8}]":          func(m map[string][]Place) { m["unknown and there"] = []Place{{0, 7}, {0, 8}} },
		`"nobody's" is at [{0 9}], and nobody has sent it`:           func(m map[string][]Place) { m["nobody's"] = []Place{{0, 9}} },
	} {
		read := maps.Clone(there)
		change(read)
		if r := l.Check(read); !slices.Equal(r.Faults, []string{want}) {
			t.Errorf("found %q, want %q", r.Faults, want)
		}
	}
}
