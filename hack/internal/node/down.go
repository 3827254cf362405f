package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
	"kafka.openshift.io/kafka-apiserver/hack/internal/proc"
)

// podGrace is what pods get to end when the cluster goes down. Their data is safe when killed; this spares them the
// recovery at the next start if they are quick.
const podGrace = 3 * time.Second

// The parts in the order in which they are stopped: who would start pods again goes before the pods, and containerd, which
// is told of their end, after them.
var (
	stopBeforePods = []string{"kubelet", "provisioner", "kube-proxy", "coredns", "kube-scheduler", "kube-controller-manager"}
	stopAfterPods  = []string{"containerd", "kube-apiserver", "etcd"}
)

// Down stops the cluster and takes away everything that it put on the machine but its state folder, whatever part of it
// is dead already. With wipe the state folder goes too: objects, volumes and images. It fails naming what is left.
func (c Cluster) Down(ctx context.Context, wipe bool) error {
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	other, err := owner()
	if err != nil {
		return err
	}
	if other != "" && other != c.Layout.State {
		c.logf("the cluster on this machine belongs to %s: leaving it alone", other)
	} else if err := c.down(ctx); err != nil {
		return err
	}
	if !wipe {
		return nil
	}
	return c.wipe()
}

// down does the work of Down, and of taking over from another checkout. It knows the parts only by their pid files.
func (c Cluster) down(ctx context.Context) error {
	var errs []error
	for _, name := range stopBeforePods {
		errs = append(errs, c.stopNamed(ctx, name))
	}
	c.killPods(ctx)
	for _, name := range stopAfterPods {
		errs = append(errs, c.stopNamed(ctx, name))
	}
	// What is still in the namespace lost its record: shims whose containerd is dead, or a part whose state folder was
	// removed under it.
	if ns, err := netns.ID(); err == nil {
		errs = append(errs, endAll(ctx, func() ([]int, error) { return netns.Processes(ns) }, time.Second))
	}
	errs = append(errs, unmountBelow(c.Layout.State), netns.Down(ctx))
	// The kernel empties a cgroup a moment after its last process is gone.
	errs = append(errs, poll(ctx, 5*time.Second, func(context.Context) error { return removeCgroups() }))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking the cluster down: %w", err)
	}
	if left := c.leftovers(ctx); len(left) > 0 {
		return fmt.Errorf("taking the cluster down: still there: %s", strings.Join(left, "; "))
	}
	if err := os.Remove(ownerFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("taking the cluster down: %w", err)
	}
	return nil
}

func (c Cluster) stopNamed(ctx context.Context, name string) error {
	record, alive := proc.Read(c.Layout.pidFile(name))
	if alive {
		c.logf("stopping %s", name)
		if err := record.Stop(ctx, 5*time.Second); err != nil {
			return fmt.Errorf("stopping %s: %w", name, err)
		}
	}
	if err := os.Remove(c.Layout.pidFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// killPods ends the processes of all pods and tells containerd, if it still answers. What it cannot do is seen and done
// by who calls it.
func (c Cluster) killPods(ctx context.Context) {
	if pids, err := podProcesses(); err == nil && len(pids) == 0 {
		return
	}
	c.logf("stopping the pods")
	if err := endAll(ctx, podProcesses, podGrace); err != nil {
		c.logf("stopping the pods: %v", err)
	}
	if _, alive := proc.Read(c.Layout.pidFile("containerd")); !alive {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	ctr := func(args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, "ctr", append([]string{"--address", c.Layout.socket(), "--namespace", containerdNamespace}, args...)...).Output()
	}
	tasks, err := ctr("tasks", "list", "--quiet")
	if ids := strings.Fields(string(tasks)); err == nil && len(ids) > 0 {
		_, _ = ctr(append([]string{"tasks", "delete", "--force"}, ids...)...) // kubelet deletes the same ones at times
	}
}

// anyAlive reports whether a part of the cluster runs.
func (c Cluster) anyAlive() bool {
	files, _ := filepath.Glob(c.Layout.pidFile("*")) // the pattern is well formed
	return slices.ContainsFunc(files, func(file string) bool {
		_, alive := proc.Read(file)
		return alive
	})
}

// leftovers names everything on the machine that a cluster which is down must not have.
func (c Cluster) leftovers(ctx context.Context) []string {
	left := netns.Leftovers(ctx)
	files, _ := filepath.Glob(c.Layout.pidFile("*")) // the pattern is well formed
	for _, file := range files {
		if record, alive := proc.Read(file); alive {
			left = append(left, fmt.Sprintf("process %d of %s", record.PID, strings.TrimSuffix(filepath.Base(file), ".json")))
		}
	}
	if pids, err := podProcesses(); err != nil || len(pids) > 0 {
		left = append(left, fmt.Sprintf("processes of pods %v %v", pids, err))
	}
	points, err := mountsBelow(c.Layout.State)
	if err != nil {
		left = append(left, err.Error())
	}
	for _, point := range points {
		left = append(left, "mount "+point)
	}
	roots, _ := cgroupRoots() // an error here was one above, too
	for _, root := range roots {
		if _, err := os.Stat(filepath.Join(root, cgroup)); err == nil {
			left = append(left, "cgroup "+filepath.Join(root, cgroup))
		}
	}
	return left
}

// wipe removes the state folder, and what kubelet and CNI keep of it at places that cannot be chosen.
func (c Cluster) wipe() error {
	if points, err := mountsBelow(c.Layout.State); err != nil || len(points) > 0 {
		return fmt.Errorf("not removing %s: %d mounts are below it (%w)", c.Layout.State, len(points), err)
	}
	results, _ := filepath.Glob("/var/lib/cni/results/" + Network + "-*") // the pattern is well formed
	for _, file := range results {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("removing what CNI kept: %w", err)
		}
	}
	links, _ := filepath.Glob("/var/log/containers/*.log") // the pattern is well formed
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.Layout.podLogs()+"/") {
			if err := os.Remove(link); err != nil {
				return fmt.Errorf("removing what kubelet kept: %w", err)
			}
		}
	}
	if err := os.RemoveAll(c.Layout.State); err != nil {
		return fmt.Errorf("removing the cluster's state: %w", err)
	}
	return nil
}
