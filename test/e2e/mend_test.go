//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheTestBedIsMended kills parts of the local Kubernetes the hard way; `cluster up` brings back what is missing and
// leaves alone what runs.
func TestTheTestBedIsMended(t *testing.T) {
	before := parts(t)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		// The other tests need what was killed, and the test's own context has ended.
		if r := runIn(context.Background(), t, "", "go", "run", "-C", "../../hack", "./cluster", "up"); r.Code != 0 {
			t.Errorf("cluster up: exit code %d\n%s", r.Code, r.Stderr)
		}
	})
	killed := []string{"kube-scheduler", "coredns", "provisioner", "kube-apiserver"}
	for _, name := range killed {
		if err := syscall.Kill(before[name], syscall.SIGKILL); err != nil {
			t.Fatalf("kill %s: %v", name, err)
		}
	}
	up := func() time.Duration {
		start := time.Now()
		if r := run(t, "", "go", "run", "-C", "../../hack", "./cluster", "up"); r.Code != 0 {
			t.Fatalf("cluster up: exit code %d\n%s", r.Code, r.Stderr)
		}
		return time.Since(start)
	}
	t.Logf("mended in %s", up())
	mended := parts(t)
	for name, pid := range before {
		replaced := mended[name] != pid
		wanted := false
		for _, k := range killed {
			wanted = wanted || k == name
		}
		if replaced != wanted {
			t.Errorf("%s was process %d and is %d, it was killed: %v", name, pid, mended[name], wanted)
		}
	}
	t.Logf("a second up took %s", up())
	if again := parts(t); fmt.Sprint(again) != fmt.Sprint(mended) {
		t.Errorf("a second up replaced something: %v, was %v", again, mended)
	}
	kubectl(t, "wait apiservice/v1beta1.kafka.openshift.io --for=condition=Available --timeout=2m")
}

// parts are the processes of the local Kubernetes by name; all of them have to be healthy.
func parts(t *testing.T) map[string]int {
	t.Helper()
	r := run(t, "", "go", "run", "-C", "../../hack", "./cluster", "status")
	if r.Code != 0 {
		t.Fatalf("cluster status: exit code %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	pids := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(r.Stdout), "\n")[1:] {
		columns := strings.Fields(line)
		pid, err := strconv.Atoi(columns[1])
		if err != nil {
			t.Fatalf("cluster status says %q", line)
		}
		pids[columns[0]] = pid
	}
	return pids
}
