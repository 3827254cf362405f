package brokered

import (
	"context"
	"fmt"
	"sync"

	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// locks let one request of this server at a time change what has a name on the brokers. Two changes of one object would otherwise
// reach the brokers in another order than the one in which they were stored. Names that collide have one lock, as they have one claim.
type locks struct {
	mu   sync.Mutex
	held map[storage.Name]*lock
}

// lock is held by whoever has put a token into its channel.
type lock struct {
	held  chan struct{}
	users int
}

// lock waits for a name until ctx ends. The caller must call unlock, once.
func (l *locks) lock(ctx context.Context, name storage.Name) (unlock func(), err error) {
	claimed := name.Claimed()
	l.mu.Lock()
	if l.held == nil {
		l.held = map[storage.Name]*lock{}
	}
	one := l.held[claimed]
	if one == nil {
		one = &lock{held: make(chan struct{}, 1)}
		l.held[claimed] = one
	}
	one.users++
	l.mu.Unlock()
	release := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(l.held, claimed)
		}
	}
	select {
	case one.held <- struct{}{}:
		return func() {
			<-one.held
			release()
		}, nil
	case <-ctx.Done():
		release()
		return nil, fmt.Errorf("another request changes %s: %w", name, context.Cause(ctx))
	}
}
