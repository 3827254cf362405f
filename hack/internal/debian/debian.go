// Package debian installs the Debian packages that the local cluster runs on. It installs only what is missing.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// clusterPackages are the packages that the local cluster and its images need, beside what builds the project.
var clusterPackages = []string{"containerd", "runc", "containernetworking-plugins", "iptables", "conntrack", "mmdebstrap", "iproute2", "util-linux", "procps"}

// toolPackages are installed only if the program is not on PATH already: a JDK or Maven of another origin is as good.
var toolPackages = map[string]string{"java": "openjdk-17-jdk-headless", "mvn": "maven"}

// Ensure installs what is missing, as root. To anybody else it returns an error that says what to install.
func Ensure(ctx context.Context, log io.Writer) error {
	missing := missingPackages(ctx)
	if len(missing) == 0 {
		return nil
	}
	install := "apt-get install --no-install-recommends " + strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("the local cluster needs these packages of Debian, or what they are called on this system: %s", strings.Join(missing, " "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the local cluster needs more packages: run `sudo apt-get update && sudo %s`", install)
	}
	fmt.Fprintf(log, "installing %s\n", strings.Join(missing, " "))
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	return apt(ctx, append([]string{"install", "--yes", "--no-install-recommends"}, missing...)...)
}

func missingPackages(ctx context.Context) []string {
	var missing []string
	for _, pkg := range clusterPackages {
		out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat", "${db:Status-Status}", pkg).Output()
		if err != nil || string(out) != "installed" {
			missing = append(missing, pkg)
		}
	}
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, toolPackages[tool])
		}
	}
	return missing
}

func apt(ctx context.Context, args ...string) error {
	// Another apt may hold the lock for a while; that is no reason to fail.
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
