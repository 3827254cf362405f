// Package harness is what the e2e tests have in common and needs no cluster to be tested itself: how commands are run, how a test that
// failed is explained, and how nothing of a test is left when it ends.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command with an input until it ends, or the context does. That it fails is no error.
func Run(ctx context.Context, stdin, name string, args ...string) (Result, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Result{}, fmt.Errorf("run %s %s: %w", name, strings.Join(args, " "), err)
	}
	return Result{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}, nil
}

// kubectl is Run for a kubectl that has to succeed. It returns what kubectl prints.
func kubectl(ctx context.Context, args ...string) (string, error) {
	result, err := Run(ctx, "", "kubectl", args...)
	if err == nil && result.Code != 0 {
		err = fmt.Errorf("kubectl %s: exit code %d\n%s%s", strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout, err
}
