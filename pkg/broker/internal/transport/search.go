package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// maxCandidates bounds the addresses tried at once in the search for a live broker.
	maxCandidates = 12
	// HedgeDelay is the longest that the search waits for one address before it tries the next as well.
	HedgeDelay = 250 * time.Millisecond
)

// AcquireController returns a link to where requests for the controller go: any broker in KRaft mode, as all of them forward; else the one that
// is named as the controller. start is when the search for it began.
func (c *Cluster) AcquireController(ctx context.Context, ln wire.Lane, start time.Time, avoid map[string]bool, fresh bool) (*wire.Link, error) {
	d, err := c.directorySince(ctx, start, fresh)
	if err != nil {
		return nil, err
	}
	if d.Kraft && !c.keepsToItself() {
		return c.acquireAny(ctx, ln, start, avoid)
	}
	b, ok := d.Brokers[d.Controller]
	if !ok && !fresh {
		if d, err = c.directorySince(ctx, start, true); err != nil {
			return nil, err
		}
		b, ok = d.Brokers[d.Controller]
	}
	if !ok {
		return nil, &kafkaerr.NoAnswerError{Addr: "controller", Err: errors.New("the cluster has no controller at the moment")}
	}
	// A verdict on it comes with the search, not after it.
	left := max(c.Opts.VerdictTimeout-time.Since(start), HedgeDelay)
	return c.Pool.Acquire(ctx, b.Address(), ln, min(c.Opts.ConnectTimeout, left))
}

// keepsToItself tells that brokers have refused what they would forward in KRaft mode. Servers of other makes say that they run in it and do
// not forward.
func (c *Cluster) keepsToItself() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noForwarding
}

// directorySince is directory as a step of a search that began at start, and that ends VerdictTimeout later: who has found the controller
// silent, and asks the others who it is now, must not wait for one verdict after the other. Time that went into something else before,
// such as a request whose connection broke, leaves the step as much as a verdict has beside one dial.
func (c *Cluster) directorySince(ctx context.Context, start time.Time, fresh bool) (*Directory, error) {
	left := max(c.Opts.VerdictTimeout-time.Since(start), c.Opts.VerdictTimeout-c.Opts.ConnectTimeout)
	searching, cancel := context.WithTimeoutCause(ctx, left, wire.ErrNoAnswer)
	defer cancel()
	d, err := c.Directory(searching, fresh)
	if err != nil && searching.Err() != nil && ctx.Err() == nil {
		return nil, &kafkaerr.UnreachableError{Cluster: c.Label, Address: c.addresses(), Err: wire.ErrNoAnswer}
	}
	return d, err
}

// acquireAny returns a link to some live broker: an idle one if there is, else the first of several addresses that answers. start
// is when the search began: it ends VerdictTimeout later.
func (c *Cluster) acquireAny(ctx context.Context, ln wire.Lane, start time.Time, avoid map[string]bool) (*wire.Link, error) {
	if _, _, err := c.Pool.Secure(ctx); err != nil {
		return nil, notDialled(c.addresses(), err)
	}
	candidates := c.candidates(ln, avoid)
	if len(candidates) == 0 {
		return nil, &kafkaerr.NoAnswerError{Addr: "bootstrap", Err: errors.New("no address to try")}
	}
	budget := c.Opts.VerdictTimeout - time.Since(start)
	if budget <= 0 {
		return nil, &kafkaerr.NoAnswerError{Addr: candidates[0], Gone: true, Err: wire.ErrNoAnswer}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, budget, wire.ErrNoAnswer)
	defer cancel()
	timeout := min(c.Opts.ConnectTimeout, budget)
	// All candidates get their full connect timeout within the budget.
	delay := min(HedgeDelay, (budget-timeout)/time.Duration(len(candidates)))

	if l := c.Pool.idleLink(candidates[0], ln); l != nil {
		if err := c.Pool.Admit(ctx, l); err == nil {
			return l, nil
		}
		// Another address may be one of the right cluster.
		c.Pool.PutBack(l)
	}
	type result struct {
		link *wire.Link
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
			var l *wire.Link
			crash.Go(func() (err error) {
				l, err = c.Pool.Acquire(ctx, addr, ln, timeout)
				return err
			}, func(err error) {
				select {
				case results <- result{l, err}:
				case <-ctx.Done():
					if l != nil {
						c.Pool.PutBack(l)
					}
				}
			})
			next.Reset(delay)
		case r := <-results:
			if r.err == nil {
				return r.link, nil
			}
			ended++
			failures = append(failures, r.err)
			next.Reset(0)
		case <-ctx.Done():
			failures = append(failures, &kafkaerr.NoAnswerError{Addr: strings.Join(candidates[:started], ", "), Gone: true, Err: context.Cause(ctx)})
			return nil, errors.Join(failures...)
		}
	}
	return nil, errors.Join(failures...)
}

// candidates are the addresses to try, best first: those with an idle connection, the brokers known, the bootstrap list. A
// bootstrap address is often a virtual one with another broker behind it each time, hence last.
func (c *Cluster) candidates(ln wire.Lane, avoid map[string]bool) []string {
	c.mu.Lock()
	preferred, dir, bootstrap := c.Preferred, c.Dir, c.bootstrap
	c.mu.Unlock()
	var known []string
	if dir != nil {
		for _, b := range dir.Brokers {
			known = append(known, b.Address())
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
		case c.Pool.downError(addr, ln) != nil:
			down = append(down, addr)
		default:
			usable = append(usable, addr)
		}
	}
	stalled, now := c.Pool.stalled(), c.Opts.Clock.Now()
	rank := func(addr string) int {
		switch {
		case stalled[addr]:
			return 6
		case c.Doubts.About(now, addr):
			return 5
		case addr == preferred && slices.Contains(known, addr):
			return 0
		case c.Pool.hasIdle(addr, ln) && slices.Contains(known, addr):
			return 1
		case slices.Contains(known, addr):
			return 2
		case c.Pool.hasIdle(addr, ln):
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

// addresses are those that the search starts from.
func (c *Cluster) addresses() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.bootstrap, ", ")
}

// Address is where a broker can be reached.
func (c *Cluster) Address(ctx context.Context, id int32, fresh bool) (string, error) {
	d, err := c.Directory(ctx, fresh)
	if err != nil {
		return "", err
	}
	b, ok := d.Brokers[id]
	if !ok && !fresh {
		return c.Address(ctx, id, true)
	}
	if !ok {
		silent := &kafkaerr.NoAnswerError{Addr: strconv.Itoa(int(id)), Broker: IDObject("broker", id), Err: errors.New("the cluster does not list it as alive")}
		return "", &kafkaerr.UnreachableError{Cluster: c.Label, Address: silent.Broker, Err: silent}
	}
	return b.Address(), nil
}

func (b BrokerInfo) Address() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

// Pause waits between attempts.
func (c *Cluster) Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
