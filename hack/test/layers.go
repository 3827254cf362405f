package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
)

// layer is tests with the same real parts around them (docs/decisions/0005-test-layers.md).
type layer struct {
	name string
	// prepare makes what the tests need; nil when they need nothing.
	prepare func(context.Context) error
	suites  []suite
	// together are suites that run beside each other.
	together bool
}

// suite is one go test.
type suite struct {
	name string
	// dir is the folder of the module.
	dir      string
	flags    []string
	packages []string
	// env is what the environment has beside this process's own.
	env []string
	// told has all that tests log printed, also of those that pass.
	told bool
}

func layers(root string) []layer {
	hack := filepath.Join(root, "hack")
	local := filepath.Join(root, ".local")
	inCluster := []string{
		"KUBECONFIG=" + filepath.Join(local, "kubeconfig"),
		"PATH=" + filepath.Join(local, "bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
	// Built here when the cache is empty, which takes minutes: the tests' own time is for starting them.
	kubernetes := func(ctx context.Context) error {
		builder := binaries.Builder{Root: root, Log: os.Stderr}
		for _, name := range binaries.ControlPlane {
			if _, err := builder.Build(ctx, name); err != nil {
				return err
			}
		}
		return nil
	}
	return []layer{
		{name: "unit", suites: []suite{
			// Most of the time a test waits, for a loop that looks again or for a limit that passes, so that more of them run at once than there
			// are cores. The packages that take longest begin first.
			{name: "unit", dir: root, flags: []string{"-timeout", "10m", "-p", "3", "-parallel", "8"},
				packages: []string{"./pkg/broker/...", "./pkg/registry/kafkatopic/...", "./pkg/controllers/topic/...", "./cmd/...", "./pkg/...",
					"./test/bench/...", "./test/e2e/harness", "./test/faults", "./test/kafkaproc/..."}},
			{name: "unit-hack", dir: hack, flags: []string{"-timeout", "5m"}, packages: []string{"./..."}},
		}},
		// The tests of the first suite have brokers of their own, and both suites wait for brokers half of the time. The unit layer has run the
		// other tests of its packages. Either suite takes about as long as the other, so that none has the machine to itself for long.
		{name: "integration", prepare: kubernetes, together: true, suites: []suite{
			{name: "integration-broker", dir: root, flags: []string{"-tags", "integration", "-timeout", "20m", "-p", "1", "-run", "^TestReal"},
				packages: []string{"./pkg/broker", "./pkg/controllers/external", "./test/faults", "./test/kafkaproc"}},
			// Most of the time a test waits for Java to start, or for a timeout.
			{name: "integration", dir: root, flags: []string{"-tags", "integration", "-timeout", "30m", "-p", "1", "-parallel", "3"},
				packages: []string{"./test/integration/..."}},
		}},
		{name: "e2e", prepare: func(ctx context.Context) error { return makeUp(ctx, root) }, suites: []suite{
			{name: "e2e", dir: root, flags: []string{"-tags", "e2e", "-timeout", "30m", "-count", "1", "-p", "1"},
				packages: []string{"./test/e2e"}, env: inCluster},
		}},
		// Those of the tag take longer than a change should wait for; the others show here whether they depend on their order, or on luck.
		{name: "long", suites: []suite{
			{name: "long", dir: root, flags: []string{"-tags", "long", "-timeout", "120m", "-count", "5", "-shuffle", "on"},
				packages: []string{"./cmd/...", "./pkg/...", "./test/bench/...", "./test/e2e/harness"}},
			// What they count is a result, too. One real cluster at a time.
			{name: "long-brokers", dir: root, flags: []string{"-tags", "long", "-timeout", "60m", "-count", "1", "-p", "1"}, told: true,
				packages: []string{"./test/releases", "./test/faults"}},
		}},
	}
}

func makeUp(ctx context.Context, root string) error {
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "up")
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	if err := runInterruptible(cmd); err != nil {
		return fmt.Errorf("make up: %w", err)
	}
	return nil
}
