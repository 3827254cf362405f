package node

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func testLayout() Layout { return Layout{State: "/state", Kubeconfig: "/kubeconfig", Bin: "/bin"} }

func TestConflistIsValidAndKeepsItsStateInTheStateFolder(t *testing.T) {
	rendered, err := renderConfigs(testLayout())
	if err != nil {
		t.Fatal(err)
	}
	var conflist struct {
		Name    string
		Plugins []struct {
			Type string
			IPAM struct {
				DataDir string
				Ranges  [][]struct{ Subnet string }
			}
		}
	}
	if err := json.Unmarshal(rendered["cni/10-bridge.conflist"], &conflist); err != nil {
		t.Fatal(err)
	}
	if conflist.Name != Network || len(conflist.Plugins) != 2 {
		t.Fatalf("rendered %+v", conflist)
	}
	ipam := conflist.Plugins[0].IPAM
	if ipam.DataDir != "/state/cni" || ipam.Ranges[0][0].Subnet != "10.244.0.0/16" {
		t.Errorf("addresses are managed as %+v", ipam)
	}
}

func TestEveryConfigurationIsRenderedWhole(t *testing.T) {
	rendered, err := renderConfigs(testLayout())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range rendered {
		if strings.Contains(string(content), "<no value>") || strings.Contains(string(content), "{{") {
			t.Errorf("%s is not whole:\n%s", name, content)
		}
	}
}

func TestPartsAreNamedOnceAndStoppedByDown(t *testing.T) {
	var names []string
	for _, stage := range stages(testLayout(), Programs{}) {
		for _, p := range stage {
			names = append(names, p.spec.Name)
		}
	}
	stopped := slices.Concat(stopBeforePods, stopAfterPods)
	slices.Sort(names)
	slices.Sort(stopped)
	if !slices.Equal(names, stopped) {
		t.Errorf("up starts %v, down stops %v", names, stopped)
	}
}

func TestLongStateFolderIsRefused(t *testing.T) {
	l := Layout{State: "/" + strings.Repeat("x", 100)}
	if err := l.validate(); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("error is %v, want one that names --state-dir", err)
	}
	if err := testLayout().validate(); err != nil {
		t.Error(err)
	}
	if err := (Layout{State: "relative"}).validate(); err == nil {
		t.Error("a relative state folder is taken")
	}
}

func TestMountsBelow(t *testing.T) {
	info := "22 1 0:1 / / rw - ext4 x rw\n" +
		"23 22 0:1 / /state rw - tmpfs x rw\n" +
		"24 22 0:1 / /state/a\\040b rw shared:1 - tmpfs x rw\n" +
		"25 22 0:1 / /state-other rw - tmpfs x rw\n"
	got := parseMountInfo(info, "/state")
	if want := []string{"/state", "/state/a b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCgroupMounts(t *testing.T) {
	mounts := "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
	if got, want := parseCgroupMounts(mounts), []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCanonicalImageNames(t *testing.T) {
	for name, want := range map[string]string{
		"kafka-apiserver:dev": "docker.io/library/kafka-apiserver:dev",
		"apache/kafka:4.3.1":  "docker.io/apache/kafka:4.3.1",
		PauseImage:            PauseImage,
		"example.com/a/b:1":   "example.com/a/b:1",
	} {
		if got := canonical(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestReadinessReportedByAnEarlierKubeletDoesNotCount(t *testing.T) {
	started := time.Date(2030, 1, 1, 12, 0, 0, 500, time.UTC)
	for condition, ready := range map[string]bool{
		"True 2030-01-01T12:00:00Z":  true,
		"True 2030-01-01T12:00:09Z":  true,
		"True 2030-01-01T11:59:59Z":  false,
		"False 2030-01-01T12:00:09Z": false,
		"":                           false,
	} {
		if err := readySince(condition, started); (err == nil) != ready {
			t.Errorf("%q: %v, want ready %v", condition, err, ready)
		}
	}
}
