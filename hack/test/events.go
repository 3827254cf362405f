package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc test2json). One without a test is about its package.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	FailedBuild string
}

// test names a test, or a subtest as "TestX/subtest".
type test struct{ pkg, name string }

func (t test) String() string { return fmt.Sprintf("%s (%s)", t.name, t.pkg) }

// root is the top-level test that contains t.
func (t test) root() test {
	name, _, _ := strings.Cut(t.name, "/")
	return test{t.pkg, name}
}

// outcomes are what came of tests.
type outcomes struct {
	// tests have "pass", "fail" or "skip".
	tests map[test]string
	// broken are packages that failed otherwise than by a test that failed, with the reason: of their tests nobody knows which ones
	// were never run.
	broken map[string]string
}

// readOutcomes reads the events of one go test.
func readOutcomes(r io.Reader) (outcomes, error) {
	o := outcomes{tests: map[test]string{}, broken: map[string]string{}}
	failed := map[string]event{}
	// A test binary that came to its end says FAIL on a line of its own. One that panicked, ran out of time or was ended by TestMain
	// does not.
	ended := map[string]bool{}
	unfinished := map[test]bool{}
	for decoder := json.NewDecoder(r); ; {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return o, fmt.Errorf("reading the events of go test: %w", err)
		}
		t := test{e.Package, e.Test}
		switch {
		case e.Test == "" && e.Action == "fail":
			failed[e.Package] = e
		case e.Test == "" && e.Action == "output" && e.Output == "FAIL\n":
			ended[e.Package] = true
		case e.Test == "":
		case e.Action == "run":
			unfinished[t] = true
		case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
			// One that is run several times, with -count, passes when it always does.
			if o.tests[t] != "fail" {
				o.tests[t] = e.Action
			}
			delete(unfinished, t)
		}
	}
	for pkg, e := range failed {
		if why := o.brokenBy(e, ended[pkg], unfinished); why != "" {
			o.broken[pkg] = why
		}
	}
	return o, nil
}

// brokenBy tells how a package failed, "" when it was by its tests.
func (o outcomes) brokenBy(e event, ended bool, unfinished map[test]bool) string {
	if e.FailedBuild != "" {
		return "does not build"
	}
	failed := false
	for t, outcome := range o.tests {
		failed = failed || t.pkg == e.Package && outcome == "fail"
	}
	for t := range unfinished {
		ended = ended && t.pkg != e.Package
	}
	if ended && failed {
		return ""
	}
	return "failed otherwise than by a test: it panicked, ran out of time or was ended by its TestMain"
}

// failedRoots are the top-level tests that failed in packages that came to their end, sorted.
func (o outcomes) failedRoots() []test {
	roots := map[test]bool{}
	for t, outcome := range o.tests {
		if _, broken := o.broken[t.pkg]; outcome == "fail" && !broken {
			roots[t.root()] = true
		}
	}
	return slices.SortedFunc(maps.Keys(roots), func(a, b test) int {
		return strings.Compare(a.pkg+" "+a.name, b.pkg+" "+b.name)
	})
}

// replace puts the outcomes of a later run of a top-level test in the place of the former.
func (o outcomes) replace(root test, later outcomes) {
	maps.DeleteFunc(o.tests, func(t test, _ string) bool { return t.root() == root })
	for t, outcome := range later.tests {
		if t.root() == root {
			o.tests[t] = outcome
		}
	}
}

func (o outcomes) count(outcome string) int {
	n := 0
	for _, have := range o.tests {
		if have == outcome {
			n++
		}
	}
	return n
}
