package storage

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apiserver/pkg/storage/storagebackend"
)

// shared is one etcd for all tests that do not stop it; each works below a prefix of its own.
var shared struct {
	etcd     *Embedded
	client   *clientv3.Client
	prefixes atomic.Int64
}

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "storage-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	etcd, err := StartEmbedded(context.Background(), dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer etcd.Close()
	shared.etcd = etcd
	shared.client, err = NewClient(storagebackend.TransportConfig{ServerList: []string{etcd.Endpoint()}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.client.Close()
	return m.Run()
}

// newPrefix is a place in the shared etcd that is this test's own.
func newPrefix() string { return fmt.Sprintf("/test-%d", shared.prefixes.Add(1)) }

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
