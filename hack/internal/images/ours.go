package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
	"kafka.openshift.io/kafka-apiserver/hack/internal/node"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

const (
	goarch      = runtime.GOARCH
	kafkaPrefix = "apache/kafka:"

	// Pause is the image of every pod's sandbox.
	Pause = node.PauseImage
	// APIServer is the image of the product, as artifacts/deploy names it.
	APIServer = "kafka-apiserver:dev"
	// Kafka4 and Kafka3 stand for the official images of these names.
	Kafka4 = kafkaPrefix + kafkaproc.Version4
	Kafka3 = kafkaPrefix + kafkaproc.Version3

	// nonRoot is the user of the product's image, the same number as in distroless images.
	nonRoot = "65532"
)

// Names are the images that Build knows.
var Names = []string{Pause, Kafka4, Kafka3, APIServer}

func (b Builder) pause(ctx context.Context) (Archive, error) {
	source, err := os.ReadFile(filepath.Join(b.Root, "hack", "pause", "main.go"))
	if err != nil {
		return Archive{}, fmt.Errorf("reading the source of image %s: %w", Pause, err)
	}
	content := keyOf(source, []byte(runtime.Version()+goarch))
	dir, err := cache.Entry(ctx, "images/pause-"+content, func(ctx context.Context, dir string) error {
		fmt.Fprintf(b.Log, "building image %s\n", Pause)
		binary := filepath.Join(dir, "pause")
		if err := binaries.GoBuild(ctx, filepath.Join(b.Root, "hack"), "./pause", binary, binaries.ProductFlags...); err != nil {
			return err
		}
		return writeSingleBinary(filepath.Join(dir, "image.tar"), Pause, binary, "/pause", "65535")
	})
	if err != nil {
		return Archive{}, fmt.Errorf("building image %s: %w", Pause, err)
	}
	return Archive{Name: Pause, File: filepath.Join(dir, "image.tar"), Content: content}, nil
}

// apiServer puts the image beside the checkout's other output and not into the cache: every edit makes another one.
func (b Builder) apiServer(ctx context.Context, binary string) (Archive, error) {
	out := filepath.Join(b.Root, ".local", "images")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return Archive{}, fmt.Errorf("making the folder of image %s: %w", APIServer, err)
	}
	if binary == "" {
		binary = filepath.Join(out, "kafka-apiserver")
		fmt.Fprintf(b.Log, "building kafka-apiserver\n")
		if err := binaries.GoBuild(ctx, b.Root, "./cmd/kafka-apiserver", binary, binaries.ProductFlags...); err != nil {
			return Archive{}, fmt.Errorf("building image %s: %w", APIServer, err)
		}
	}
	archive := filepath.Join(out, "kafka-apiserver.tar")
	if err := writeSingleBinary(archive, APIServer, binary, "/kafka-apiserver", nonRoot); err != nil {
		return Archive{}, fmt.Errorf("building image %s: %w", APIServer, err)
	}
	content, err := ContentOf(archive)
	if err != nil {
		return Archive{}, err
	}
	return Archive{Name: APIServer, File: archive, Content: content}, nil
}

// writeSingleBinary writes an image that holds one static program, its user and an empty /tmp.
func writeSingleBinary(out, imageName, binary, at, user string) error {
	content, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("reading the program of image %s: %w", imageName, err)
	}
	layer, err := tarOf([]file{
		{path: "/etc", mode: 0o755},
		{path: "/etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%s:%s:nonroot:/:/sbin/nologin\n", user, user)},
		{path: "/etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nnonroot:x:%s:\n", user)},
		{path: "/tmp", mode: 0o1777},
		{path: at, mode: 0o755, content: content},
	})
	if err != nil {
		return err
	}
	return write(out, imageName, v1.Config{User: user + ":" + user, Entrypoint: []string{at}, WorkingDir: "/"}, layer)
}
