package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
)

// kubectl is a program that says that it has a version.
func kubectl(t *testing.T, dir, version, minor string) string {
	t.Helper()
	file := filepath.Join(dir, "kubectl")
	content := "#!/bin/sh\n" + `echo '{"clientVersion": {"major": "1", "minor": "` + minor + `", "gitVersion": "` + version + `"}}'` + "\n"
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFindKubectl(t *testing.T) {
	for name, given := range map[string]struct {
		version, minor string
		refusal        string
	}{
		"new enough":                     {version: "v1.33.0", minor: "33"},
		"new enough, with a suffix":      {version: "v1.37.2-eks-1", minor: "37+"},
		"too old":                        {version: "v1.32.9", minor: "32+", refusal: "v1.32.9, and --subresource takes any name from v1.33 on"},
		"with a version that is no such": {version: "dev", minor: "", refusal: "does not tell its version"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			want := kubectl(t, dir, given.version, given.minor)
			found, err := findKubectl(t.Context())
			if given.refusal == "" && (err != nil || found != want) {
				t.Errorf("found %s, %v, want %s", found, err, want)
			}
			if given.refusal != "" && (err == nil || !strings.Contains(err.Error(), given.refusal)) {
				t.Errorf("found %s, %v, want the error %q", found, err, given.refusal)
			}
		})
	}
	t.Run("without one", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if found, err := findKubectl(t.Context()); err == nil {
			t.Errorf("found %s", found)
		}
	})
}

// A second run finds what the first one has put there, and it stays usable.
func TestProvideKubectlTwice(t *testing.T) {
	theirs := t.TempDir()
	want := kubectl(t, theirs, "v1.37.0", "37")
	p := places{root: t.TempDir(), local: t.TempDir()}
	t.Setenv("PATH", p.bin()+":"+theirs+":"+os.Getenv("PATH"))
	for range 2 {
		if err := p.provideKubectl(t.Context()); err != nil {
			t.Fatal(err)
		}
		if at, err := filepath.EvalSymlinks(p.kubectl()); err != nil || at != want {
			t.Errorf("the kubectl is %s, %v, want %s", at, err, want)
		}
	}
}

// The API answers although there are neither brokers nor a kubectl that could be built, and whoever ends it gets no error.
func TestRunIsInterrupted(t *testing.T) {
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	theirs := t.TempDir()
	kubectl(t, theirs, "v1.37.0", "37")
	t.Setenv("PATH", theirs+":"+os.Getenv("PATH"))
	p := places{root: root, local: t.TempDir()}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, p, options{bootstrap: "127.0.0.1:1", port: "0"}) }()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for err := errors.New("not asked yet"); err != nil; err = askReady(t.Context(), p.kubeconfig()) {
		select {
		case err := <-ended:
			t.Fatalf("it ended with %v", err)
		case <-tick.C:
		}
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// One that is interrupted while it still builds has no error either.
func TestRunIsInterruptedAtOnce(t *testing.T) {
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := run(ctx, places{root: root, local: t.TempDir()}, options{bootstrap: "127.0.0.1:1", port: "0"}); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
