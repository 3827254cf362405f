package transport

import (
	"sync"
	"time"
)

// doubts are about brokers whose picture was old. They are asked after all others.
type doubts struct {
	mu sync.Mutex
	// until is when that is over, by address.
	until map[string]time.Time
}

// doubtLife is how long a broker whose picture was old is asked after the others. One that is fenced has a new one soon after it is back.
const doubtLife = 30 * time.Second

// About tells whether others are asked before the one at an address.
func (d *doubts) About(now time.Time, addr string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Before(d.until[addr])
}

func (d *doubts) add(now time.Time, addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.until == nil {
		d.until = map[string]time.Time{}
	}
	d.until[addr] = now.Add(doubtLife)
}

// sweep forgets what is no longer of use.
func (d *doubts) sweep(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for addr, until := range d.until {
		if now.After(until) {
			delete(d.until, addr)
		}
	}
}

// Clear forgets all: another cluster answers.
func (d *doubts) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.until)
}

// Doubt has the other brokers asked before the one at an address, whose picture is old.
func (c *Cluster) Doubt(addr string) {
	if addr == "" {
		return
	}
	c.Doubts.add(c.Opts.Clock.Now(), addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Preferred == addr {
		c.Preferred = ""
	}
}

// Others tells whether the cluster has brokers beside the one at an address, which may be one of the bootstrap list.
func (c *Cluster) Others(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Dir == nil {
		return false
	}
	for _, b := range c.Dir.Brokers {
		if b.Address() != addr {
			return true
		}
	}
	return false
}
