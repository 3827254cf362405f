// Package cache keeps what is expensive to make (built binaries, Kafka distributions, images) in one folder outside the
// checkout. It never changes an entry once it is there: another content is another name.
package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// EnvDir names the environment variable that moves the cache.
const EnvDir = "KAFKA_APISERVER_CACHE"

// lockPoll is how often a waiter looks whether another process has finished making the same entry.
const lockPoll = 200 * time.Millisecond

// Dir returns the root of the cache: $KAFKA_APISERVER_CACHE, or kafka-apiserver below the user's cache folder.
func Dir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder (set %s to choose one): %w", EnvDir, err)
	}
	return filepath.Join(base, "kafka-apiserver"), nil
}

// Entry returns the folder of the entry name (a relative path), calling build to make it if it is not there yet. build
// fills an empty folder beside the final place, which is renamed into place only after build succeeded, so an entry is
// either whole or absent, whenever a build is killed. Two processes that want one entry build it once: the second waits,
// as long as ctx allows.
func Entry(ctx context.Context, name string, build func(ctx context.Context, dir string) error) (string, error) {
	root, err := Dir()
	if err != nil {
		return "", err
	}
	return entryIn(ctx, root, name, build)
}

func entryIn(ctx context.Context, root, name string, build func(ctx context.Context, dir string) error) (string, error) {
	final := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", fmt.Errorf("making room for cache entry %s: %w", name, err)
	}
	unlock, err := Lock(ctx, filepath.Join(root, "locks", strings.ReplaceAll(name, "/", "_")+".lock"))
	if err != nil {
		return "", fmt.Errorf("waiting for cache entry %s: %w", name, err)
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	// Whoever left a half-made folder is dead: we hold the lock that its maker would hold.
	stale, err := filepath.Glob(final + ".making-*")
	if err != nil {
		return "", fmt.Errorf("looking for half-made copies of cache entry %s: %w", name, err)
	}
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("removing half-made cache entry: %w", err)
		}
	}
	making, err := os.MkdirTemp(filepath.Dir(final), filepath.Base(final)+".making-")
	if err != nil {
		return "", fmt.Errorf("making cache entry %s: %w", name, err)
	}
	defer os.RemoveAll(making) // after the rename there is nothing left to remove
	if err := os.Chmod(making, 0o755); err != nil {
		return "", fmt.Errorf("making cache entry %s: %w", name, err)
	}
	if err := build(ctx, making); err != nil {
		return "", fmt.Errorf("making cache entry %s: %w", name, err)
	}
	if err := os.Rename(making, final); err != nil {
		return "", fmt.Errorf("publishing cache entry %s: %w", name, err)
	}
	return final, nil
}

// Lock takes an exclusive lock on the file path, waiting as long as ctx allows. The kernel drops the lock with the
// process that holds it, so a killed holder blocks nobody.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of lock %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("locking %s, held by another process: %w", path, ctx.Err())
		case <-tick.C:
		}
	}
}
