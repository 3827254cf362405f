package node

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
	"kafka.openshift.io/kafka-apiserver/hack/internal/proc"
)

const (
	// healthyAgain is what a running part gets to show health before it is started anew: as long as kube-apiserver needs
	// to find an etcd that was just mended.
	healthyAgain = 15 * time.Second
	// healthyFirst is what a started part gets on a busy machine; seconds are usual.
	healthyFirst = 2 * time.Minute
	pollInterval = 100 * time.Millisecond
)

//go:embed objects.yaml
var objects []byte

// Up starts what does not run, replaces what runs but is not healthy or not as it should be, and returns when the node is
// ready. prepare is called once containerd is healthy, while the rest starts, to bring images in. If another checkout's
// cluster is up, it is stopped if replace is set; otherwise Up fails.
func (c Cluster) Up(ctx context.Context, replace bool, prepare func(context.Context) error) error {
	if err := c.Layout.validate(); err != nil {
		return err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.takeOver(ctx, replace); err != nil {
		return err
	}
	if err := c.own(); err != nil {
		return err
	}
	for _, dir := range []string{"run", "logs", "config", "containerd", "kubelet", "volumes", "pod-logs"} {
		if err := os.MkdirAll(c.Layout.path(dir), 0o755); err != nil {
			return fmt.Errorf("making the state folder: %w", err)
		}
	}
	// etcd insists on a folder that only its user may read.
	if err := os.MkdirAll(c.Layout.path("etcd"), 0o700); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	if err := errors.Join(c.Layout.writePKI(), c.Layout.writeConfigs(), linkKubectl(c.Layout, c.Programs), makeCgroups()); err != nil {
		return err
	}
	if err := netns.Up(ctx); err != nil {
		return fmt.Errorf("making the cluster's network: %w", err)
	}
	ns, err := netns.ID()
	if err != nil {
		return err
	}

	prepared := make(chan error, 1)
	for i, stage := range stages(c.Layout, c.Programs) {
		if err := c.ensure(ctx, ns, stage); err != nil {
			return err
		}
		switch i {
		case 0:
			if err := c.endPodsOfFormerNetwork(ctx, ns); err != nil {
				return err
			}
			go func() { prepared <- prepare(ctx) }()
		case 1:
			if err := c.applyObjects(ctx); err != nil {
				return err
			}
		}
	}
	if err := <-prepared; err != nil {
		return err
	}
	kubelet, _ := proc.Read(c.Layout.pidFile("kubelet"))
	return c.waitNodeReady(ctx, kubelet)
}

// endPodsOfFormerNetwork ends pods that survived their network: kubelet would keep them, and nothing would ever reach them
// again. kubelet starts them anew.
func (c Cluster) endPodsOfFormerNetwork(ctx context.Context, ns uint64) error {
	file, current := c.Layout.path("run", "network"), strconv.FormatUint(ns, 10)
	former, err := os.ReadFile(file)
	if err == nil && string(former) == current {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading what network the pods are in: %w", err)
	}
	c.killPods(ctx)
	// Only now: a command that is killed before has to be followed by one that does it.
	if err := os.WriteFile(file, []byte(current), 0o644); err != nil {
		return fmt.Errorf("recording what network the pods are in: %w", err)
	}
	return nil
}

// takeOver makes sure that no other cluster is in the way.
func (c Cluster) takeOver(ctx context.Context, replace bool) error {
	other, err := owner()
	if err != nil || other == "" || other == c.Layout.State {
		return err
	}
	old := Cluster{Layout: Layout{State: other}, Log: c.Log}
	if !replace && old.anyAlive() {
		return fmt.Errorf("this machine runs the local cluster of %s: stop it first with `make down` in that checkout, or pass --replace", other)
	}
	c.logf("taking down the cluster of %s", other)
	return old.down(ctx)
}

// ensure makes every part of a stage run as it should, and healthy.
func (c Cluster) ensure(ctx context.Context, ns uint64, stage []part) error {
	started := map[string]bool{}
	for _, p := range stage {
		fresh, err := c.ensureRunning(ctx, ns, p)
		if err != nil {
			return err
		}
		started[p.spec.Name] = fresh
	}
	for _, p := range stage {
		limit := healthyFirst
		if !started[p.spec.Name] {
			limit = healthyAgain
		}
		err := c.waitHealthy(ctx, p, limit)
		if err == nil {
			continue
		}
		if started[p.spec.Name] || ctx.Err() != nil {
			return err
		}
		c.logf("%s runs but is not healthy: starting it anew", p.spec.Name)
		if err := c.stop(ctx, p); err != nil {
			return err
		}
		if _, err := c.ensureRunning(ctx, ns, p); err != nil {
			return err
		}
		if err := c.waitHealthy(ctx, p, healthyFirst); err != nil {
			return err
		}
	}
	return nil
}

// ensureRunning starts the part unless it runs already in the namespace ns, from the same program, arguments and files.
func (c Cluster) ensureRunning(ctx context.Context, ns uint64, p part) (fresh bool, err error) {
	record, alive := proc.Read(c.Layout.pidFile(p.spec.Name))
	if alive {
		hash, err := p.spec.Hash()
		if err != nil {
			return false, err
		}
		if record.Hash == hash && netns.Holds(ns, record.PID) {
			return false, nil
		}
		c.logf("%s is not as it should be: starting it anew", p.spec.Name)
		if err := c.stop(ctx, p); err != nil {
			return false, err
		}
	}
	if err := c.endStrays(ctx, ns, p); err != nil {
		return false, err
	}
	c.logf("starting %s", p.spec.Name)
	_, err = proc.Start(p.spec, c.Layout.pidFile(p.spec.Name))
	return true, err
}

// endStrays ends processes of the part that have no record, because this program was killed before it wrote one or because
// the records were removed. They would hold the part's port or its data.
func (c Cluster) endStrays(ctx context.Context, ns uint64, p part) error {
	program := p.spec.Args[len(netns.Wrap())]
	list := func() ([]int, error) {
		all, err := netns.Processes(ns)
		return slices.DeleteFunc(all, func(pid int) bool { return programOf(pid) != program }), err
	}
	if err := endAll(ctx, list, p.grace); err != nil {
		return fmt.Errorf("ending what is left of %s: %w", p.spec.Name, err)
	}
	return nil
}

// programOf returns the first word of a process's command line, "" if there is no such process.
func programOf(pid int) string {
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return ""
	}
	program, _, _ := strings.Cut(string(cmdline), "\x00")
	return program
}

func (c Cluster) stop(ctx context.Context, p part) error {
	record, _ := proc.Read(c.Layout.pidFile(p.spec.Name))
	if err := record.Stop(ctx, p.grace); err != nil {
		return fmt.Errorf("stopping %s: %w", p.spec.Name, err)
	}
	return nil
}

func (c Cluster) waitHealthy(ctx context.Context, p part, limit time.Duration) error {
	err := poll(ctx, limit, func(ctx context.Context) error {
		if _, alive := proc.Read(c.Layout.pidFile(p.spec.Name)); !alive {
			return permanent{fmt.Errorf("it ended")}
		}
		return p.check(ctx)
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to be healthy: %w\nthe end of %s:\n%s", p.spec.Name, err, p.spec.Log, tail(p.spec.Log))
	}
	return nil
}

func (c Cluster) applyObjects(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Programs.Kubectl, "--kubeconfig", c.Layout.Kubeconfig, "apply", "--server-side", "--force-conflicts", "--field-manager=kafka-apiserver-test-bed", "--filename=-")
	cmd.Stdin = bytes.NewReader(objects)
	// Its cache of discovery belongs to the user, not to this program.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+c.Layout.path("kubectl-cache"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("applying the test bed's own objects: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// waitNodeReady waits until the node is ready in the words of this kubelet: for most of a minute the API server still says
// what an earlier one said last.
func (c Cluster) waitNodeReady(ctx context.Context, kubelet proc.Record) error {
	args := []string{"--kubeconfig", c.Layout.Kubeconfig, "get", "node", Name, "--request-timeout=3s",
		"--output", `jsonpath={range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}`}
	err := poll(ctx, healthyFirst, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, c.Programs.Kubectl, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
		}
		return readySince(string(out), kubelet.Started)
	})
	if err != nil {
		return fmt.Errorf("waiting for the node to be ready: %w\nthe end of kubelet's log:\n%s", err, tail(c.Layout.logFile("kubelet")))
	}
	return nil
}

// readySince returns nil if condition ("STATUS TIME") is True and was reported after started, to the second.
func readySince(condition string, started time.Time) error {
	status, at, _ := strings.Cut(strings.TrimSpace(condition), " ")
	heartbeat, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return fmt.Errorf("the node reports no condition Ready yet (%q)", condition)
	}
	if status != "True" || heartbeat.Before(started.Truncate(time.Second)) {
		return fmt.Errorf("the node is Ready=%s as of %s", status, at)
	}
	return nil
}

// linkKubectl puts a link to kubectl where its user looks for it.
func linkKubectl(l Layout, p Programs) error {
	return Link(p.Kubectl, filepath.Join(l.Bin, "kubectl"))
}

// Link makes link a symbolic link to target, whatever it was.
func Link(target, link string) error {
	if at, err := os.Readlink(link); err == nil && at == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("linking %s: %w", link, err)
	}
	if err := os.Remove(link + ".tmp"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("linking %s: %w", link, err)
	}
	if err := os.Symlink(target, link+".tmp"); err != nil {
		return fmt.Errorf("linking %s: %w", link, err)
	}
	return os.Rename(link+".tmp", link)
}

// permanent is an error that waiting does not mend.
type permanent struct{ error }

// poll calls f until it succeeds, and after limit returns its last error.
func poll(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil || errors.As(err, &permanent{}) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-deadline.C:
			return fmt.Errorf("not within %v: %w", limit, err)
		case <-tick.C:
		}
	}
}

// tail returns the last lines of a log.
func tail(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil {
		return []byte(err.Error())
	}
	const most = 3000
	return bytes.TrimSpace(content[max(0, len(content)-most):])
}
