//go:build integration

package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kubectlLimit bounds one kubectl.
const kubectlLimit = 90 * time.Second

// Result is how a kubectl ended.
type Result struct {
	Stdout, Stderr string
	ExitCode       int
	// Code is the status code of the last answer of the server, 0 when it asked for nothing.
	Code int
	// Waited is how long it waited for the server, over all of its requests: what a busy machine adds to the start of a process is
	// no matter of the server's.
	Waited time.Duration
}

// answered has the code, empty when there was no answer, and the milliseconds until it came.
var answered = regexp.MustCompile(`"Response".* status="(\d*)[^"]*".* milliseconds=(\d+)`)

// Kubectl runs a command line against the host's kube-apiserver, with an input.
func (c *Cluster) Kubectl(t *testing.T, stdin, line string) Result {
	t.Helper()
	return c.KubectlOf(t, c.Host.AdminKubeconfig, stdin, line)
}

// KubectlOf runs a command line with another kubeconfig.
func (c *Cluster) KubectlOf(t *testing.T, kubeconfig, stdin, line string) Result {
	t.Helper()
	// Not the test's own context: kubectl cleans up, too.
	ctx, cancel := context.WithTimeout(context.Background(), kubectlLimit)
	defer cancel()
	// At this level kubectl logs each answer's code and how long it took.
	args := append([]string{"--kubeconfig", kubeconfig, "--cache-dir", c.dir + "/kubectl", "--v=6"}, strings.Fields(line)...)
	cmd := exec.CommandContext(ctx, c.Programs["kubectl"], args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run kubectl %s: %v", line, err)
	}
	result := Result{Stdout: stdout.String(), ExitCode: cmd.ProcessState.ExitCode()}
	for text := range strings.Lines(stderr.String()) {
		if match := answered.FindStringSubmatch(text); match != nil {
			if match[1] != "" {
				result.Code, _ = strconv.Atoi(match[1])
			}
			took, _ := strconv.Atoi(match[2])
			result.Waited += time.Duration(took) * time.Millisecond
		}
		// What kubectl logs begins with its level and the date.
		if !logLine.MatchString(text) {
			result.Stderr += text
		}
	}
	return result
}

var logLine = regexp.MustCompile(`^[IWE]\d{4} `)

// Namespace makes a namespace that is this test's own, and deletes it afterwards.
func (c *Cluster) Namespace(t *testing.T) string {
	t.Helper()
	c.mu.Lock()
	c.namespaces++
	name := fmt.Sprintf("it-%d", c.namespaces)
	c.mu.Unlock()
	if _, err := c.Kubernetes.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Kubernetes.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	return name
}

// Eventually polls until what is wrong is "", and fails with the last of it otherwise.
func Eventually(t *testing.T, limit time.Duration, what string, wrong func() string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		problem := wrong()
		if problem == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s: %s", what, limit, problem)
		}
	}
}
