// Command test runs layers of tests, all of them even when one fails. A test that failed is run once more by itself when everything
// else is done: what passes then is flaky, is told as such, and counts as passed; more than three of those fail the run. It closes with
// one line that counts single tests: "N passed, N failed".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "test: %v\n", err)
		os.Exit(1)
	}
}

// errFailed says that tests failed; the closing lines have told which.
var errFailed = errors.New("tests failed")

func run(ctx context.Context, names []string) error {
	root, err := repo.Root()
	if err != nil {
		return err
	}
	chosen, err := choose(layers(root), names)
	if err != nil {
		return err
	}
	// Nothing of an earlier run may be counted.
	results := filepath.Join(root, ".local", "test")
	if err := os.RemoveAll(results); err != nil {
		return fmt.Errorf("removing the results of an earlier run: %w", err)
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return fmt.Errorf("making the folder of the results: %w", err)
	}
	gotestsum := filepath.Join(root, ".local", "codegen", "gotestsum")
	if err := buildGotestsum(ctx, root, gotestsum); err != nil {
		return err
	}
	r := runner{gotestsum: gotestsum, results: results, out: os.Stdout}
	summary := r.run(ctx, chosen)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	closing := summary.String()
	fmt.Print(closing)
	if err := os.WriteFile(filepath.Join(results, "summary"), []byte(closing), 0o644); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	if !summary.ok() {
		return errFailed
	}
	return nil
}

// buildGotestsum builds the tool that runs go test and prints what fails. The product's go.mod pins it.
func buildGotestsum(ctx context.Context, root, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "gotest.tools/gotestsum")
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building gotestsum: %w\n%s", err, output)
	}
	return nil
}

// choose returns the layers of some names, in the order of the names.
func choose(all []layer, names []string) ([]layer, error) {
	var known []string
	for _, l := range all {
		known = append(known, l.name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("usage: hack/test.sh LAYER..., with layers %s", strings.Join(known, ", "))
	}
	var chosen []layer
	for _, name := range names {
		found := false
		for _, l := range all {
			if l.name == name {
				chosen, found = append(chosen, l), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown layer %q, known are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}
