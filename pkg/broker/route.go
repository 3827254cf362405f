package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// request is what to send, with what its failure is called.
type request[T any] struct {
	op, object string
	key        int16
	lane       lane
	send       func(*link) (T, error)
}

const (
	// maxCandidates bounds the addresses tried at once in the search for a live broker.
	maxCandidates = 12
	// hedgeDelay is the longest that the search waits for one address before it tries the next as well.
	hedgeDelay = 250 * time.Millisecond
	// readAttempts bounds how often a read is sent.
	readAttempts = 3
)

// askAny sends a read to any broker. It is repeated elsewhere when a broker does not answer.
func askAny[T any](ctx context.Context, c *Cluster, req request[T]) (T, error) {
	var zero T
	var last error
	start := time.Now()
	avoid := map[string]bool{}
	for attempt := 0; attempt < readAttempts; attempt++ {
		l, err := c.acquireAny(ctx, req.lane, start, avoid)
		if err != nil {
			if last != nil && ctx.Err() == nil {
				err = errors.Join(last, err)
			}
			return zero, c.failed(ctx, req.op, req.object, err)
		}
		reused, addr := l.reused, l.addr
		value, err := exchange(ctx, c, l, req.key, req.send)
		if err == nil {
			c.prefer(addr)
			return value, nil
		}
		if answered(err) || ctx.Err() != nil {
			return zero, c.failed(ctx, req.op, req.object, err)
		}
		// A connection used before may only have been idle too long: then the same broker is as good as another.
		avoid[addr] = avoid[addr] || !reused || gone(err)
		last = err
	}
	return zero, c.failed(ctx, req.op, req.object, last)
}

// askBroker sends a read to one broker, by what it advertises. It is repeated once when a connection used before broke, or when
// the broker turns out to have moved.
func askBroker[T any](ctx context.Context, c *Cluster, id int32, req request[T]) (T, error) {
	var zero T
	addr, err := c.address(ctx, id, false)
	for attempt := 0; err == nil; attempt++ {
		var value T
		var l *link
		if l, err = c.pool.acquire(ctx, addr, req.lane, c.opts.ConnectTimeout); err == nil {
			reused := l.reused
			if value, err = exchange(ctx, c, l, req.key, req.send); err == nil {
				return value, nil
			}
			if reused && !gone(err) && !answered(err) && ctx.Err() == nil && attempt == 0 {
				err = nil
				continue
			}
		}
		if answered(err) || ctx.Err() != nil || attempt > 0 {
			break
		}
		moved, lookup := c.address(ctx, id, true)
		if lookup != nil || moved == addr {
			break
		}
		addr, err = moved, nil
	}
	return zero, c.failed(ctx, req.op, req.object, err)
}

// errSent marks a write that was sent and not answered.
var errSent = errors.New("no answer after the request was sent")

// askController sends a request to the controller: a write, or a read that only the controller answers. notController looks into
// an answer for NOT_CONTROLLER, after which the controller is looked up anew and asked. A write that may have reached a broker is
// not repeated: the error then satisfies errors.Is(err, errSent). Reads and validateOnly requests, being harmless, are.
func askController[T any](ctx context.Context, c *Cluster, harmless bool, req request[T], notController func(T) bool) (T, error) {
	var zero T
	var last error
	start := time.Now()
	avoid := map[string]bool{}
	fresh := false
	for attempt := 0; attempt < 2 || time.Since(start) < c.opts.VerdictTimeout; attempt++ {
		if attempt > 1 {
			if err := c.pause(ctx, controllerPause); err != nil {
				return zero, c.failed(ctx, req.op, req.object, err)
			}
		}
		l, err := c.acquireController(ctx, req.lane, start, avoid, fresh)
		if err != nil {
			if answered(err) || ctx.Err() != nil || IsUnreachable(err) {
				return zero, c.failed(ctx, req.op, req.object, err)
			}
			last, fresh = err, true
			continue
		}
		addr := l.addr
		value, err := exchange(ctx, c, l, req.key, req.send)
		switch {
		case err == nil && !notController(value):
			return value, nil
		case err == nil:
			last, fresh = newError(req.op, req.object, codeNotController, nil, 0), true
			continue
		case answered(err):
			return zero, c.failed(ctx, req.op, req.object, err)
		case wasSent(err) && !harmless:
			return zero, fmt.Errorf("%w: %w", errSent, c.failed(ctx, req.op, req.object, err))
		case ctx.Err() != nil:
			return zero, c.failed(ctx, req.op, req.object, err)
		}
		avoid[addr] = gone(err)
		last, fresh = err, true
	}
	return zero, c.failed(ctx, req.op, req.object, last)
}

// controllerPause is the time between two questions for who the controller is, while one is being elected.
const controllerPause = 200 * time.Millisecond

func gone(err error) bool    { var t *transportError; return errors.As(err, &t) && t.gone }
func wasSent(err error) bool { var t *transportError; return errors.As(err, &t) && t.sent }

// failed gives a failure the form that callers see.
func (c *Cluster) failed(ctx context.Context, op, object string, err error) error {
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		if refusal.Object == "" {
			named := *refusal
			named.Op, named.Object = op, object
			return &named
		}
		return err
	case IsUnreachable(err):
		return err
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		if IsUnreachable(cause) {
			return cause
		}
		return fmt.Errorf("%s %s on Kafka cluster %s: %w", op, object, c.label, cause)
	}
	return &UnreachableError{Cluster: c.label, Address: addressesOf(err), Err: err}
}

func addressesOf(err error) string {
	var addrs []string
	var walk func(error)
	walk = func(err error) {
		if t, ok := err.(*transportError); ok && !slices.Contains(addrs, t.addr) {
			addrs = append(addrs, t.addr)
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			if inner := u.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range u.Unwrap() {
				walk(inner)
			}
		}
	}
	if err != nil {
		walk(err)
	}
	slices.Sort(addrs)
	return strings.Join(addrs, ", ")
}

// acquireController returns a link to where requests for the controller go: any broker in KRaft mode, as all of them forward; the
// controller in ZooKeeper mode.
func (c *Cluster) acquireController(ctx context.Context, ln lane, start time.Time, avoid map[string]bool, fresh bool) (*link, error) {
	d, err := c.directory(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if d.kraft {
		return c.acquireAny(ctx, ln, start, avoid)
	}
	b, ok := d.brokers[d.controller]
	if !ok && !fresh {
		if d, err = c.directory(ctx, true); err != nil {
			return nil, err
		}
		b, ok = d.brokers[d.controller]
	}
	if !ok {
		return nil, &transportError{addr: "controller", err: errors.New("the cluster has no controller at the moment")}
	}
	return c.pool.acquire(ctx, b.address(), ln, c.opts.ConnectTimeout)
}

// acquireAny returns a link to some live broker: an idle one if there is, else the first of several addresses that answers. start
// is when the search began: it ends VerdictTimeout later.
func (c *Cluster) acquireAny(ctx context.Context, ln lane, start time.Time, avoid map[string]bool) (*link, error) {
	candidates := c.candidates(ln, avoid)
	if len(candidates) == 0 {
		return nil, &transportError{addr: "bootstrap", err: errors.New("no address to try")}
	}
	budget := c.opts.VerdictTimeout - time.Since(start)
	if budget <= 0 {
		return nil, &transportError{addr: candidates[0], gone: true, err: errNoAnswer}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, errNoAnswer)
	defer cancel()
	timeout := min(c.opts.ConnectTimeout, budget)
	// All candidates get their full connect timeout within the budget.
	delay := min(hedgeDelay, (budget-timeout)/time.Duration(len(candidates)))

	type result struct {
		link *link
		err  error
	}
	results := make(chan result)
	next := time.NewTimer(0)
	defer next.Stop()
	var failures []error
	for started, ended := 0, 0; ended < len(candidates); {
		select {
		case <-next.C:
			if started == len(candidates) {
				continue
			}
			addr := candidates[started]
			started++
			go func() {
				l, err := c.pool.acquire(ctx, addr, ln, timeout)
				select {
				case results <- result{l, err}:
				case <-ctx.Done():
					if l != nil {
						c.pool.putBack(l)
					}
				}
			}()
			next.Reset(delay)
		case r := <-results:
			if r.err == nil {
				return r.link, nil
			}
			ended++
			failures = append(failures, r.err)
			next.Reset(0)
		case <-ctx.Done():
			failures = append(failures, &transportError{addr: strings.Join(candidates[:started], ", "), gone: true, err: context.Cause(ctx)})
			return nil, errors.Join(failures...)
		}
	}
	return nil, errors.Join(failures...)
}

// candidates are the addresses to try, best first: those with an idle connection, the brokers known, the bootstrap list. A
// bootstrap address is often a virtual one with another broker behind it each time, hence last.
func (c *Cluster) candidates(ln lane, avoid map[string]bool) []string {
	c.mu.Lock()
	preferred, dir, bootstrap := c.preferred, c.dir, c.bootstrap
	c.mu.Unlock()
	var known []string
	if dir != nil {
		for _, b := range dir.brokers {
			known = append(known, b.address())
		}
		slices.Sort(known)
		rand.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
		if len(known) > maxCandidates/2 {
			// Enough of a large cluster; the preferred broker stays among them.
			if i := slices.Index(known, preferred); i >= 0 {
				known[0], known[i] = known[i], known[0]
			}
			known = known[:maxCandidates/2]
		}
	}
	var usable, down []string
	for _, addr := range append(known, bootstrap...) {
		switch {
		case avoid[addr] || slices.Contains(usable, addr) || slices.Contains(down, addr):
		case c.pool.downError(addr) != nil:
			down = append(down, addr)
		default:
			usable = append(usable, addr)
		}
	}
	rank := func(addr string) int {
		switch {
		case addr == preferred && slices.Contains(known, addr):
			return 0
		case c.pool.hasIdle(addr, ln) && slices.Contains(known, addr):
			return 1
		case slices.Contains(known, addr):
			return 2
		case c.pool.hasIdle(addr, ln):
			return 3
		}
		return 4
	}
	slices.SortStableFunc(usable, func(a, b string) int { return rank(a) - rank(b) })
	if len(usable) == 0 {
		// Their recent failure is the answer.
		usable = down
	}
	return usable[:min(len(usable), maxCandidates)]
}

// address is where a broker can be reached.
func (c *Cluster) address(ctx context.Context, id int32, fresh bool) (string, error) {
	d, err := c.directory(ctx, fresh)
	if err != nil {
		return "", err
	}
	b, ok := d.brokers[id]
	if !ok && !fresh {
		return c.address(ctx, id, true)
	}
	if !ok {
		return "", &UnreachableError{Cluster: c.label, Address: fmt.Sprintf("broker %d", id), Err: errors.New("the cluster does not list it as alive")}
	}
	return b.address(), nil
}

func (b BrokerInfo) address() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

// pause waits between attempts.
func (c *Cluster) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
