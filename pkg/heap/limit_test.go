package heap

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
)

func machine(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestTheLimitIsAPartOfTheContainers(t *testing.T) {
	const mebibyte = 1 << 20
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for _, tc := range []struct {
		name       string
		files      map[string]string
		gomemlimit string
		want       int64
	}{
		{"a container of the second version sees its own as the root",
			map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, "", 1024 * mebibyte / 100 * 80},
		{"a process of a machine has the smallest of those around it", map[string]string{"proc/self/cgroup": "0::/a.slice/b.service\n",
			"sys/fs/cgroup/a.slice/memory.max": "104857600", "sys/fs/cgroup/a.slice/b.service/memory.max": "max"}, "", 80 * mebibyte},
		{"a container of the first version is named by its host's path", map[string]string{
			"proc/self/cgroup":                              "5:cpu,cpuacct:/kubepods/x\n4:memory:/kubepods/x\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":    "209715200\n",
			"sys/fs/cgroup/cpu,cpuacct/kubepods/x/cpu.stat": ""}, "", 160 * mebibyte},
		{"the first version without a limit", map[string]string{"proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, "", math.MaxInt64},
		{"the second version without a limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, "", math.MaxInt64},
		{"a machine without cgroups", nil, "", math.MaxInt64},
		{"the operator has set another", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, "1GiB", math.MaxInt64},
	} {
		t.Setenv("GOMEMLIMIT", tc.gomemlimit)
		debug.SetMemoryLimit(math.MaxInt64)
		got, err := FollowCgroup(machine(tc.files))
		if err != nil || got != tc.want || Limit() != tc.want {
			t.Errorf("%s: told %d, set %d, %v; want %d", tc.name, got, Limit(), err, tc.want)
		}
	}
	debug.SetMemoryLimit(800 * mebibyte)
	if got := []int64{Share(8, math.MaxInt64), Share(8, mebibyte)}; got[0] != 100*mebibyte || got[1] != mebibyte {
		t.Errorf("shares are %v", got)
	}
	t.Setenv("GOMEMLIMIT", "")
	if _, err := FollowCgroup(machine(map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "much"})); err == nil || !strings.Contains(err.Error(), "memory.max") {
		t.Errorf("a limit that is no number: %v", err)
	}
}
