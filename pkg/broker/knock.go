package broker

import (
	"context"
	"sync"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

// knocks are the fresh connections tried to addresses whose answers are late, one at a time for each address.
type knocks struct {
	mu      sync.Mutex
	waiting map[string][]chan error
}

// knock tries a fresh connection to an address and tells the outcome; nil means that the broker is there and only slow. It is
// what tells a hung process from a long request, long before a deadline would.
func (c *Cluster) knock(addr string) chan error {
	answer := make(chan error, 1)
	k := &c.knocks
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting == nil {
		k.waiting = map[string][]chan error{}
	}
	k.waiting[addr] = append(k.waiting[addr], answer)
	if len(k.waiting[addr]) > 1 {
		return answer
	}
	crash.Go(func() error { return c.tryAnew(addr) }, func(err error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, w := range k.waiting[addr] {
			w <- err
		}
		delete(k.waiting, addr)
	})
	return answer
}

func (c *Cluster) tryAnew(addr string) error {
	ctx, cancel := context.WithTimeout(c.life, c.opts.ConnectTimeout)
	defer cancel()
	security, gen, err := c.pool.secure(ctx)
	if err != nil {
		// That says nothing about the broker.
		return nil
	}
	how := c.pool.manner(security)
	how.identify = false
	l, err := openLink(c.life, c.opts, how, addr, c.opts.ConnectTimeout)
	if err == nil {
		l.close()
		c.pool.markUp(addr)
	} else if c.life.Err() == nil {
		c.pool.markDown(addr, gen, err)
	}
	return err
}
