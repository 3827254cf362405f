package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// mostFlaky is how many flaky tests are let through.
	mostFlaky = 3
	// mostAgain is how many tests are run once more. When more have failed, something is broken.
	mostAgain = 12
	// stopGrace is what a command gets to clean up after an interrupt.
	stopGrace = time.Minute
)

// runner runs layers.
type runner struct {
	gotestsum string
	// results is a folder for what go test tells.
	results string
	out     io.Writer
}

// ran is a suite with what came of it.
type ran struct {
	suite
	outcomes
}

// run runs layers, and what failed in them once more.
func (r runner) run(ctx context.Context, chosen []layer) summary {
	var s summary
	var all []ran
	for _, l := range chosen {
		fmt.Fprintf(r.out, "== %s\n", l.name)
		if l.prepare != nil {
			if err := l.prepare(ctx); err != nil {
				s.broken = append(s.broken, fmt.Sprintf("layer %s: %v", l.name, err))
				continue
			}
		}
		all = append(all, r.runSuites(ctx, l, &s)...)
	}
	if ctx.Err() == nil {
		r.runAgain(ctx, all, &s)
	}
	for _, suite := range all {
		s.passed += suite.count("pass")
		s.failedTests += suite.count("fail")
		for pkg, why := range suite.broken {
			s.broken = append(s.broken, fmt.Sprintf("package %s %s", pkg, why))
		}
	}
	slices.Sort(s.broken)
	return s
}

func (r runner) runSuites(ctx context.Context, l layer, s *summary) []ran {
	results := make([]outcomes, len(l.suites))
	errs := make([]error, len(l.suites))
	var running sync.WaitGroup
	for i, suite := range l.suites {
		running.Go(func() { results[i], errs[i] = r.runSuite(ctx, suite, suite.name) })
		if !l.together {
			running.Wait()
		}
	}
	running.Wait()
	var all []ran
	for i, suite := range l.suites {
		if errs[i] != nil {
			s.broken = append(s.broken, fmt.Sprintf("suite %s: %v", suite.name, errs[i]))
		}
		all = append(all, ran{suite, results[i]})
	}
	return all
}

// runSuite runs one go test. That tests or packages failed is no error of it.
func (r runner) runSuite(ctx context.Context, s suite, name string) (outcomes, error) {
	file := filepath.Join(r.results, name+".json")
	format := "pkgname-and-test-fails"
	if s.told {
		format = "standard-verbose"
	}
	args := append([]string{"--format", format, "--format-hide-empty-pkg", "--jsonfile", file, "--"}, s.flags...)
	cmd := exec.CommandContext(ctx, r.gotestsum, append(args, s.packages...)...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = r.out, r.out
	ended := runInterruptible(cmd)
	content, err := os.Open(file)
	if err != nil {
		return outcomes{}, errors.Join(ended, err)
	}
	defer content.Close()
	o, err := readOutcomes(content)
	if err != nil {
		return o, errors.Join(ended, err)
	}
	if ended != nil && len(o.broken) == 0 && o.count("fail") == 0 {
		return o, fmt.Errorf("go test: %w, although no test failed", ended)
	}
	return o, nil
}

// runInterruptible runs a command that gets the time to clean up when its context ends.
func runInterruptible(cmd *exec.Cmd) error {
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopGrace
	return cmd.Run()
}

// runAgain runs each test that failed once more by itself, and puts what comes of it in the place of the first outcome if it passes.
func (r runner) runAgain(ctx context.Context, all []ran, s *summary) {
	failed := 0
	for _, suite := range all {
		failed += len(suite.failedRoots())
	}
	for _, suite := range all {
		for _, root := range suite.failedRoots() {
			if failed > mostAgain {
				s.failed = append(s.failed, root.String())
				continue
			}
			passed, err := r.passes(ctx, suite, root, fmt.Sprintf("again-%d", s.again))
			s.again++
			switch {
			case err != nil:
				s.failed = append(s.failed, fmt.Sprintf("%s, which could not be run again: %v", root, err))
			case passed:
				s.flaky = append(s.flaky, root)
			default:
				s.failed = append(s.failed, root.String())
			}
		}
	}
}

func (r runner) passes(ctx context.Context, suite ran, root test, name string) (bool, error) {
	fmt.Fprintf(r.out, "== once more: %s\n", root)
	once := suite.suite
	// The last of equal flags counts. Without -count, the outcome of an earlier run of this kind would do.
	once.flags = append(slices.Clone(suite.flags), "-count", "1", "-run", "^"+root.name+"$")
	once.packages = []string{root.pkg}
	later, err := r.runSuite(ctx, once, name)
	if err != nil {
		return false, err
	}
	// One that is skipped this time has not passed.
	if len(later.broken) > 0 || later.tests[root] != "pass" {
		return false, nil
	}
	suite.replace(root, later)
	return true, nil
}

// summary is what a run tells in the end.
type summary struct {
	// passed and failedTests count single tests, subtests included.
	passed, failedTests int
	// failed are top-level tests that failed, twice if they could be run again.
	failed []string
	// broken are packages, suites and layers that failed otherwise than by their tests: what they did not run is counted nowhere.
	broken []string
	flaky  []test
	again  int
}

func (s summary) ok() bool {
	return s.passed > 0 && s.failedTests == 0 && len(s.broken) == 0 && len(s.flaky) <= mostFlaky
}

func (s summary) String() string {
	var text strings.Builder
	for _, name := range append(slices.Clone(s.failed), s.broken...) {
		fmt.Fprintf(&text, "failed: %s\n", name)
	}
	for _, t := range s.flaky {
		fmt.Fprintf(&text, "flaky: %s\n", t)
	}
	if len(s.flaky) > mostFlaky {
		fmt.Fprintf(&text, "%d tests are flaky, at most %d are let through\n", len(s.flaky), mostFlaky)
	}
	if s.passed == 0 {
		fmt.Fprintln(&text, "no test passed")
	}
	fmt.Fprintf(&text, "%d passed, %d failed", s.passed, s.failedTests+len(s.broken))
	if len(s.flaky) > 0 {
		fmt.Fprintf(&text, ", %d flaky", len(s.flaky))
	}
	return text.String() + "\n"
}
