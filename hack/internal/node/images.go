package node

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

const (
	// containerdNamespace is where kubelet's images and containers live in containerd.
	containerdNamespace = "k8s.io"
	// contentLabel tells what an image in containerd was imported from.
	contentLabel = "kafka-apiserver/content"
)

// LoadImage imports the image archive file under the name that is written in it, unless containerd has it from the same
// content already, and reports whether it had to.
func (c Cluster) LoadImage(ctx context.Context, name, file, content string) (imported bool, err error) {
	ref := canonical(name)
	out, err := c.ctr(ctx, "images", "list", "name=="+ref)
	if err != nil {
		return false, fmt.Errorf("looking for image %s: %w", name, err)
	}
	if bytes.Contains(out, []byte(contentLabel+"="+content)) {
		return false, nil
	}
	c.logf("importing image %s", name)
	if out, err := c.ctr(ctx, "images", "import", file); err != nil {
		return false, fmt.Errorf("importing image %s from %s: %w: %s", name, file, err, out)
	}
	if _, err := c.ctr(ctx, "images", "label", ref, contentLabel+"="+content); err != nil {
		return false, fmt.Errorf("marking image %s (is it called so in %s?): %w", name, file, err)
	}
	return true, nil
}

func (c Cluster) ctr(ctx context.Context, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"--address", c.Layout.socket(), "--namespace", containerdNamespace}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// canonical returns the name under which containerd keeps an image: with a registry and, for the default one, a library.
func canonical(name string) string {
	first, rest, found := strings.Cut(name, "/")
	switch {
	case !found:
		return "docker.io/library/" + name
	case rest != "" && (strings.ContainsAny(first, ".:") || first == "localhost"):
		return name
	default:
		return "docker.io/" + name
	}
}
