package storage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

const (
	// etcdStartTimeout bounds the replay of etcd's log when it starts.
	etcdStartTimeout = 60 * time.Second
)

// Embedded is an etcd of one member inside this process. It listens on a unix
// socket that only this user can open: whoever reaches an etcd without
// authentication owns its data.
type Embedded struct {
	etcd   *embed.Etcd
	socket string
	lock   *fileutil.LockedFile
	level  zap.AtomicLevel
	// quota is the size in bytes that the database may have.
	quota int64
}

// StartEmbedded starts an etcd on a folder, with a quota that its volume has room for.
func StartEmbedded(ctx context.Context, dir string) (*Embedded, error) {
	return StartEmbeddedWithQuota(ctx, dir, 0)
}

// StartEmbeddedWithQuota starts an etcd on a folder and waits until it serves. The caller
// closes it after the last request, watches Err, and runs Tend. quota is the size in bytes
// that its database may have; 0 derives it from the size of the volume.
func StartEmbeddedWithQuota(ctx context.Context, dir string, quota int64) (*Embedded, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the etcd folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the etcd folder: %w", err)
	}
	// etcd itself would wait without end for another process to let go of the folder.
	lock, err := fileutil.TryLockFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_WRONLY, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("start the embedded etcd on %s: another server uses this folder", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the etcd folder: %w", err)
	}
	e := &Embedded{lock: lock, level: zap.NewAtomicLevelAt(zapcore.WarnLevel), quota: quota}
	if quota == 0 {
		volume, err := volumeBytes(dir)
		if err != nil {
			_ = lock.Close()
			return nil, fmt.Errorf("find the size of the volume of %s: %w", dir, err)
		}
		e.quota = quotaFor(volume)
	}
	if err := e.start(dir); err != nil {
		e.release()
		return nil, fmt.Errorf("start the embedded etcd on %s: %w", dir, err)
	}
	select {
	case <-e.etcd.Server.ReadyNotify():
		klog.FromContext(ctx).Info("Embedded etcd serves", "dir", dir, "quota", e.quota)
		return e, nil
	case err := <-e.etcd.Err():
		e.Close()
		return nil, fmt.Errorf("start the embedded etcd on %s: %w", dir, err)
	case <-time.After(etcdStartTimeout):
		e.Close()
		return nil, fmt.Errorf("start the embedded etcd on %s: not ready after %s", dir, etcdStartTimeout)
	case <-ctx.Done():
		e.Close()
		return nil, fmt.Errorf("start the embedded etcd on %s: %w", dir, context.Cause(ctx))
	}
}

// start starts etcd; it is not ready yet then.
func (e *Embedded) start(dir string) error {
	// The socket lives in a folder of its own with a short name: a socket's path has at most 107 characters.
	var err error
	if e.socket, err = os.MkdirTemp("", "kafka-apiserver-"); err != nil {
		return fmt.Errorf("make a folder for the socket: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Name = "kafka-apiserver"
	cfg.Dir = filepath.Join(dir, "member")
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(e.socket, "client.sock")}}
	// A cluster of one has no peers. A unix URL would not do: etcd takes a peer socket's host for its name, which leaves
	// an abstract socket that every user of the machine can open.
	cfg.ListenPeerUrls = nil
	// etcd insists on host:port in what it advertises, although nobody ever connects to it.
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:2379"}}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "localhost:2380"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.QuotaBackendBytes = e.quota
	// Entries that are kept in memory for followers that fall behind: there are none. The default are 5,000.
	cfg.SnapshotCatchUpEntries = 100
	// k8s.io/apiserver's watch cache relies on progress notifications for consistent lists.
	cfg.WatchProgressNotifyInterval = 5 * time.Second
	logger, err := etcdLogger(e.level)
	if err != nil {
		return err
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)
	e.etcd, err = embed.StartEtcd(cfg)
	return err
}

// Endpoint is what a client of this etcd connects to.
func (e *Embedded) Endpoint() string {
	return e.etcd.Config().ListenClientUrls[0].String()
}

// Err tells of a failure that ended the etcd.
func (e *Embedded) Err() <-chan error { return e.etcd.Err() }

// Close stops the etcd. Its data stays.
func (e *Embedded) Close() {
	// etcd logs each of its listeners that closes as an error.
	e.level.SetLevel(zapcore.FatalLevel)
	e.etcd.Close()
	e.release()
}

func (e *Embedded) release() {
	_ = os.RemoveAll(e.socket)
	_ = e.lock.Close()
}

func etcdLogger(level zap.AtomicLevel) (*zap.Logger, error) {
	cfg := zap.NewProductionConfig()
	cfg.Level = level
	logger, err := cfg.Build()
	if err != nil {
		return nil, fmt.Errorf("build the logger: %w", err)
	}
	return logger.Named("etcd"), nil
}
