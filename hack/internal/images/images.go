// Package images builds the images of the local cluster without a registry and without a container runtime: layers and a
// configuration, written as an archive that containerd imports. An image is named as its users name it.
package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// A Builder builds the images of one checkout.
type Builder struct {
	Root string    // of the checkout
	Log  io.Writer // told what is being built
}

// An Archive is an image on disk.
type Archive struct {
	Name string // with tag, as manifests name it
	File string
	// Content changes whenever the image does.
	Content string
}

// opener returns a new reader of the same uncompressed tar each time.
type opener func() (io.ReadCloser, error)

// A file is one entry of a layer made by tarOf.
type file struct {
	path    string // absolute, in the image
	mode    int64
	owner   int
	content []byte // nil makes a folder
	link    string // makes a symbolic link
}

// tarOf returns a layer of files, the same bytes for the same files.
func tarOf(files []file) (opener, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: strings.TrimPrefix(f.path, "/"), Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.content)), Typeflag: tar.TypeReg}
		switch {
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		case f.content == nil:
			h.Typeflag = tar.TypeDir
			h.Name += "/"
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("adding %s to a layer: %w", f.path, err)
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, fmt.Errorf("adding %s to a layer: %w", f.path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("ending a layer: %w", err)
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }, nil
}

// write writes an image of these layers to out.
func write(out, imageName string, config v1.Config, layers ...opener) error {
	tag, err := name.NewTag(imageName)
	if err != nil {
		return fmt.Errorf("naming image %s: %w", imageName, err)
	}
	image := empty.Image
	for _, open := range layers {
		// Nothing crosses a network, so compressing would only cost time, here and at each import.
		layer, err := tarball.LayerFromOpener(tarball.Opener(open), tarball.WithCompressionLevel(gzip.NoCompression))
		if err != nil {
			return fmt.Errorf("adding a layer to image %s: %w", imageName, err)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return fmt.Errorf("adding a layer to image %s: %w", imageName, err)
		}
	}
	described, err := image.ConfigFile()
	if err != nil {
		return fmt.Errorf("configuring image %s: %w", imageName, err)
	}
	described = described.DeepCopy()
	described.Architecture, described.OS, described.Config = goarch, "linux", config
	if image, err = mutate.ConfigFile(image, described); err != nil {
		return fmt.Errorf("configuring image %s: %w", imageName, err)
	}
	// Killed half way, an archive of that name must not be there.
	if err := tarball.WriteToFile(out+".tmp", tag, image); err != nil {
		return fmt.Errorf("writing image %s: %w", imageName, err)
	}
	return os.Rename(out+".tmp", out)
}

// ContentOf identifies an image archive by what is in it.
func ContentOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading an image archive: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading an image archive: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// keyOf identifies the inputs of an image.
func keyOf(parts ...[]byte) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d\n", len(part))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Build builds the image of that name, or finds it in the cache. binary is the path of kafka-apiserver for its own
// image; if it is empty, it is built from the checkout.
func (b Builder) Build(ctx context.Context, imageName, binary string) (Archive, error) {
	switch {
	case imageName == Pause:
		return b.pause(ctx)
	case imageName == APIServer:
		return b.apiServer(ctx, binary)
	case strings.HasPrefix(imageName, kafkaPrefix):
		return b.kafka(ctx, strings.TrimPrefix(imageName, kafkaPrefix))
	default:
		return Archive{}, fmt.Errorf("unknown image %q, known are %s", imageName, strings.Join(Names, ", "))
	}
}

// tree adds the regular files and folders below dir as files below at.
func tree(dir, at string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{path: filepath.Join(at, rel), mode: int64(info.Mode().Perm())}
		if !d.IsDir() {
			if f.content, err = os.ReadFile(path); err != nil {
				return err
			}
			if f.content == nil {
				f.content = []byte{}
			}
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s for a layer: %w", dir, err)
	}
	return files, nil
}
