// Package binaries builds the Kubernetes components, etcd and CoreDNS from the modules pinned in hack/binaries. What it
// built stays in the cache, keyed by everything that goes into it; it never uses a binary found on the machine.
package binaries

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

// A source is a program and the module below hack/binaries that pins it.
type source struct {
	dir     string // below hack/binaries
	pkg     string // the main package
	module  string // the module whose version is the program's
	ldflags func(version string) string
}

// sources are the programs that this package can build.
var sources = map[string]source{
	"kube-apiserver":          kubernetes("kube-apiserver"),
	"kube-controller-manager": kubernetes("kube-controller-manager"),
	"kube-scheduler":          kubernetes("kube-scheduler"),
	"kube-proxy":              kubernetes("kube-proxy"),
	"kubelet":                 kubernetes("kubelet"),
	"kubectl":                 kubernetes("kubectl"),
	"etcd":                    {dir: "etcd", pkg: "go.etcd.io/etcd/server/v3", module: "go.etcd.io/etcd/server/v3", ldflags: stripped},
	"coredns":                 {dir: "coredns", pkg: "github.com/coredns/coredns", module: "github.com/coredns/coredns", ldflags: stripped},
}

// Names are the programs that Build knows, in the order in which `cluster binaries` prints them.
var Names = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "coredns"}

// ControlPlane are those of a Kubernetes without nodes, which the integration tests start, and the client of it.
var ControlPlane = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubectl"}

func kubernetes(name string) source {
	return source{dir: "kubernetes", pkg: "k8s.io/kubernetes/cmd/" + name, module: "k8s.io/kubernetes", ldflags: kubernetesFlags}
}

func stripped(string) string { return "-s -w" }

// kubernetesFlags stamps the version that Kubernetes' own build would: without it kubectl and the API server call
// themselves v0.0.0-master, and clients that compare versions refuse.
func kubernetesFlags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const at = " -X k8s.io/component-base/version."
	return "-s -w" + at + "gitVersion=" + version + at + "gitMajor=" + parts[0] + at + "gitMinor=" + parts[1]
}

// A Builder builds the programs of one checkout.
type Builder struct {
	Root string    // of the checkout
	Log  io.Writer // told what is being built
}

// Build returns the path of the program name, building it if the cache lacks it. Minutes for kube-apiserver from
// nothing, nothing at all afterwards.
func (b Builder) Build(ctx context.Context, name string) (string, error) {
	src, ok := sources[name]
	if !ok {
		return "", fmt.Errorf("unknown program %q, known are %s", name, strings.Join(Names, ", "))
	}
	dir := filepath.Join(b.Root, "hack", "binaries", src.dir)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("reading what pins %s: %w", name, err)
	}
	sum, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("reading what pins %s: %w", name, err)
	}
	version, err := requiredVersion(mod, src.module)
	if err != nil {
		return "", fmt.Errorf("finding the version of %s: %w", name, err)
	}
	ldflags := src.ldflags(version)
	entry := fmt.Sprintf("bin/%s-%s-%s", name, version, key(mod, sum, ldflags))
	out, err := cache.Entry(ctx, entry, func(ctx context.Context, into string) error {
		fmt.Fprintf(b.Log, "building %s %s\n", name, version)
		return GoBuild(ctx, dir, src.pkg, filepath.Join(into, name), "-trimpath", "-ldflags", ldflags)
	})
	if err != nil {
		return "", fmt.Errorf("building %s: %w", name, err)
	}
	return filepath.Join(out, name), nil
}

// ProductFlags are the build flags of the product, the same as in the Makefile: with others not one package would be
// shared between the two in Go's build cache, and that is minutes of compiling.
var ProductFlags = []string{"-trimpath", "-ldflags", "-s -w"}

// GoBuild builds the main package pkg of the module in dir into a static binary.
func GoBuild(ctx context.Context, dir, pkg, out string, flags ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", out}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = dir
	// A workspace or flags of the developer's own must not change what is built.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, bytes.TrimSpace(output))
	}
	return nil
}

func key(mod, sum []byte, ldflags string) string {
	h := sha256.New()
	for _, part := range [][]byte{mod, sum, []byte(ldflags), []byte(runtime.Version() + runtime.GOOS + runtime.GOARCH)} {
		fmt.Fprintf(h, "%d\n", len(part))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// requiredVersion returns the version at which a go.mod requires module.
func requiredVersion(mod []byte, module string) (string, error) {
	lines := bufio.NewScanner(bytes.NewReader(mod))
	for lines.Scan() {
		fields := strings.Fields(strings.TrimPrefix(lines.Text(), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("go.mod does not require %s", module)
}
