package transport

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// laneWidth is the number of connections to one broker in a lane; together they stay within twelve requests in flight a broker, of
// which those that write records do not keep it busy while they wait.
var laneWidth = [wire.LaneCount]int{wire.LaneMetadata: 3, wire.LaneControl: 2, wire.LaneBulk: 1, wire.LaneData: 2, wire.LaneProduce: 4}

const (
	// MaxIdle is below the ten minutes after which brokers close idle connections (connections.max.idle.ms).
	MaxIdle = 9 * time.Minute
	// RefusedTTL is how long a broker that did not let the client in is left alone: it may count failures, and lock the account.
	RefusedTTL = 5 * time.Second
	// maxThrottleWait is how long a caller is held back for a throttling broker before it gets the error instead.
	maxThrottleWait = time.Second
)

type laneKey struct {
	addr string
	lane wire.Lane
}

type laneState struct {
	// Slots bounds the requests in flight; idle links need none.
	Slots chan struct{}
	idle  []*wire.Link
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
	opts *wire.Options
	// label is the cluster's namespace and name.
	label string
	// Requests bounds the requests in flight of the whole cluster.
	Requests chan struct{}

	Mu     sync.Mutex
	Lanes  map[laneKey]*laneState
	Links  map[*wire.Link]struct{} // all, in use or idle
	down   map[string]downEntry
	gen    int
	closed bool
	// source gives the security of connections; security is what it gave last, and what the links of this generation have.
	source wire.SecuritySource
	gate   Gate
	// within are the addresses where brokers may be.
	within   wire.Addresses
	security *wire.Security
}

func newPool(opts *wire.Options, label string) *pool {
	return &pool{opts: opts, label: label, Requests: make(chan struct{}, opts.MaxConcurrent), Lanes: map[laneKey]*laneState{},
		Links: map[*wire.Link]struct{}{}, down: map[string]downEntry{}}
}

func (p *pool) laneLocked(key laneKey) *laneState {
	s := p.Lanes[key]
	if s == nil {
		s = &laneState{Slots: make(chan struct{}, laneWidth[key.lane])}
		p.Lanes[key] = s
	}
	return s
}

// Acquire returns a link to an address, opening one if none is idle. timeout bounds the opening only. The slot in the lane is
// waited for before the cluster's, so that callers of one stalled broker do not use up what others need.
func (p *pool) Acquire(ctx context.Context, addr string, ln wire.Lane, timeout time.Duration) (*wire.Link, error) {
	key := laneKey{addr, ln}
	security, gen, err := p.Secure(ctx)
	if err != nil {
		return nil, notDialled(addr, err)
	}
	p.Mu.Lock()
	s := p.laneLocked(key)
	p.Mu.Unlock()
	if err := p.awaitThrottle(ctx, s); err != nil {
		return nil, err
	}
	if err := p.downError(addr, ln); err != nil {
		return nil, err
	}
	select {
	case s.Slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case p.Requests <- struct{}{}:
	case <-ctx.Done():
		<-s.Slots
		return nil, context.Cause(ctx)
	}
	l, err := p.take(ctx, key, security, gen, timeout)
	if err != nil {
		<-p.Requests
		<-s.Slots
		return nil, err
	}
	if err := p.Admit(ctx, l); err != nil {
		p.PutBack(l)
		return nil, err
	}
	return l, nil
}

// take is called with the slots held.
func (p *pool) take(ctx context.Context, key laneKey, security *wire.Security, gen int, timeout time.Duration) (*wire.Link, error) {
	for {
		l := p.popIdle(key)
		if l == nil {
			break
		}
		if wire.StillOpen(l.Conn.Conn) {
			return l, nil
		}
		p.drop(l)
	}
	// Those who waited for the slot behind a request that found the broker gone need not find out again.
	if err := p.downError(key.addr, key.lane); err != nil {
		return nil, err
	}
	p.Mu.Lock()
	closed := p.closed
	p.Mu.Unlock()
	if closed {
		return nil, errClosed
	}
	l, err := wire.OpenLink(ctx, p.opts, p.Manner(security), key.addr, timeout)
	if err != nil {
		if ctx.Err() == nil {
			p.MarkDown(key.addr, gen, err)
			return nil, &kafkaerr.NoAnswerError{Addr: key.addr, Gone: true, Err: err}
		}
		return nil, context.Cause(ctx)
	}
	l.Lane, l.Gen, l.Used = key.lane, gen, p.opts.Clock.Now()
	p.Mu.Lock()
	defer p.Mu.Unlock()
	delete(p.down, key.addr)
	if p.closed {
		go l.Close()
		return nil, errClosed
	}
	p.Links[l] = struct{}{}
	return l, nil
}

// popIdle takes the link used last; older ones are left to become idle for good.
func (p *pool) popIdle(key laneKey) *wire.Link {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	s := p.laneLocked(key)
	for len(s.idle) > 0 {
		l := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		if l.Gen == p.gen && !p.outlived(l) {
			return l
		}
		delete(p.Links, l)
		go l.Close()
	}
	return nil
}

// idleLink is acquire for what can be had without waiting and without opening; nil when nothing can.
func (p *pool) idleLink(addr string, ln wire.Lane) *wire.Link {
	key := laneKey{addr, ln}
	p.Mu.Lock()
	s := p.laneLocked(key)
	throttled := s.throttled.After(p.opts.Clock.Now())
	p.Mu.Unlock()
	if throttled {
		return nil
	}
	select {
	case s.Slots <- struct{}{}:
	default:
		return nil
	}
	select {
	case p.Requests <- struct{}{}:
	default:
		<-s.Slots
		return nil
	}
	for l := p.popIdle(key); l != nil; l = p.popIdle(key) {
		if wire.StillOpen(l.Conn.Conn) {
			return l
		}
		p.drop(l)
	}
	<-p.Requests
	<-s.Slots
	return nil
}

// anyIdle is a link to an address that nothing is in flight on, of whatever lane; nil when there is none.
func (p *pool) anyIdle(addr string) *wire.Link {
	for ln := range wire.LaneCount {
		if l := p.idleLink(addr, ln); l != nil {
			return l
		}
	}
	return nil
}

// hasIdle tells whether a request to the address could go out at once.
func (p *pool) hasIdle(addr string, ln wire.Lane) bool {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	s := p.Lanes[laneKey{addr, ln}]
	return s != nil && len(s.idle) > 0
}

// stalled are the addresses that owe an answer, to what takes no time, for so long that another is the better choice.
func (p *pool) stalled() map[string]bool {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	var addrs map[string]bool
	late := time.Now().Add(-p.opts.StallAfter).UnixNano()
	for l := range p.Links {
		if since := l.Since.Load(); since != 0 && since < late && (l.Lane == wire.LaneMetadata || l.Lane == wire.LaneControl) {
			if addrs == nil {
				addrs = map[string]bool{}
			}
			addrs[l.Addr] = true
		}
	}
	return addrs
}

// release gives a link back after a request; an unhealthy one is closed.
func (p *pool) release(l *wire.Link, healthy bool, throttle time.Duration) {
	now := p.opts.Clock.Now()
	p.Mu.Lock()
	s := p.laneLocked(laneKey{l.Addr, l.Lane})
	if throttle > 0 {
		s.throttled = now.Add(throttle)
	}
	keep := healthy && !p.closed && l.Gen == p.gen
	l.Since.Store(0)
	if keep {
		l.Used, l.Reused = now, true
		s.idle = append(s.idle, l)
	} else {
		delete(p.Links, l)
	}
	p.Mu.Unlock()
	if !keep {
		l.Close()
	}
	<-p.Requests
	<-s.Slots
}

// PutBack gives back a link that nothing was sent on.
func (p *pool) PutBack(l *wire.Link) {
	p.Mu.Lock()
	keep := !p.closed && l.Gen == p.gen
	if keep {
		s := p.laneLocked(laneKey{l.Addr, l.Lane})
		s.idle = append(s.idle, l)
	} else {
		delete(p.Links, l)
	}
	s := p.laneLocked(laneKey{l.Addr, l.Lane})
	p.Mu.Unlock()
	if !keep {
		l.Close()
	}
	<-p.Requests
	<-s.Slots
}

// drop closes a link that was idle.
func (p *pool) drop(l *wire.Link) {
	p.Mu.Lock()
	delete(p.Links, l)
	p.Mu.Unlock()
	l.Close()
}

func (p *pool) awaitThrottle(ctx context.Context, s *laneState) error {
	p.Mu.Lock()
	wait := s.throttled.Sub(p.opts.Clock.Now())
	p.Mu.Unlock()
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
func (p *pool) downError(addr string, ln wire.Lane) error {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	if s := p.Lanes[laneKey{addr, ln}]; s != nil && len(s.idle) > 0 && !p.down[addr].silent {
		return nil
	}
	return p.dialErrorLocked(addr)
}

// DialError is why no connection is opened to an address.
func (p *pool) DialError(addr string) error {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return p.dialErrorLocked(addr)
}

func (p *pool) dialErrorLocked(addr string) error {
	if e, ok := p.down[addr]; ok && p.opts.Clock.Now().Before(e.until) {
		return &kafkaerr.NoAnswerError{Addr: addr, Gone: true, Err: e.err}
	}
	return nil
}

// MarkDown keeps the verdict on an address, if it is about the links of today.
func (p *pool) MarkDown(addr string, gen int, err error) {
	ttl := p.opts.NegativeTTL
	if len(kafkaerr.SecurityErrors(err)) > 0 {
		ttl = max(ttl, RefusedTTL)
	}
	p.Mu.Lock()
	defer p.Mu.Unlock()
	if gen == p.gen {
		p.down[addr] = downEntry{until: p.opts.Clock.Now().Add(ttl), silent: silent(err), err: err}
	}
}

func (p *pool) markUp(addr string) {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	delete(p.down, addr)
}

// reset makes all links outdated: idle ones are closed now, the others when their request ends.
func (p *pool) reset() {
	p.Mu.Lock()
	p.gen++
	clear(p.down)
	idle := p.takeIdleLocked(func(*wire.Link) bool { return true })
	p.Mu.Unlock()
	closeLinks(idle)
}

// sweep closes links that were idle too long.
func (p *pool) sweep() {
	p.Mu.Lock()
	idle := p.takeIdleLocked(p.outlived)
	for addr, e := range p.down {
		if p.opts.Clock.Now().After(e.until) {
			delete(p.down, addr)
		}
	}
	p.Mu.Unlock()
	closeLinks(idle)
}

// Connected tells whether there is any link, idle or in use.
func (p *pool) Connected() bool {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return len(p.Links) > 0
}

// close ends everything, also what is in flight.
func (p *pool) close() {
	p.Mu.Lock()
	p.closed = true
	idle := p.takeIdleLocked(func(*wire.Link) bool { return true })
	for l := range p.Links {
		l.Kill()
	}
	p.Mu.Unlock()
	closeLinks(idle)
}

func (p *pool) takeIdleLocked(match func(*wire.Link) bool) []*wire.Link {
	var taken []*wire.Link
	for _, s := range p.Lanes {
		kept := s.idle[:0]
		for _, l := range s.idle {
			if match(l) {
				delete(p.Links, l)
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

func closeLinks(links []*wire.Link) {
	for _, l := range links {
		l.Close()
	}
}

// Current tells whether a link is good for another request: opened as connections are opened now, and known to its broker still.
func (p *pool) Current(l *wire.Link) bool {
	p.Mu.Lock()
	defer p.Mu.Unlock()
	return l.Gen == p.gen && !p.outlived(l)
}
