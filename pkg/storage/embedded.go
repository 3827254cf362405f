package storage

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
)

const (
	// etcdStartTimeout bounds the replay of etcd's log when it starts.
	etcdStartTimeout = 60 * time.Second
	// etcdQuotaBytes is etcd's size limit: four times its default, half of the largest that it recommends.
	etcdQuotaBytes = 4 << 30
)

// Embedded is an etcd of one member inside this process. It listens on a unix
// socket that only this user can open: whoever reaches an etcd without
// authentication owns its data.
type Embedded struct {
	etcd   *embed.Etcd
	socket string
}

// StartEmbedded starts an etcd on a folder and waits until it serves. The caller
// closes it after the last request, and watches Err.
func StartEmbedded(ctx context.Context, dir string) (*Embedded, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the etcd folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the etcd folder: %w", err)
	}
	// The sockets live in a folder of their own with a short name: a socket's path has at most 107 characters.
	run, err := os.MkdirTemp("", "kafka-apiserver-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the etcd sockets: %w", err)
	}
	client := url.URL{Scheme: "unix", Path: filepath.Join(run, "client.sock")}
	peer := url.URL{Scheme: "unix", Path: filepath.Join(run, "peer.sock")}

	cfg := embed.NewConfig()
	cfg.Name = "kafka-apiserver"
	cfg.Dir = filepath.Join(dir, "member")
	cfg.ListenClientUrls = []url.URL{client}
	cfg.ListenPeerUrls = []url.URL{peer}
	// etcd insists on host:port in what it advertises, although nobody ever connects to it.
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:2379"}}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "localhost:2380"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.QuotaBackendBytes = etcdQuotaBytes
	// k8s.io/apiserver's watch cache relies on progress notifications for consistent lists.
	cfg.WatchProgressNotifyInterval = 5 * time.Second
	logger, err := etcdLogger()
	if err != nil {
		return nil, err
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger)

	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		_ = os.RemoveAll(run)
		return nil, fmt.Errorf("start the embedded etcd on %s: %w", dir, err)
	}
	e := &Embedded{etcd: etcd, socket: run}
	select {
	case <-etcd.Server.ReadyNotify():
		klog.FromContext(ctx).Info("Embedded etcd serves", "dir", dir)
		return e, nil
	case err := <-etcd.Err():
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

// Endpoint is what a client of this etcd connects to.
func (e *Embedded) Endpoint() string {
	return e.etcd.Config().ListenClientUrls[0].String()
}

// Err tells of a failure that ended the etcd.
func (e *Embedded) Err() <-chan error { return e.etcd.Err() }

// Close stops the etcd. Its data stays.
func (e *Embedded) Close() {
	e.etcd.Close()
	_ = os.RemoveAll(e.socket)
}

func etcdLogger() (*zap.Logger, error) {
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(zapcore.WarnLevel)
	logger, err := cfg.Build()
	if err != nil {
		return nil, fmt.Errorf("build the etcd logger: %w", err)
	}
	return logger.Named("etcd"), nil
}
