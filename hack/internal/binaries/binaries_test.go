package binaries

import (
	"slices"
	"testing"
)

func TestRequiredVersion(t *testing.T) {
	mod := []byte("module x\n\nrequire k8s.io/kubernetes v1.37.2\n\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.7.0 // indirect\n)\n" +
		"\nreplace k8s.io/api => k8s.io/api v0.37.2\n")
	for module, want := range map[string]string{"k8s.io/kubernetes": "v1.37.2", "go.etcd.io/etcd/server/v3": "v3.7.0"} {
		got, err := requiredVersion(mod, module)
		if err != nil || got != want {
			t.Errorf("version of %s is %q, %v; want %s", module, got, err, want)
		}
	}
	if _, err := requiredVersion(mod, "k8s.io/api"); err == nil {
		t.Error("a replaced module counts as required")
	}
}

func TestKubernetesFlagsStampTheVersion(t *testing.T) {
	const at = " -X k8s.io/component-base/version."
	want := "-s -w" + at + "gitVersion=v1.37.2" + at + "gitMajor=1" + at + "gitMinor=37"
	if got := kubernetesFlags("v1.37.2"); got != want {
		t.Errorf("flags are %q, want %q", got, want)
	}
}

func TestKeyChangesWithEveryInput(t *testing.T) {
	base := key([]byte("a"), []byte("b"), "c")
	for _, other := range []string{key([]byte("x"), []byte("b"), "c"), key([]byte("a"), []byte("x"), "c"), key([]byte("a"), []byte("b"), "x"), key([]byte("ab"), nil, "c")} {
		if other == base {
			t.Errorf("key %s does not change with its input", other)
		}
	}
}

func TestEveryNameHasASource(t *testing.T) {
	if len(Names) != len(sources) {
		t.Errorf("%d names for %d sources", len(Names), len(sources))
	}
	for _, name := range slices.Concat(Names, ControlPlane) {
		if _, ok := sources[name]; !ok {
			t.Errorf("%s has no source", name)
		}
	}
}
