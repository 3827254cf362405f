package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// lane is a purpose that connections are kept for, so that a slow kind of request never stands before another: a connection
// carries one request at a time and brokers serve a connection's requests one after the other.
type lane int

const (
	laneMetadata lane = iota // short reads that any broker answers
	laneControl              // writes, and reads that only the controller answers
	laneBulk                 // sizes on disk, for which brokers walk their folders
	laneData                 // offsets of partitions, asked of leaders
	laneProduce              // records, which wait for replicas
	laneCount
)

// laneWidth is the number of connections to one broker in a lane; together they stay within twelve requests in flight a broker, of
// which those that write records do not keep it busy while they wait.
var laneWidth = [laneCount]int{laneMetadata: 3, laneControl: 2, laneBulk: 1, laneData: 2, laneProduce: 4}

const (
	// maxIdle is below the ten minutes after which brokers close idle connections (connections.max.idle.ms).
	maxIdle = 9 * time.Minute
	// refusedTTL is how long a broker that did not let the client in is left alone: it may count failures, and lock the account.
	refusedTTL = 5 * time.Second
	// maxThrottleWait is how long a caller is held back for a throttling broker before it gets the error instead.
	maxThrottleWait = time.Second
)

type laneKey struct {
	addr string
	lane lane
}

type laneState struct {
	// slots bounds the requests in flight; idle links need none.
	slots chan struct{}
	idle  []*link
	// throttled is until when the broker does not serve this lane.
	throttled time.Time
}

// downEntry is why no connection is opened to an address for a moment. One that is silent is not asked over those that are open either.
type downEntry struct {
	until  time.Time
	silent bool
	err    error
}

// pool holds the links of one cluster, and which addresses are known not to answer.
type pool struct {
	opts *Options
	// label is the cluster's namespace and name.
	label string
	// requests bounds the requests in flight of the whole cluster.
	requests chan struct{}

	mu     sync.Mutex
	lanes  map[laneKey]*laneState
	links  map[*link]struct{} // all, in use or idle
	down   map[string]downEntry
	gen    int
	closed bool
	// source gives the security of connections; security is what it gave last, and what the links of this generation have.
	source SecuritySource
	gate   Gate
	// within are the addresses where brokers may be.
	within   Addresses
	security *Security
}

func newPool(opts *Options, label string) *pool {
	return &pool{opts: opts, label: label, requests: make(chan struct{}, opts.MaxConcurrent), lanes: map[laneKey]*laneState{},
		links: map[*link]struct{}{}, down: map[string]downEntry{}}
}

func (p *pool) laneLocked(key laneKey) *laneState {
	s := p.lanes[key]
	if s == nil {
		s = &laneState{slots: make(chan struct{}, laneWidth[key.lane])}
		p.lanes[key] = s
	}
	return s
}

// acquire returns a link to an address, opening one if none is idle. timeout bounds the opening only. The slot in the lane is
// waited for before the cluster's, so that callers of one stalled broker do not use up what others need.
func (p *pool) acquire(ctx context.Context, addr string, ln lane, timeout time.Duration) (*link, error) {
	key := laneKey{addr, ln}
	security, gen, err := p.secure(ctx)
	if err != nil {
		return nil, notDialled(addr, err)
	}
	p.mu.Lock()
	s := p.laneLocked(key)
	p.mu.Unlock()
	if err := p.awaitThrottle(ctx, s); err != nil {
		return nil, err
	}
	if err := p.downError(addr, ln); err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case p.requests <- struct{}{}:
	case <-ctx.Done():
		<-s.slots
		return nil, context.Cause(ctx)
	}
	l, err := p.take(ctx, key, security, gen, timeout)
	if err != nil {
		<-p.requests
		<-s.slots
		return nil, err
	}
	if err := p.admit(ctx, l); err != nil {
		p.putBack(l)
		return nil, err
	}
	return l, nil
}

// take is called with the slots held.
func (p *pool) take(ctx context.Context, key laneKey, security *Security, gen int, timeout time.Duration) (*link, error) {
	for {
		l := p.popIdle(key)
		if l == nil {
			break
		}
		if stillOpen(l.conn.Conn) {
			return l, nil
		}
		p.drop(l)
	}
	// Those who waited for the slot behind a request that found the broker gone need not find out again.
	if err := p.downError(key.addr, key.lane); err != nil {
		return nil, err
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	l, err := openLink(ctx, p.opts, p.manner(security), key.addr, timeout)
	if err != nil {
		if ctx.Err() == nil {
			p.markDown(key.addr, gen, err)
			return nil, &kafkaerr.NoAnswerError{Addr: key.addr, Gone: true, Err: err}
		}
		return nil, context.Cause(ctx)
	}
	l.lane, l.gen, l.used = key.lane, gen, p.opts.Clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.down, key.addr)
	if p.closed {
		go l.close()
		return nil, errClosed
	}
	p.links[l] = struct{}{}
	return l, nil
}

// popIdle takes the link used last; older ones are left to become idle for good.
func (p *pool) popIdle(key laneKey) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.laneLocked(key)
	for len(s.idle) > 0 {
		l := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if l.gen == p.gen && !p.outlived(l) {
			return l
		}
		delete(p.links, l)
		go l.close()
	}
	return nil
}

// idleLink is acquire for what can be had without waiting and without opening; nil when nothing can.
func (p *pool) idleLink(addr string, ln lane) *link {
	key := laneKey{addr, ln}
	p.mu.Lock()
	s := p.laneLocked(key)
	throttled := s.throttled.After(p.opts.Clock.Now())
	p.mu.Unlock()
	if throttled {
		return nil
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil
	}
	select {
	case p.requests <- struct{}{}:
	default:
		<-s.slots
		return nil
	}
	for l := p.popIdle(key); l != nil; l = p.popIdle(key) {
		if stillOpen(l.conn.Conn) {
			return l
		}
		p.drop(l)
	}
	<-p.requests
	<-s.slots
	return nil
}

// anyIdle is a link to an address that nothing is in flight on, of whatever lane; nil when there is none.
func (p *pool) anyIdle(addr string) *link {
	for ln := range laneCount {
		if l := p.idleLink(addr, ln); l != nil {
			return l
		}
	}
	return nil
}

// hasIdle tells whether a request to the address could go out at once.
func (p *pool) hasIdle(addr string, ln lane) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.lanes[laneKey{addr, ln}]
	return s != nil && len(s.idle) > 0
}

// stalled are the addresses that owe an answer, to what takes no time, for so long that another is the better choice.
func (p *pool) stalled() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	var addrs map[string]bool
	late := time.Now().Add(-p.opts.stallAfter).UnixNano()
	for l := range p.links {
		if since := l.since.Load(); since != 0 && since < late && (l.lane == laneMetadata || l.lane == laneControl) {
			if addrs == nil {
				addrs = map[string]bool{}
			}
			addrs[l.addr] = true
		}
	}
	return addrs
}

// release gives a link back after a request; an unhealthy one is closed.
func (p *pool) release(l *link, healthy bool, throttle time.Duration) {
	now := p.opts.Clock.Now()
	p.mu.Lock()
	s := p.laneLocked(laneKey{l.addr, l.lane})
	if throttle > 0 {
		s.throttled = now.Add(throttle)
	}
	keep := healthy && !p.closed && l.gen == p.gen
	l.since.Store(0)
	if keep {
		l.used, l.reused = now, true
		s.idle = append(s.idle, l)
	} else {
		delete(p.links, l)
	}
	p.mu.Unlock()
	if !keep {
		l.close()
	}
	<-p.requests
	<-s.slots
}

// putBack gives back a link that nothing was sent on.
func (p *pool) putBack(l *link) {
	p.mu.Lock()
	keep := !p.closed && l.gen == p.gen
	if keep {
		s := p.laneLocked(laneKey{l.addr, l.lane})
		s.idle = append(s.idle, l)
	} else {
		delete(p.links, l)
	}
	s := p.laneLocked(laneKey{l.addr, l.lane})
	p.mu.Unlock()
	if !keep {
		l.close()
	}
	<-p.requests
	<-s.slots
}

// drop closes a link that was idle.
func (p *pool) drop(l *link) {
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	l.close()
}

func (p *pool) awaitThrottle(ctx context.Context, s *laneState) error {
	p.mu.Lock()
	wait := s.throttled.Sub(p.opts.Clock.Now())
	p.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	if wait > maxThrottleWait {
		text := fmt.Sprintf("the broker throttles this client for another %v", wait.Round(time.Millisecond))
		return kafkaerr.New("send request", "", kafkaerr.ThrottlingQuotaExceeded, &text, wait)
	}
	timer := p.opts.Clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// downError is why an address is not asked in a lane: it did not answer a moment ago, or took no more connections and there is none that is idle.
func (p *pool) downError(addr string, ln lane) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.lanes[laneKey{addr, ln}]; s != nil && len(s.idle) > 0 && !p.down[addr].silent {
		return nil
	}
	return p.dialErrorLocked(addr)
}

// dialError is why no connection is opened to an address.
func (p *pool) dialError(addr string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialErrorLocked(addr)
}

func (p *pool) dialErrorLocked(addr string) error {
	if e, ok := p.down[addr]; ok && p.opts.Clock.Now().Before(e.until) {
		return &kafkaerr.NoAnswerError{Addr: addr, Gone: true, Err: e.err}
	}
	return nil
}

// markDown keeps the verdict on an address, if it is about the links of today.
func (p *pool) markDown(addr string, gen int, err error) {
	ttl := p.opts.NegativeTTL
	if len(kafkaerr.SecurityErrors(err)) > 0 {
		ttl = max(ttl, refusedTTL)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if gen == p.gen {
		p.down[addr] = downEntry{until: p.opts.Clock.Now().Add(ttl), silent: silent(err), err: err}
	}
}

func (p *pool) markUp(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.down, addr)
}

// reset makes all links outdated: idle ones are closed now, the others when their request ends.
func (p *pool) reset() {
	p.mu.Lock()
	p.gen++
	clear(p.down)
	idle := p.takeIdleLocked(func(*link) bool { return true })
	p.mu.Unlock()
	closeLinks(idle)
}

// sweep closes links that were idle too long.
func (p *pool) sweep() {
	p.mu.Lock()
	idle := p.takeIdleLocked(p.outlived)
	for addr, e := range p.down {
		if p.opts.Clock.Now().After(e.until) {
			delete(p.down, addr)
		}
	}
	p.mu.Unlock()
	closeLinks(idle)
}

// connected tells whether there is any link, idle or in use.
func (p *pool) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links) > 0
}

// close ends everything, also what is in flight.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	idle := p.takeIdleLocked(func(*link) bool { return true })
	for l := range p.links {
		l.kill()
	}
	p.mu.Unlock()
	closeLinks(idle)
}

func (p *pool) takeIdleLocked(match func(*link) bool) []*link {
	var taken []*link
	for _, s := range p.lanes {
		kept := s.idle[:0]
		for _, l := range s.idle {
			if match(l) {
				delete(p.links, l)
				taken = append(taken, l)
			} else {
				kept = append(kept, l)
			}
		}
		clear(s.idle[len(kept):])
		s.idle = kept
	}
	return taken
}

func closeLinks(links []*link) {
	for _, l := range links {
		l.close()
	}
}
