package storage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
)

func connect(t *testing.T, e *Embedded) *clientv3.Client {
	t.Helper()
	client, err := NewClient(storagebackend.TransportConfig{ServerList: []string{e.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestTheEmbeddedEtcdPersists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-folder-name-", 8), "data")
	ctx := testContext(t)
	first, err := StartEmbedded(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, first).Put(ctx, "/key", "value"); err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(first.Endpoint(), "unix://")
	first.Close()
	if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket stays: %v", err)
	}

	second, err := StartEmbedded(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	got, err := connect(t, second).Get(ctx, "/key")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "value" {
		t.Errorf("after a restart: %v", got.Kvs)
	}
}

// Whoever reaches an etcd without authentication owns its data.
func TestOnlyThisUserReachesTheEmbeddedEtcd(t *testing.T) {
	dir := t.TempDir()
	etcd, err := StartEmbedded(testContext(t), filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	if !strings.HasPrefix(etcd.Endpoint(), "unix:///") {
		t.Errorf("it listens on %s", etcd.Endpoint())
	}
	for _, folder := range []string{filepath.Dir(strings.TrimPrefix(etcd.Endpoint(), "unix://")), filepath.Join(dir, "data")} {
		info, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %o, want 700", folder, info.Mode().Perm())
		}
	}
}

// Two servers on one folder would be two truths; the second has to say so, not to wait for ever.
func TestASecondEtcdOnTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	etcd, err := StartEmbedded(testContext(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	refused := make(chan error, 1)
	go func() {
		second, err := StartEmbedded(ctx, dir)
		if err == nil {
			second.Close()
		}
		refused <- err
	}()
	select {
	case err := <-refused:
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another") {
			t.Errorf("%v; want an error that names the folder and says that another server uses it", err)
		}
	case <-ctx.Done():
		t.Fatal("the second start neither serves nor fails")
	}
	if _, err := connect(t, etcd).Put(testContext(t), "/still", "there"); err != nil {
		t.Errorf("the first etcd suffers: %v", err)
	}
}

func TestAFolderThatCannotBeMadeIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := StartEmbedded(testContext(t), filepath.Join(file, "data")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want an error that names %s", err, file)
	}
}

// etcd would name a peer socket by an abstract name, which has no owner and no mode.
func TestNothingElseOfTheEmbeddedEtcdListens(t *testing.T) {
	etcd, err := StartEmbedded(testContext(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer etcd.Close()
	if peers := etcd.etcd.Peers; len(peers) != 0 {
		t.Errorf("%d peer listeners, the first at %v; want none", len(peers), peers[0].Listener.Addr())
	}
	if clients := etcd.etcd.Clients; len(clients) != 1 {
		t.Errorf("%d client listeners, want the socket alone", len(clients))
	}
}
