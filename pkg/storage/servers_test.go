package storage

import (
	"context"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Whoever shares a storage knows who is there.
func TestServersKnowEachOther(t *testing.T) {
	prefix := newPrefix()
	first, second := NewServers(shared.client, prefix, false), NewServers(shared.client, prefix, false)
	ctx, stop := context.WithCancel(testContext(t))
	var running sync.WaitGroup
	running.Go(func() { first.Run(ctx) })
	id, err := first.ID(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if lives, err := second.Lives(testContext(t), id); err != nil || !lives {
		t.Errorf("a server that runs lives: %v, %v", lives, err)
	}
	if lives, err := second.Lives(testContext(t), "another"); err != nil || lives {
		t.Errorf("a server that never was lives: %v, %v", lives, err)
	}
	stop()
	running.Wait()
	if lives, err := second.Lives(testContext(t), id); err != nil || lives {
		t.Errorf("a server that has ended lives: %v, %v", lives, err)
	}
}

// A storage that was emptied has leases still, and no keys. Others would take the claims of a server that runs for those of one that is gone.
func TestAServerWhoseKeyIsLostRegistersAnew(t *testing.T) {
	prefix := newPrefix()
	server, other := NewServers(shared.client, prefix, false), NewServers(shared.client, prefix, false)
	ctx, stop := context.WithCancel(testContext(t))
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	defer func() { stop(); running.Wait() }()
	id, err := server.ID(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.client.Delete(testContext(t), prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	poll(t, "the others know it again", func() bool {
		lives, err := other.Lives(testContext(t), id)
		if err != nil {
			t.Fatal(err)
		}
		return lives
	})
}

// A server takes no claim that others would take for that of a server that is gone.
func TestAServerHasNoIDBeforeOthersKnowIt(t *testing.T) {
	server := NewServers(shared.client, newPrefix(), false)
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if id, err := server.ID(ctx); err == nil {
		t.Errorf("a server that does not run has the id %s", id)
	}
}

// A server with an etcd of its own knows that all others are gone, and writes nothing to know it.
func TestAServerThatIsAlone(t *testing.T) {
	prefix := newPrefix()
	server := NewServers(shared.client, prefix, true)
	server.Run(testContext(t))
	id, err := server.ID(testContext(t))
	if err != nil || !server.Alone() {
		t.Fatalf("%v, alone: %v", err, server.Alone())
	}
	for who, want := range map[string]bool{id: true, "a former process": false} {
		if lives, err := server.Lives(testContext(t), who); err != nil || lives != want {
			t.Errorf("%s lives: %v, %v", who, lives, err)
		}
	}
}
