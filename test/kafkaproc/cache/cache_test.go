package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestEntryIsBuiltOnceByConcurrentCallers(t *testing.T) {
	root := t.TempDir()
	var builds atomic.Int32
	build := func(_ context.Context, dir string) error {
		builds.Add(1)
		return os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			dir, err := entryIn(t.Context(), root, "bin/a-1", build)
			if err != nil {
				t.Errorf("entry: %v", err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "f")); err != nil {
				t.Errorf("entry is not whole: %v", err)
			}
		})
	}
	wg.Wait()
	if n := builds.Load(); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
}

func TestFailedBuildLeavesNoEntry(t *testing.T) {
	root := t.TempDir()
	broken := errors.New("broken")
	fail := func(_ context.Context, dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return broken
	}
	if _, err := entryIn(t.Context(), root, "a", fail); !errors.Is(err, broken) {
		t.Fatalf("error is %v, want the build's", err)
	}
	left, _ := filepath.Glob(filepath.Join(root, "a*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	dir, err := entryIn(t.Context(), root, "a", func(context.Context, string) error { return nil })
	if err != nil {
		t.Fatalf("second try: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "half")); !os.IsNotExist(err) {
		t.Errorf("the half-made file was published: %v", err)
	}
}

func TestHalfMadeEntryOfAKilledBuildIsReplaced(t *testing.T) {
	root := t.TempDir()
	half := filepath.Join(root, "a.making-123")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := entryIn(t.Context(), root, "a", func(context.Context, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("the half-made folder is still there: %v", err)
	}
}

func TestLockHonoursContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want deadline exceeded", err)
	}
}
