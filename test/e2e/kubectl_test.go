//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/e2e/harness"
)

// commandTimeout bounds one kubectl; waits are bounded by their own --timeout below it.
const commandTimeout = 9 * time.Minute

func run(t *testing.T, stdin string, name string, args ...string) harness.Result {
	t.Helper()
	return runIn(t.Context(), t, stdin, name, args...)
}

// runIn is run for when the test's own context has ended.
func runIn(ctx context.Context, t *testing.T, stdin string, name string, args ...string) harness.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	result, err := harness.Run(ctx, stdin, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// kubectl runs a command line that has to succeed, as typed, and returns what it prints.
func kubectl(t *testing.T, line string) string {
	t.Helper()
	return kubectlWith(t, "", line)
}

// kubectlWith is kubectl with an input.
func kubectlWith(t *testing.T, stdin, line string) string {
	t.Helper()
	r := run(t, stdin, "kubectl", strings.Fields(line)...)
	if r.Code != 0 {
		t.Fatalf("kubectl %s: exit code %d\n%s%s", line, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// kubectlFails runs a command line that has to be refused with all of the words given.
func kubectlFails(t *testing.T, stdin, line string, words ...string) {
	t.Helper()
	r := run(t, stdin, "kubectl", strings.Fields(line)...)
	if r.Code == 0 {
		t.Fatalf("kubectl %s: succeeded, want a refusal\n%s", line, r.Stdout)
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("kubectl %s: refused without %q:\n%s", line, word, r.Stderr)
		}
	}
}

// field reads one value of an object by JSON path, "" when it is not there.
func field(t *testing.T, object, path string) string {
	t.Helper()
	return kubectl(t, "get "+object+" -o jsonpath={"+path+"}")
}

// eventually polls until what is wrong is "", and fails with the last of it otherwise.
func eventually(t *testing.T, timeout time.Duration, what string, wrong func() string) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		problem := wrong()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %s", what, timeout, problem)
		}
		<-ticker.C
	}
}
