package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
)

// Tests of the modules that are made here.
const (
	passing = "func TestPasses(t *testing.T) {}\n"
	failing = "func TestFails(t *testing.T) { t.Error(\"always\") }\n"
	// A flaky test fails at its first run only, which leaves a file.
	first = `
func first(name string) bool {
	_, err := os.Stat(name)
	if err == nil {
		return false
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		panic(err)
	}
	return true
}
`
)

// gotestsum is built once for all tests.
var gotestsum string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gotestsum-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		root, err := repo.Root()
		if err != nil {
			panic(err)
		}
		gotestsum = filepath.Join(dir, "gotestsum")
		if err := buildGotestsum(context.Background(), root, gotestsum); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// flaky is a test that fails at its first run only.
func flaky(name string) string {
	return "func " + name + "(t *testing.T) { if first(\"" + name + "\") { t.Error(\"the first time\") } }\n"
}

func broken(packages ...string) []string {
	var lines []string
	for _, name := range packages {
		lines = append(lines, "failed: package example.com/"+name+" failed otherwise than by a test: it panicked, ran out of time or was ended by its TestMain")
	}
	return lines
}

// runModule runs the tests of a module with some packages, each with the functions of one test file.
func runModule(t *testing.T, packages map[string]string, flags ...string) (summary, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com\n\ngo 1.26.0\n")
	for name, functions := range packages {
		content := "package " + name + "\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar _ = testing.Short\n" + first + functions
		write(t, filepath.Join(dir, name, name+"_test.go"), content)
	}
	return runLayers(t, layer{name: "made", suites: []suite{{name: "made", dir: dir, flags: append(flags, "-vet", "off"), packages: []string{"./..."}}}})
}

func runLayers(t *testing.T, chosen ...layer) (summary, string) {
	t.Helper()
	var log strings.Builder
	r := runner{gotestsum: gotestsum, results: t.TempDir(), out: &log}
	s := r.run(t.Context(), chosen)
	t.Logf("%s%s", log.String(), s)
	return s, s.String()
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRun(t *testing.T) {
	for name, given := range map[string]struct {
		packages map[string]string
		flags    []string
		// want are the closing lines.
		want []string
		ok   bool
	}{
		"all pass": {
			packages: map[string]string{"a": passing, "b": passing},
			want:     []string{"2 passed, 0 failed"}, ok: true,
		},
		"one that passes the second time is flaky and counts as passed": {
			packages: map[string]string{"a": passing + flaky("TestFlaky")},
			want:     []string{"flaky: TestFlaky (example.com/a)", "2 passed, 0 failed, 1 flaky"}, ok: true,
		},
		"one that fails once of several times has failed": {
			packages: map[string]string{"a": passing + flaky("TestFlaky")}, flags: []string{"-count", "3"},
			want: []string{"flaky: TestFlaky (example.com/a)", "2 passed, 0 failed, 1 flaky"}, ok: true,
		},
		"one that fails again is a failure": {
			packages: map[string]string{"a": passing + failing, "b": flaky("TestFlaky")},
			want:     []string{"failed: TestFails (example.com/a)", "flaky: TestFlaky (example.com/b)", "2 passed, 1 failed, 1 flaky"},
		},
		"a subtest is run again with the test that contains it, and subtests that were not reached count": {
			packages: map[string]string{"a": `func TestParent(t *testing.T) {
				t.Run("one of/several", func(t *testing.T) { if first("sub") { t.Error("the first time") } })
				if t.Failed() { return }
				t.Run("later", func(*testing.T) {})
			}
			func TestParentOfOthers(t *testing.T) { if first("others") { t.Error("the first time") } }
			`},
			want: []string{"flaky: TestParent (example.com/a)", "flaky: TestParentOfOthers (example.com/a)", "4 passed, 0 failed, 2 flaky"}, ok: true,
		},
		"one that is skipped the second time has not passed": {
			packages: map[string]string{"a": passing + `func TestSkips(t *testing.T) { if first("skip") { t.Error("the first time") }; t.Skip("the second") }` + "\n"},
			want:     []string{"failed: TestSkips (example.com/a)", "1 passed, 1 failed"},
		},
		"three flaky ones are let through": {
			packages: map[string]string{"a": flaky("TestA") + flaky("TestB"), "b": flaky("TestC")},
			want: []string{"flaky: TestA (example.com/a)", "flaky: TestB (example.com/a)", "flaky: TestC (example.com/b)",
				"3 passed, 0 failed, 3 flaky"}, ok: true,
		},
		"four are not": {
			packages: map[string]string{"a": flaky("TestA") + flaky("TestB"), "b": flaky("TestC") + flaky("TestD")},
			want: []string{"flaky: TestA (example.com/a)", "flaky: TestB (example.com/a)", "flaky: TestC (example.com/b)", "flaky: TestD (example.com/b)",
				"4 tests are flaky, at most 3 are let through", "4 passed, 0 failed, 4 flaky"},
		},
		// Their other tests were perhaps not run, so nothing of them is run again: not the one that would not panic the second time, either.
		"packages that fail otherwise than by a test": {
			packages: map[string]string{
				"panics": `func TestPanics(t *testing.T) { if first("panic") { panic("the first time") } }
					func TestNeverRun(t *testing.T) { t.Error("always") }
					`,
				"elsewhere": "func TestPanics(t *testing.T) { go panic(\"in another goroutine\"); select {} }\n",
				// What is waited for keeps Go from seeing a deadlock.
				"hangs":     "func TestHangs(t *testing.T) { r, _, _ := os.Pipe(); _, _ = r.Read(make([]byte, 1)) }\n",
				"ended":     passing + "func TestMain(*testing.M) { os.Exit(1) }\n",
				"leaving":   passing + "func TestMain(m *testing.M) { m.Run(); os.Exit(1) }\n",
				"unbuilt":   "func TestDoesNotBuild(t *testing.T) { undefined() }\n",
				"faultless": passing,
			},
			flags: []string{"-timeout", "5s"},
			want: append(broken("elsewhere", "ended", "hangs", "leaving", "panics"), "failed: package example.com/unbuilt does not build",
				// The one that panicked is known to have failed.
				"2 passed, 7 failed"),
		},
		"nothing that passes": {
			packages: map[string]string{"a": "func TestSkips(t *testing.T) { t.Skip() }\n"},
			want:     []string{"no test passed", "0 passed, 0 failed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, text := runModule(t, given.packages, given.flags...)
			if want := strings.Join(given.want, "\n") + "\n"; text != want {
				t.Errorf("it closes with\n%swant\n%s", text, want)
			}
			if s.ok() != given.ok {
				t.Errorf("ok is %v, want %v", s.ok(), given.ok)
			}
		})
	}
}

// More failures than a run's patience are something that is broken: running each once more would only take long.
func TestManyFailuresAreNotRunAgain(t *testing.T) {
	var functions strings.Builder
	for i := range mostAgain + 1 {
		functions.WriteString(flaky("TestFlaky" + string(rune('A'+i))))
	}
	s, text := runModule(t, map[string]string{"a": functions.String() + passing})
	if s.again != 0 || s.ok() || !strings.HasSuffix(text, "1 passed, 13 failed\n") {
		t.Errorf("%d were run again, and it closes with\n%s", s.again, text)
	}
}

// What fails is run once more with the flags and the environment of its own suite, after all of them.
func TestRunAgainHasTheSuitesFlagsAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "a", "a_test.go"), `//go:build tagged

package a

import (
	"os"
	"testing"
)

func TestTagged(t *testing.T) {
	if os.Getenv("LAYER") != "mine" {
		t.Fatal("the environment is not the suite's")
	}
	if _, err := os.Stat("../later-suite-has-run"); err != nil {
		t.Error("the other suite has not run yet")
	}
}

func TestNotOfTheSuite(t *testing.T) { t.Error("always") }
`)
	write(t, filepath.Join(dir, "b", "b_test.go"), `package b

import (
	"os"
	"testing"
)

func TestB(t *testing.T) {
	if err := os.WriteFile("../later-suite-has-run", nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
`)
	s, text := runLayers(t,
		layer{name: "one", suites: []suite{{name: "tagged", dir: dir, flags: []string{"-tags", "tagged", "-run", "^TestTagged$"},
			packages: []string{"./a"}, env: []string{"LAYER=mine"}}}},
		layer{name: "two", suites: []suite{{name: "other", dir: dir, packages: []string{"./b"}}}})
	if want := "flaky: TestTagged (example.com/a)\n2 passed, 0 failed, 1 flaky\n"; text != want || !s.ok() {
		t.Errorf("it closes with\n%swant\n%s", text, want)
	}
}

// A layer that cannot start is a failure, and the others are run all the same.
func TestALayerThatCannotStart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module example.com\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "a_test.go"), "package a\n\nimport \"testing\"\n\n"+passing)
	never := func(context.Context) error { return errors.New("no root") }
	s, text := runLayers(t, layer{name: "broken", prepare: never, suites: []suite{{name: "never", dir: dir}}},
		layer{name: "fine", suites: []suite{{name: "fine", dir: dir, packages: []string{"./..."}}}})
	if want := "failed: layer broken: no root\n1 passed, 1 failed\n"; text != want || s.ok() {
		t.Errorf("it closes with\n%swant\n%s", text, want)
	}
}

// A suite whose packages cannot be found tells of no test.
func TestASuiteThatCannotStart(t *testing.T) {
	for module, want := range map[string]string{
		"module example.com\n\ngo 1.26.0\n": "failed: package ./nowhere/... does not build\n",
		"no module\n":                       "failed: suite made: go test: exit status ",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "go.mod"), module)
		s, text := runLayers(t, layer{name: "made", suites: []suite{{name: "made", dir: dir, packages: []string{"./nowhere/..."}}}})
		if s.ok() || !strings.Contains(text, want) || !strings.HasSuffix(text, "0 passed, 1 failed\n") {
			t.Errorf("it closes with\n%swant\n%s", text, want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := layers("/checkout")
	chosen, err := choose(all, []string{"e2e", "unit"})
	if err != nil || len(chosen) != 2 || chosen[0].name != "e2e" || chosen[1].name != "unit" {
		t.Errorf("chosen are %v, %v", chosen, err)
	}
	for _, names := range [][]string{nil, {"unit", "e3e"}} {
		if _, err := choose(all, names); err == nil || !strings.Contains(err.Error(), "unit, integration, e2e") {
			t.Errorf("%q: %v, want an error that names the layers", names, err)
		}
	}
}

// Two suites of one name would overwrite what go test tells of them.
func TestSuitesHaveNamesOfTheirOwn(t *testing.T) {
	var names []string
	for _, l := range layers("/checkout") {
		for _, s := range l.suites {
			if slices.Contains(names, s.name) {
				t.Errorf("two suites are called %s", s.name)
			}
			names = append(names, s.name)
		}
	}
}
