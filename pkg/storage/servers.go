package storage

import (
	"context"
	"fmt"
	"path"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/klog/v2"
)

// serverTTL is how long others take a server for alive that they do not hear of. It is above an election of etcd, and below what
// somebody waits who creates an object again whose server was killed.
const serverTTL = 15 * time.Second

// registerAgain is how soon a server that could not register tries again.
const registerAgain = time.Second

// Servers are the API servers that share a storage. Each keeps a key under a lease, so that the others know whether it can still have
// requests under way.
type Servers struct {
	etcd   *clientv3.Client
	prefix string
	id     string
	alone  bool

	mu sync.Mutex
	// registered is closed while this server's key stands.
	registered chan struct{}
}

// NewServers is a new server of a storage. alone says that no other server can use it: then nothing is written.
func NewServers(etcd *clientv3.Client, prefix string, alone bool) *Servers {
	s := &Servers{etcd: etcd, prefix: path.Join("/", prefix, "servers") + "/", id: string(uuid.NewUUID()), alone: alone, registered: make(chan struct{})}
	if alone {
		close(s.registered)
	}
	return s
}

// Alone tells whether no other server can use the storage.
func (s *Servers) Alone() bool { return s.alone }

// ID is this server's. It waits until others can know that the server is there.
func (s *Servers) ID(ctx context.Context) (string, error) {
	s.mu.Lock()
	registered := s.registered
	s.mu.Unlock()
	select {
	case <-registered:
		return s.id, nil
	default:
	}
	select {
	case <-registered:
		return s.id, nil
	case <-ctx.Done():
		return "", fmt.Errorf("this server is not registered in its storage yet: %w", ctx.Err())
	}
}

// Lives tells whether a server may still have requests under way.
func (s *Servers) Lives(ctx context.Context, id string) (bool, error) {
	if id == s.id || id == "" || s.alone {
		return id == s.id, nil
	}
	got, err := s.etcd.Get(ctx, s.prefix+id, clientv3.WithCountOnly())
	if err != nil {
		return false, fmt.Errorf("look for server %s: %w", id, err)
	}
	return got.Count > 0, nil
}

// Run keeps this server registered until ctx ends.
func (s *Servers) Run(ctx context.Context) {
	if s.alone {
		return
	}
	for ctx.Err() == nil {
		if err := s.register(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Server not registered, will try again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(registerAgain):
		}
	}
}

// register keeps the key until it or its lease is lost, or ctx ends. A storage that is emptied keeps leases whose keys are gone.
func (s *Servers) register(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lease, err := s.etcd.Grant(ctx, int64(serverTTL/time.Second))
	if err != nil {
		return fmt.Errorf("get a lease: %w", err)
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), registerAgain)
		defer cancel()
		// What could not be revoked ends by itself.
		_, _ = s.etcd.Revoke(ending, lease.ID)
	}()
	put, err := s.etcd.Put(ctx, s.prefix+s.id, "", clientv3.WithLease(lease.ID))
	if err != nil {
		return fmt.Errorf("register the server: %w", err)
	}
	lost := s.etcd.Watch(ctx, s.prefix+s.id, clientv3.WithRev(put.Header.Revision+1), clientv3.WithFilterPut())
	kept, err := s.etcd.KeepAlive(ctx, lease.ID)
	if err != nil {
		return fmt.Errorf("keep the lease: %w", err)
	}
	s.mu.Lock()
	close(s.registered)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.registered = make(chan struct{})
	}()
	for {
		select {
		case _, stands := <-kept:
			if !stands {
				return nil
			}
		case <-lost:
			return nil
		}
	}
}
