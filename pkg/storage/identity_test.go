package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

// hostRecord is a host that can be told to fail.
type hostRecord struct {
	mu       sync.Mutex
	identity string
	down     error
	bug      bool
	records  int
}

func (h *hostRecord) String() string { return "record of the test" }

func (h *hostRecord) Load(context.Context) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bug {
		panic("a bug")
	}
	return h.identity, h.down
}

func (h *hostRecord) Record(_ context.Context, identity string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down != nil {
		return "", h.down
	}
	if h.identity == "" {
		h.identity = identity
		h.records++
	}
	return h.identity, nil
}

func (h *hostRecord) set(down error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func newGuard(prefix string, host HostRecord) *Guard {
	return NewGuard(shared.client, prefix, host, clock.RealClock{})
}

func identityKey(prefix string) string { return prefix + "/identity" }

func storedIdentity(t *testing.T, prefix string) string {
	t.Helper()
	got, err := shared.client.Get(testContext(t), identityKey(prefix))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) == 0 {
		return ""
	}
	return string(got.Kvs[0].Value)
}

func TestNothingIsServedBeforeTheFirstLook(t *testing.T) {
	if newGuard(newPrefix(), &hostRecord{}).Err() == nil {
		t.Error("a guard that never looked says that the storage is ours")
	}
}

func TestFirstStartWritesOneIdentityInBothPlaces(t *testing.T) {
	prefix, host := newPrefix(), &hostRecord{}
	guard := newGuard(prefix, host)
	if err := guard.Verify(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if guard.Err() != nil {
		t.Error(guard.Err())
	}
	if stored := storedIdentity(t, prefix); stored == "" || stored != host.identity {
		t.Errorf("etcd has %q, the host %q", stored, host.identity)
	}
	before := host.identity
	if err := newGuard(prefix, host).Verify(testContext(t)); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if host.identity != before || host.records != 1 {
		t.Errorf("a restart changed the identity from %s to %s (%d records)", before, host.identity, host.records)
	}
}

func TestACrashBetweenTheTwoWritesIsMended(t *testing.T) {
	prefix, host := newPrefix(), &hostRecord{}
	if _, err := shared.client.Put(testContext(t), identityKey(prefix), "half-done"); err != nil {
		t.Fatal(err)
	}
	if err := newGuard(prefix, host).Verify(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if host.identity != "half-done" {
		t.Errorf("the host has %q, want what etcd has", host.identity)
	}
}

// slowHost keeps whoever asks waiting until it is let go.
type slowHost struct {
	hostRecord
	asked, letGo chan struct{}
}

func (h *slowHost) Load(ctx context.Context) (string, error) {
	identity, err := h.hostRecord.Load(ctx)
	h.asked <- struct{}{}
	<-h.letGo
	return identity, err
}

// What is answered after a look must be true at the time of the question: a look that began before says nothing of it.
func TestCallersShareTheLookThatBeginsNext(t *testing.T) {
	host := &slowHost{asked: make(chan struct{}), letGo: make(chan struct{})}
	guard := newGuard(newPrefix(), host)
	host.set(errors.New("down"))
	first := guard.join(testContext(t))
	<-host.asked
	host.set(nil)
	second, third := guard.join(testContext(t)), guard.join(testContext(t))
	if second == first || second != third {
		t.Error("callers who come during a look do not share the one after it")
	}
	host.letGo <- struct{}{}
	<-first.done
	if first.err == nil || guard.Err() == nil {
		t.Error("the first look does not tell what it saw")
	}
	<-host.asked
	host.letGo <- struct{}{}
	<-second.done
	if second.err != nil || guard.Err() != nil {
		t.Errorf("the second look: %v, %v", second.err, guard.Err())
	}
}

func TestALookOutlivesACallerWhoLeaves(t *testing.T) {
	host := &slowHost{asked: make(chan struct{}), letGo: make(chan struct{})}
	guard := newGuard(newPrefix(), host)
	ctx, leave := context.WithCancel(testContext(t))
	left := make(chan error, 1)
	go func() { left <- guard.Verify(ctx) }()
	<-host.asked
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was told %v", err)
	}
	stays := guard.join(testContext(t))
	host.letGo <- struct{}{}
	<-stays.done
	if stays.err != nil || guard.Err() != nil {
		t.Errorf("who stayed was told %v, and the guard says %v", stays.err, guard.Err())
	}
}

// A look is nobody's own, so that a panic in it would end the process.
func TestAPanicInALookIsItsError(t *testing.T) {
	host := &hostRecord{bug: true}
	guard := newGuard(newPrefix(), host)
	if err := guard.Verify(testContext(t)); err == nil || !strings.Contains(err.Error(), "a bug") || guard.Err() == nil {
		t.Errorf("it is %v, and the guard says %v", err, guard.Err())
	}
	host.bug = false
	if err := guard.Verify(testContext(t)); err != nil {
		t.Errorf("the next look: %v", err)
	}
}

func TestForeignStorage(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, prefix string){
		"emptied": func(t *testing.T, prefix string) {
			if _, err := shared.client.Delete(testContext(t), prefix, clientv3.WithPrefix()); err != nil {
				t.Fatal(err)
			}
		},
		"somebody else's": func(t *testing.T, prefix string) {
			if _, err := shared.client.Put(testContext(t), identityKey(prefix), "theirs"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			prefix, host := newPrefix(), &hostRecord{}
			running := newGuard(prefix, host)
			if err := running.Verify(testContext(t)); err != nil {
				t.Fatal(err)
			}
			put(t, prefix)
			left := storedIdentity(t, prefix)
			for what, guard := range map[string]*Guard{"the running server": running, "a restarted server": newGuard(prefix, host)} {
				err := guard.Verify(testContext(t))
				if !errors.Is(err, ErrForeign) || !errors.Is(guard.Err(), ErrForeign) {
					t.Errorf("%s: %v, want ErrForeign", what, err)
				} else if !strings.Contains(err.Error(), host.identity) || !strings.Contains(err.Error(), host.String()) {
					t.Errorf("%s: %q does not say which identity is expected, and what to delete if it is not", what, err)
				}
			}
			// To make it ours is an operator's decision.
			if got := storedIdentity(t, prefix); got != left {
				t.Errorf("the guard wrote %q into a storage that is not ours", got)
			}
			// Restored, it serves again without a restart.
			if _, err := shared.client.Put(testContext(t), identityKey(prefix), host.identity); err != nil {
				t.Fatal(err)
			}
			if err := running.Verify(testContext(t)); err != nil || running.Err() != nil {
				t.Errorf("after the restore: %v", err)
			}
		})
	}
}

// An operator who wants another storage deletes the record, as docs/operations.md says. Servers that run serve it then.
func TestAStorageThatIsTrustedAsItIs(t *testing.T) {
	for of, newHost := range map[string]func(t *testing.T) (host HostRecord, forget func() error){
		"ConfigMap": func(t *testing.T) (HostRecord, func() error) {
			configMaps := fake.NewClientset().CoreV1().ConfigMaps("kafka-system")
			return ConfigMapRecord{configMaps}, func() error {
				return configMaps.Delete(testContext(t), IdentityConfigMap, metav1.DeleteOptions{})
			}
		},
		"file": func(t *testing.T) (HostRecord, func() error) {
			file := filepath.Join(t.TempDir(), "identity")
			return FileRecord(file), func() error { return os.Remove(file) }
		},
	} {
		for what, put := range map[string]func(ctx context.Context, prefix string) error{
			"an empty one": func(ctx context.Context, prefix string) error {
				_, err := shared.client.Delete(ctx, prefix, clientv3.WithPrefix())
				return err
			},
			"another": func(ctx context.Context, prefix string) error {
				_, err := shared.client.Put(ctx, identityKey(prefix), "another")
				return err
			},
		} {
			t.Run(of+"/"+what, func(t *testing.T) {
				ctx := testContext(t)
				prefix := newPrefix()
				host, forget := newHost(t)
				servers := []*Guard{newGuard(prefix, host), newGuard(prefix, host)}
				for _, server := range servers {
					if err := server.Verify(ctx); err != nil {
						t.Fatal(err)
					}
				}
				if err := put(ctx, prefix); err != nil {
					t.Fatal(err)
				}
				for _, server := range servers {
					if err := server.Verify(ctx); !errors.Is(err, ErrForeign) {
						t.Fatalf("before anybody decides: %v, want ErrForeign", err)
					}
				}
				if err := forget(); err != nil {
					t.Fatal(err)
				}
				for i, server := range servers {
					if err := server.Verify(ctx); err != nil || server.Err() != nil {
						t.Errorf("server %d of two, after the record was deleted: %v", i, err)
					}
				}
				recorded, err := host.Load(ctx)
				if stored := storedIdentity(t, prefix); err != nil || stored == "" || recorded != stored {
					t.Errorf("etcd has %q, the host %q, %v", stored, recorded, err)
				}
				// From now on it is the one that is known.
				if _, err := shared.client.Put(ctx, identityKey(prefix), "a third"); err != nil {
					t.Fatal(err)
				}
				if err := servers[0].Verify(ctx); !errors.Is(err, ErrForeign) {
					t.Errorf("a third storage: %v, want ErrForeign", err)
				}
			})
		}
	}
}

// A host that does not answer has not said that a foreign storage is to be trusted.
func TestAForeignStorageWithoutTheHost(t *testing.T) {
	prefix, host := newPrefix(), &hostRecord{}
	guard := newGuard(prefix, host)
	if err := guard.Verify(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := shared.client.Delete(testContext(t), identityKey(prefix)); err != nil {
		t.Fatal(err)
	}
	away := errors.New("no route to host")
	host.set(away)
	if err := guard.Verify(testContext(t)); !errors.Is(err, ErrForeign) || !errors.Is(err, away) {
		t.Errorf("%v, want ErrForeign and why the host was not asked", err)
	}
	if stored := storedIdentity(t, prefix); stored != "" {
		t.Errorf("etcd got the identity %q", stored)
	}
}

func TestAnUnreachableHostIsNoFirstStart(t *testing.T) {
	prefix, host := newPrefix(), &hostRecord{}
	away := errors.New("no route to host")
	host.set(away)
	guard := newGuard(prefix, host)
	if err := guard.Verify(testContext(t)); !errors.Is(err, away) {
		t.Errorf("without the host: %v", err)
	}
	if stored := storedIdentity(t, prefix); stored != "" {
		t.Errorf("etcd got the identity %q although the host may have another", stored)
	}
	host.set(nil)
	if err := guard.Verify(testContext(t)); err != nil {
		t.Fatal(err)
	}
	// From now on the identity is known, and the host may go away again.
	host.set(away)
	if err := guard.Verify(testContext(t)); err != nil {
		t.Errorf("with a known identity and without the host: %v", err)
	}
}

func TestAnUnreachableEtcdIsAnError(t *testing.T) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"unix:///nowhere.sock"}, DialTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	guard := NewGuard(client, newPrefix(), &hostRecord{identity: "ours"}, clock.RealClock{})
	if err := guard.Verify(ctx); err == nil || errors.Is(err, ErrForeign) {
		t.Errorf("without etcd: %v, want an error that is not ErrForeign", err)
	}
}

func TestReplicasThatStartTogetherAgree(t *testing.T) {
	for range 10 {
		prefix, host := newPrefix(), &hostRecord{}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := newGuard(prefix, host).Verify(testContext(t)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if stored := storedIdentity(t, prefix); stored != host.identity {
			t.Errorf("etcd has %q, the host %q", stored, host.identity)
		}
	}
}

func TestRunNoticesWithoutBeingAsked(t *testing.T) {
	prefix, host := newPrefix(), &hostRecord{}
	fake := clocktesting.NewFakeClock(time.Unix(1_700_000_000, 0))
	guard := NewGuard(shared.client, prefix, host, fake)
	if err := guard.Verify(testContext(t)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	ended := make(chan struct{})
	go func() { defer close(ended); guard.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if _, err := shared.client.Delete(testContext(t), identityKey(prefix)); err != nil {
		t.Fatal(err)
	}
	poll(t, "the guard notices", func() bool {
		fake.Step(checkEvery)
		return errors.Is(guard.Err(), ErrForeign)
	})
}

// poll looks until a condition holds.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in twenty seconds: %s", what)
		}
	}
}
