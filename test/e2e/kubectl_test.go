//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTimeout bounds one kubectl; waits are bounded by their own --timeout below it.
const commandTimeout = 9 * time.Minute

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

func run(t *testing.T, stdin string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s %s: %v", name, strings.Join(args, " "), err)
	}
	return result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
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
	if r.code != 0 {
		t.Fatalf("kubectl %s: exit code %d\n%s%s", line, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// kubectlFails runs a command line that has to be refused with all of the words given.
func kubectlFails(t *testing.T, stdin, line string, words ...string) {
	t.Helper()
	r := run(t, stdin, "kubectl", strings.Fields(line)...)
	if r.code == 0 {
		t.Fatalf("kubectl %s: succeeded, want a refusal\n%s", line, r.stdout)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("kubectl %s: refused without %q:\n%s", line, word, r.stderr)
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
