package images

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

// appUser is the user of the official apache/kafka image.
const appUser = 1000

// base is how the file system below Kafka is made: as small as Debian gets with a shell and Java.
var base = []string{
	"--variant=minbase",
	"--include=openjdk-17-jre-headless,procps",
	"--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
	"--dpkgopt=path-exclude=/usr/share/info/*",
	// Java's installation fails without the folder of the manual pages that it links.
	`--essential-hook=mkdir -p "$1/usr/share/man/man1"`,
	`--customize-hook=echo "appuser:x:1000:1000:appuser:/home/appuser:/bin/bash" >> "$1/etc/passwd"`,
	`--customize-hook=echo "appuser:x:1000:" >> "$1/etc/group"`,
	"bookworm",
}

// kafka builds the stand-in for the official image: Kafka in /opt/kafka, java on PATH, user 1000.
func (b Builder) kafka(ctx context.Context, version string) (Archive, error) {
	imageName := kafkaPrefix + version
	distribution, err := kafkaproc.Provision(ctx, version)
	if err != nil {
		return Archive{}, fmt.Errorf("building image %s: %w", imageName, err)
	}
	config := v1.Config{
		User:       "appuser",
		Env:        []string{"PATH=/opt/kafka/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"},
		WorkingDir: "/",
		Cmd:        []string{"/bin/bash"},
	}
	// The distribution's folder is named by its own content.
	content := keyOf([]byte(strings.Join(base, "\n")), []byte(filepath.Base(distribution.Dir)), fmt.Appendf(nil, "%+v", config))
	dir, err := cache.Entry(ctx, "images/kafka-"+version+"-"+content, func(ctx context.Context, dir string) error {
		rootfs, err := b.rootfs(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.Log, "building image %s\n", imageName)
		files, err := tree(distribution.Dir, "/opt/kafka")
		if err != nil {
			return err
		}
		// Folders of the official image that its user may write.
		for _, path := range []string{"/etc/kafka", "/etc/kafka/secrets", "/var/lib/kafka", "/var/lib/kafka/data", "/mnt/shared", "/mnt/shared/config", "/home/appuser", "/opt/kafka/logs"} {
			files = append(files, file{path: path, mode: 0o755, owner: appUser})
		}
		layer, err := tarOf(files)
		if err != nil {
			return err
		}
		return write(filepath.Join(dir, "image.tar"), imageName, config, rootfs, layer)
	})
	if err != nil {
		return Archive{}, fmt.Errorf("building image %s: %w", imageName, err)
	}
	return Archive{Name: imageName, File: filepath.Join(dir, "image.tar"), Content: content}, nil
}

// rootfs returns the file system that is common to all versions of Kafka.
func (b Builder) rootfs(ctx context.Context) (opener, error) {
	dir, err := cache.Entry(ctx, "images/rootfs-"+keyOf([]byte(strings.Join(base, "\n"))), func(ctx context.Context, dir string) error {
		fmt.Fprintln(b.Log, "building the file system of the Kafka images")
		args := append(append([]string{"--quiet"}, base...), filepath.Join(dir, "rootfs.tar"))
		if out, err := exec.CommandContext(ctx, "mmdebstrap", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("mmdebstrap %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, "rootfs.tar")) }, nil
}
