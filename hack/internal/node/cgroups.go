package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// All pods run below one cgroup of ours. So their processes can be told from everything else on the machine, whatever
// else is dead already.

// cgroupRoots returns the mount points of all cgroup hierarchies.
func cgroupRoots() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	return parseCgroupMounts(string(mounts)), nil
}

func parseCgroupMounts(mounts string) []string {
	var roots []string
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2") && !slices.Contains(roots, fields[1]) {
			roots = append(roots, fields[1])
		}
	}
	return roots
}

// makeCgroups makes our cgroup, which kubelet demands to exist, in every hierarchy.
func makeCgroups() error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		if err := os.Mkdir(filepath.Join(root, cgroup), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("making the pods' cgroup: %w", err)
		}
		available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
		if err != nil {
			continue // version 1, where every hierarchy has its controllers at all depths
		}
		for _, controller := range strings.Fields(string(available)) {
			for _, dir := range []string{root, filepath.Join(root, cgroup)} {
				// A controller that cannot be delegated is one that kubelet does not need or will name itself.
				_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
			}
		}
	}
	return nil
}

// podProcesses returns the ids of all processes of pods.
func podProcesses() ([]int, error) {
	roots, err := cgroupRoots()
	if err != nil {
		return nil, err
	}
	found := map[int]bool{}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(root, cgroup), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil // cgroups come and go while we look
			}
			procs, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil
			}
			for _, field := range strings.Fields(string(procs)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
					found[pid] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking for processes of pods: %w", err)
		}
	}
	var pids []int
	for pid := range found {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

// endAll asks the listed processes to end, and after grace forces them, until list finds none.
func endAll(ctx context.Context, list func() ([]int, error), grace time.Duration) error {
	signal := func(s syscall.Signal) error {
		pids, err := list()
		for _, pid := range pids {
			_ = syscall.Kill(pid, s) // gone meanwhile is what we want
		}
		if err == nil && len(pids) > 0 {
			err = fmt.Errorf("processes %v still run", pids)
		}
		return err
	}
	if grace > 0 {
		if signal(syscall.SIGTERM) == nil {
			return nil
		}
		if poll(ctx, grace, func(context.Context) error { return signal(0) }) == nil {
			return nil
		}
	}
	return poll(ctx, 10*time.Second, func(context.Context) error { return signal(syscall.SIGKILL) })
}

// removeCgroups removes our cgroup from every hierarchy. A cgroup can be removed only when it is empty.
func removeCgroups() error {
	roots, err := cgroupRoots()
	if err != nil {
		return err
	}
	for _, root := range roots {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(root, cgroup), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("removing cgroup %s: %w", dir, err)
			}
		}
	}
	return nil
}
