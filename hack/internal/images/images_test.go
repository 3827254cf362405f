package images

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"archive/tar"
)

func TestImageOfOneProgramHoldsNothingElse(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "program")
	if err := os.WriteFile(binary, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "image.tar")
	if err := writeSingleBinary(out, APIServer, binary, "/kafka-apiserver", nonRoot); err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/kafka-apiserver" {
		t.Errorf("configured as %+v", config.Config)
	}
	content := mutate.Extract(image)
	defer content.Close()
	var names []string
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if got, want := strings.Join(names, " "), "etc etc/passwd etc/group tmp kafka-apiserver"; strings.ReplaceAll(got, "/ ", " ") != want {
		t.Errorf("holds %q, want %q", got, want)
	}
}

func TestSameProgramMakesTheSameArchive(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "program")
	if err := os.WriteFile(binary, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	var contents [2]string
	for i := range contents {
		out := filepath.Join(dir, "image.tar")
		if err := writeSingleBinary(out, APIServer, binary, "/kafka-apiserver", nonRoot); err != nil {
			t.Fatal(err)
		}
		var err error
		if contents[i], err = ContentOf(out); err != nil {
			t.Fatal(err)
		}
	}
	if contents[0] != contents[1] {
		t.Errorf("contents %v differ", contents)
	}
}

func TestUnknownImageIsRefusedNamingTheKnown(t *testing.T) {
	_, err := Builder{Log: io.Discard}.Build(t.Context(), "other:1", "")
	if err == nil || !strings.Contains(err.Error(), APIServer) {
		t.Errorf("error is %v, want one that lists %s", err, APIServer)
	}
}
