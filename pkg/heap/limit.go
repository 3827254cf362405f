package heap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"k8s.io/klog/v2"
)

const (
	// limitPercent of what the kernel gives the process are for what Go counts. The rest is for what it does not: the program itself, and
	// the pages of etcd's database that are mapped and written to.
	limitPercent = 80
	// noLimit is what the first version of cgroups shows without a limit, less what it rounds off to pages: more than any machine has.
	noLimit = 1 << 60
)

// FollowCgroup sets the limit that the garbage collector works harder below to a part of what the kernel gives the process, so that one
// number is edited: the container's. It returns the limit in bytes, math.MaxInt64 when there is none. Whoever sets GOMEMLIMIT has decided
// already. root is the file system of the machine.
func FollowCgroup(root fs.FS) (int64, error) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return Limit(), nil
	}
	most, err := cgroupMemory(root)
	if err != nil {
		return Limit(), fmt.Errorf("find the memory limit of the container: %w", err)
	}
	if most < noLimit {
		debug.SetMemoryLimit(most / 100 * limitPercent)
	}
	return Limit(), nil
}

// Start is FollowCgroup for a process that begins, before anything takes a share of its memory. It tells the log.
func Start(ctx context.Context, root fs.FS) {
	if limit, err := FollowCgroup(root); err != nil {
		klog.FromContext(ctx).Error(err, "The memory limit is not kept to")
	} else {
		klog.FromContext(ctx).Info("Memory limit of the garbage collector", "bytes", limit)
	}
}

// AnswerBytes is the part of the process's memory that brokers' answers may take.
func AnswerBytes() int64 { return Share(4, 1<<30) }

// Limit is the memory in bytes that the garbage collector tries to stay below, math.MaxInt64 when it is free.
func Limit() int64 { return debug.SetMemoryLimit(-1) }

// Share is a part of the process's memory: limit/divisor bytes, and at most the given number, which it is without a limit.
func Share(divisor, most int64) int64 { return min(Limit()/divisor, most) }

// cgroupMemory is what the kernel gives the process in bytes: the smallest limit of its cgroup and of those around it, as far as they can
// be seen. A container sees its own as the root.
func cgroupMemory(root fs.FS) (int64, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, err
	}
	most := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) {
		// The number of the hierarchy, its controllers, and the path; the second version has no controllers.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		switch {
		case fields[1] == "":
		case strings.Contains(","+fields[1]+",", ",memory,"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Join("/", fields[2]); ; dir = path.Dir(dir) {
			limit, err := readLimit(root, path.Join(mount, dir, file))
			if err != nil {
				return 0, err
			}
			most = min(most, limit)
			if dir == "/" {
				break
			}
		}
	}
	return most, nil
}

// readLimit reads one file of a cgroup; what is not there is no limit.
func readLimit(root fs.FS, name string) (int64, error) {
	raw, err := fs.ReadFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(raw))
	if text == "max" {
		return math.MaxInt64, nil
	}
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return limit, nil
}
