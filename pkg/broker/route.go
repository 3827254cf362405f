package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// request is what to send, with what its failure is called.
type request[T any] struct {
	op, object string
	key        int16
	lane       lane
	send       func(*link) (T, error)
}

// readAttempts bounds how often a read is sent.
const readAttempts = 3

// tried is what one read has learnt of the addresses so far.
type tried struct {
	mu sync.Mutex
	// busy addresses have not answered yet; avoid are those that will not.
	busy, avoid map[string]bool
}

func (t *tried) excluded() map[string]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := maps.Clone(t.avoid)
	maps.Copy(all, t.busy)
	return all
}

func (t *tried) waiting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.busy) > 0
}

func (t *tried) begin(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy[addr] = true
}

func (t *tried) end(addr string, avoid bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, addr)
	if avoid {
		t.avoid[addr] = true
	}
}

// askAny sends a read to any broker. It is repeated elsewhere when a broker does not answer, and asked of a second one as well when
// the first takes long: the answer that comes first counts.
func askAny[T any](ctx context.Context, c *Cluster, req request[T]) (T, error) {
	return askAnyBut(ctx, c, req)
}

// askAnyBut is askAny without the brokers at some addresses.
func askAnyBut[T any](ctx context.Context, c *Cluster, req request[T], but ...string) (T, error) {
	type outcome struct {
		value T
		err   error
		addr  string // "" when no connection was had
	}
	var zero T
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	known := &tried{busy: map[string]bool{}, avoid: map[string]bool{}}
	for _, addr := range but {
		known.avoid[addr] = true
	}
	outcomes := make(chan outcome, readAttempts)
	running, launched := 0, 0
	launch := func() {
		running, launched = running+1, launched+1
		var o outcome
		crash.Go(func() error {
			l, err := c.acquireAny(asking, req.lane, start, known.excluded())
			if err != nil {
				return err
			}
			addr, reused := l.addr, l.reused
			known.begin(addr)
			o.value, err = exchange(asking, c, l, req.key, req.send)
			// A connection used before may only have been idle too long: then the same broker is as good as another.
			known.end(addr, err != nil && (!reused || kafkaerr.IsGone(err)))
			o.addr = addr
			return err
		}, func(err error) {
			o.err = err
			outcomes <- o
		})
	}
	launch()
	late := time.NewTimer(c.opts.stallAfter)
	defer late.Stop()
	var failures []error
	for running > 0 {
		select {
		case o := <-outcomes:
			running--
			switch {
			case o.err == nil:
				if len(but) == 0 {
					c.prefer(o.addr)
				}
				return o.value, nil
			case conclusive(o.err), ctx.Err() != nil:
				return zero, c.failed(ctx, req.op, req.object, o.err)
			}
			failures = append(failures, o.err)
			if o.addr != "" && launched < readAttempts {
				launch()
			}
		case <-late.C:
			if launched < readAttempts && known.waiting() {
				launch()
				// The third does not wait for the verdict on the first: all may hang.
				late.Reset(hedgeDelay)
			}
		}
	}
	return zero, c.failed(ctx, req.op, req.object, errors.Join(failures...))
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
			if reused && !kafkaerr.IsGone(err) && !conclusive(err) && ctx.Err() == nil && attempt == 0 {
				err = nil
				continue
			}
		}
		if conclusive(err) || ctx.Err() != nil || attempt > 0 {
			break
		}
		moved, lookup := c.address(ctx, id, true)
		if lookup != nil || moved == addr {
			break
		}
		addr, err = moved, nil
	}
	return zero, c.failed(ctx, req.op, req.object, ofBroker(id, err))
}

// ofBroker is the error of a request that only one broker could have answered.
func ofBroker(id int32, err error) error {
	silent, ok := err.(*kafkaerr.NoAnswerError)
	if !ok {
		return err
	}
	named := *silent
	named.Broker = idObject("broker", id)
	return &named
}

// errSent marks a write that was sent and not answered.
var errSent = errors.New("no answer after the request was sent")

// askController sends a request to the controller: a write, or a read that only the controller answers. codes are the error codes in an
// answer; when all are NOT_CONTROLLER the controller is looked up anew and asked. A write that may have reached a broker is
// not repeated: the error then satisfies errors.Is(err, errSent). Reads and validateOnly requests, being harmless, are.
func askController[T any](ctx context.Context, c *Cluster, harmless bool, req request[T], codes func(T) []int16) (T, error) {
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
			if answered(err) || ctx.Err() != nil || kafkaerr.IsUnreachable(err) {
				return zero, c.failed(ctx, req.op, req.object, err)
			}
			last, fresh = err, true
			continue
		}
		addr := l.addr
		value, err := exchange(ctx, c, l, req.key, req.send)
		switch {
		case err == nil && codes != nil && all(codes(value), kafkaerr.RequestTimedOut):
			// In KRaft mode it may be the broker that does not reach the controller, and waits for it.
			c.doubt(addr)
			return value, nil
		case err == nil && (codes == nil || !all(codes(value), kafkaerr.NotController)):
			return value, nil
		case err == nil:
			c.mu.Lock()
			c.noForwarding = c.dir != nil && c.dir.kraft
			c.mu.Unlock()
			last, fresh = kafkaerr.New(req.op, req.object, kafkaerr.NotController, nil, 0), true
			continue
		case answered(err):
			return zero, c.failed(ctx, req.op, req.object, err)
		case kafkaerr.WasSent(err) && !harmless:
			return zero, fmt.Errorf("%w: %w", errSent, c.failed(ctx, req.op, req.object, err))
		case kafkaerr.IsTooLong(err), ctx.Err() != nil:
			return zero, c.failed(ctx, req.op, req.object, err)
		}
		avoid[addr] = kafkaerr.IsGone(err)
		last, fresh = err, true
	}
	return zero, c.failed(ctx, req.op, req.object, last)
}

// all tells whether there are codes, and all are this one.
func all(codes []int16, one int16) bool {
	return len(codes) > 0 && !slices.ContainsFunc(codes, func(code int16) bool { return code != one })
}

// codesOf are the error codes in the parts of an answer.
func codesOf[P any](parts []P, code func(P) int16) []int16 {
	codes := make([]int16, len(parts))
	for i, part := range parts {
		codes[i] = code(part)
	}
	return codes
}

// controllerPause is the time between two questions for who the controller is, while one is being elected.
const controllerPause = 200 * time.Millisecond

// failed gives a failure the form that callers see.
func (c *Cluster) failed(ctx context.Context, op, object string, err error) error {
	var refusal *kafkaerr.Error
	switch {
	case errors.As(err, &refusal):
		if refusal.Object == "" {
			named := *refusal
			named.Op, named.Object = op, object
			return &named
		}
		return err
	case kafkaerr.IsTooLong(err):
		var long *kafkaerr.TooLongError
		errors.As(err, &long)
		named := *long
		named.Op, named.Object = op, object
		return &named
	case kafkaerr.IsUnreachable(err), kafkaerr.IsNotAdmitted(err):
		return err
	case ctx.Err() != nil:
		cause := context.Cause(ctx)
		if kafkaerr.IsUnreachable(cause) {
			return cause
		}
		if object != "" {
			op += " " + object
		}
		return fmt.Errorf("%s on Kafka cluster %s: %w", op, c.label, cause)
	}
	return &kafkaerr.UnreachableError{Cluster: c.label, Address: addressesOf(err), Err: err}
}

func addressesOf(err error) string {
	var addrs []string
	for _, e := range kafkaerr.All[*kafkaerr.NoAnswerError](err) {
		addrs = append(addrs, e.Addr)
	}
	slices.Sort(addrs)
	return strings.Join(slices.Compact(addrs), ", ")
}
