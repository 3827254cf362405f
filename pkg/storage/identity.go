package storage

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// ErrForeign says that etcd is not the storage that this installation knows: it is
// empty, or somebody else's. Reads must answer 503 then. A 404 would be an order to
// delete: garbage collectors and controllers act on it.
var ErrForeign = errors.New("the storage is not the one this installation knows")

// HostRecord is where the identity is kept outside of our own storage.
type HostRecord interface {
	// Stringer says which record it is, for people who have to decide about it.
	fmt.Stringer
	// Load returns the recorded identity, "" when none was ever recorded.
	Load(ctx context.Context) (string, error)
	// Record writes the identity if none is recorded, and returns the one that is.
	Record(ctx context.Context, identity string) (string, error)
}

// Guard knows whether etcd is the storage that this installation wrote. On first
// start it writes a random identity to etcd and to the host; from then on the two
// must agree. An operator who wants a storage to be trusted as it is deletes the
// record of the host: the next look is a first start then.
type Guard struct {
	etcd  *clientv3.Client
	key   string
	host  HostRecord
	clock clock.WithTicker

	mu       sync.RWMutex
	identity string // what the host had recorded when it was last asked; "" before the first check
	err      error
	// running is the look under way, next the one that begins after it.
	running, next *look
}

// look is one look at the storage, which any number of callers may wait for.
type look struct {
	done chan struct{}
	err  error
}

// checkEvery is how often the guard looks unasked; reads that find nothing look at once.
const checkEvery = 5 * time.Second

// checkTimeout bounds one look.
const checkTimeout = 4 * time.Second

// NewGuard builds a guard over the storage below an etcd prefix.
func NewGuard(etcd *clientv3.Client, prefix string, host HostRecord, clock clock.WithTicker) *Guard {
	return &Guard{
		etcd: etcd, key: path.Join("/", prefix, "identity"), host: host, clock: clock,
		err: errors.New("the identity of the storage is not verified yet"),
	}
}

// Run keeps verifying the storage until ctx ends.
func (g *Guard) Run(ctx context.Context) {
	ticker := g.clock.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
			before := g.Err()
			if err := g.Verify(ctx); err != nil && (before == nil || before.Error() != err.Error()) && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Storage does not verify, stored kinds answer 503")
			}
		}
	}
}

// Err is the outcome of the last look, nil when the storage was ours.
func (g *Guard) Err() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.err
}

// Verify looks at etcd, and at the host as long as etcd has not the identity that was recorded there. Callers who come together share a
// look: the one that they get began after they came.
func (g *Guard) Verify(ctx context.Context) error {
	l := g.join(ctx)
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return fmt.Errorf("verify the identity of the storage: %w", context.Cause(ctx))
	}
}

// join returns the next look to begin. It is nobody's own, so nobody who leaves ends it.
func (g *Guard) join(ctx context.Context) *look {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == nil {
		l := &look{done: make(chan struct{})}
		g.begin(context.WithoutCancel(ctx), l)
		return l
	}
	if g.next == nil {
		g.next = &look{done: make(chan struct{})}
	}
	return g.next
}

// begin looks, and once more after that if somebody waits for another look.
func (g *Guard) begin(ctx context.Context, l *look) {
	g.running = l
	crash.Go(func() error {
		asking, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return g.verify(asking)
	}, func(err error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err, l.err = err, err
		close(l.done)
		g.running = nil
		if next := g.next; next != nil {
			g.next = nil
			g.begin(ctx, next)
		}
	})
}

func (g *Guard) verify(ctx context.Context) error {
	g.mu.RLock()
	known := g.identity
	g.mu.RUnlock()
	var foreign error
	if known != "" {
		stored, err := g.load(ctx)
		if err != nil {
			return err
		}
		if foreign = g.judge(stored, known); foreign == nil {
			return nil
		}
	}
	recorded, err := g.host.Load(ctx)
	if err != nil {
		err = fmt.Errorf("read the storage identity that the host has recorded: %w", err)
		if foreign != nil {
			err = fmt.Errorf("%w; %w", foreign, err)
		}
		return err
	}
	// After the record: who deletes that wants the storage as it is then.
	stored, err := g.load(ctx)
	if err != nil {
		return err
	}
	switch {
	case recorded == "" && stored == "":
		// A first start. etcd goes first: a crash in between leaves an identity that the next start records.
		if stored, err = g.create(ctx); err != nil {
			return err
		}
		fallthrough
	case recorded == "":
		if recorded, err = g.host.Record(ctx, stored); err != nil {
			return fmt.Errorf("record the storage identity in the host: %w", err)
		}
		if known != "" {
			klog.FromContext(ctx).Info("Storage is trusted as it is: the record of its identity was deleted", "record", g.host.String(), "was", known, "is", recorded)
		}
	}
	g.mu.Lock()
	g.identity = recorded
	g.mu.Unlock()
	return g.judge(stored, recorded)
}

// judge says why a storage is not the one that was recorded.
func (g *Guard) judge(stored, recorded string) error {
	has := "identity " + stored
	switch stored {
	case recorded:
		return nil
	case "":
		has = "no identity, it was emptied or replaced"
	}
	return fmt.Errorf("%w: etcd has %s; expected %s. Restore it, or delete the %s if it is to be trusted as it is", ErrForeign, has, recorded, g.host)
}

func (g *Guard) load(ctx context.Context) (string, error) {
	got, err := g.etcd.Get(ctx, g.key)
	if err != nil {
		return "", fmt.Errorf("read the storage identity from etcd: %w", err)
	}
	if len(got.Kvs) == 0 {
		return "", nil
	}
	return string(got.Kvs[0].Value), nil
}

// create writes a new identity unless another replica was faster, and returns the one that stands.
func (g *Guard) create(ctx context.Context) (string, error) {
	identity := uuid.NewString()
	done, err := g.etcd.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(g.key), "=", 0)).
		Then(clientv3.OpPut(g.key, identity)).
		Else(clientv3.OpGet(g.key)).
		Commit()
	if err != nil {
		return "", fmt.Errorf("write the storage identity to etcd: %w", err)
	}
	if done.Succeeded {
		return identity, nil
	}
	return string(done.Responses[0].GetResponseRange().Kvs[0].Value), nil
}
