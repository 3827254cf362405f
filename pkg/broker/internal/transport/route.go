package transport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Request is what to send, with what its failure is called.
type Request[T any] struct {
	Op, Object string
	Key        int16
	Lane       wire.Lane
	Send       func(*wire.Link) (T, error)
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

// AskAny sends a read to any broker. It is repeated elsewhere when a broker does not answer, and asked of a second one as well when
// the first takes long: the answer that comes first counts.
func AskAny[T any](ctx context.Context, c *Cluster, req Request[T]) (T, error) {
	return AskAnyBut(ctx, c, req)
}

// AskAnyBut is AskAny without the brokers at some addresses.
func AskAnyBut[T any](ctx context.Context, c *Cluster, req Request[T], but ...string) (T, error) {
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
			l, err := c.acquireAny(asking, req.Lane, start, known.excluded())
			if err != nil {
				return err
			}
			addr, reused := l.Addr, l.Reused
			known.begin(addr)
			o.value, err = Exchange(asking, c, l, req.Key, req.Send)
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
	late := time.NewTimer(c.Opts.StallAfter)
	defer late.Stop()
	var failures []error
	for running > 0 {
		select {
		case o := <-outcomes:
			running--
			switch {
			case o.err == nil:
				if len(but) == 0 {
					c.Prefer(o.addr)
				}
				return o.value, nil
			case wire.Conclusive(o.err), ctx.Err() != nil:
				return zero, c.Failed(ctx, req.Op, req.Object, o.err)
			}
			failures = append(failures, o.err)
			if o.addr != "" && launched < readAttempts {
				launch()
			}
		case <-late.C:
			if launched < readAttempts && known.waiting() {
				launch()
				// The third does not wait for the verdict on the first: all may hang.
				late.Reset(HedgeDelay)
			}
		}
	}
	return zero, c.Failed(ctx, req.Op, req.Object, errors.Join(failures...))
}

// Told is an answer, and the address of the broker that gave it.
type Told[T any] struct {
	Answer T
	By     string
}

func (t Told[T]) Throttle() time.Duration { return wire.ThrottleOf(t.Answer) }

// AskWho is AskAnyBut that tells whom it has asked: what a broker tells from an old picture has others asked before it.
func AskWho[T any](ctx context.Context, c *Cluster, req Request[T], but ...string) (answer T, by string, err error) {
	told, err := AskAnyBut(ctx, c, Request[Told[T]]{req.Op, req.Object, req.Key, req.Lane, func(l *wire.Link) (Told[T], error) {
		answer, err := req.Send(l)
		return Told[T]{answer, l.Addr}, err
	}}, but...)
	return told.Answer, told.By, err
}

// AskBroker sends a read to one broker, by what it advertises. It is repeated once when a connection used before broke, or when
// the broker turns out to have moved.
func AskBroker[T any](ctx context.Context, c *Cluster, id int32, req Request[T]) (T, error) {
	var zero T
	addr, err := c.Address(ctx, id, false)
	for attempt := 0; err == nil; attempt++ {
		var value T
		var l *wire.Link
		if l, err = c.Pool.Acquire(ctx, addr, req.Lane, c.Opts.ConnectTimeout); err == nil {
			reused := l.Reused
			if value, err = Exchange(ctx, c, l, req.Key, req.Send); err == nil {
				return value, nil
			}
			if reused && !kafkaerr.IsGone(err) && !wire.Conclusive(err) && ctx.Err() == nil && attempt == 0 {
				err = nil
				continue
			}
		}
		if wire.Conclusive(err) || ctx.Err() != nil || attempt > 0 {
			break
		}
		moved, lookup := c.Address(ctx, id, true)
		if lookup != nil || moved == addr {
			break
		}
		addr, err = moved, nil
	}
	return zero, c.Failed(ctx, req.Op, req.Object, OfBroker(id, err))
}

// OfBroker is the error of a request that only one broker could have answered.
func OfBroker(id int32, err error) error {
	silent, ok := err.(*kafkaerr.NoAnswerError)
	if !ok {
		return err
	}
	named := *silent
	named.Broker = IDObject("broker", id)
	return &named
}

// ErrSent marks a write that was sent and not answered.
var ErrSent = errors.New("no answer after the request was sent")

// AskController sends a request to the controller: a write, or a read that only the controller answers. codes are the error codes in an
// answer; when all are NOT_CONTROLLER the controller is looked up anew and asked. A write that may have reached a broker is
// not repeated: the error then satisfies errors.Is(err, ErrSent). Reads and validateOnly requests, being harmless, are.
func AskController[T any](ctx context.Context, c *Cluster, harmless bool, req Request[T], codes func(T) []int16) (T, error) {
	var zero T
	var last error
	start := time.Now()
	avoid := map[string]bool{}
	fresh := false
	for attempt := 0; attempt < 2 || time.Since(start) < c.Opts.VerdictTimeout; attempt++ {
		if attempt > 1 {
			if err := c.Pause(ctx, controllerPause); err != nil {
				return zero, c.Failed(ctx, req.Op, req.Object, err)
			}
		}
		l, err := c.AcquireController(ctx, req.Lane, start, avoid, fresh)
		if err != nil {
			if wire.Answered(err) || ctx.Err() != nil || kafkaerr.IsUnreachable(err) {
				return zero, c.Failed(ctx, req.Op, req.Object, err)
			}
			last, fresh = err, true
			continue
		}
		addr, sent := l.Addr, time.Now()
		value, err := Exchange(ctx, c, l, req.Key, req.Send)
		late := err != nil && !wire.Answered(err) && time.Since(sent) >= forwardTime
		if late || err == nil && codes != nil && all(codes(value), kafkaerr.RequestTimedOut) {
			c.doubtForwarder(addr)
		}
		switch {
		case err == nil && (codes == nil || !all(codes(value), kafkaerr.NotController)):
			return value, nil
		case err == nil:
			c.mu.Lock()
			c.noForwarding = c.Dir != nil && c.Dir.Kraft
			c.mu.Unlock()
			last, fresh = kafkaerr.New(req.Op, req.Object, kafkaerr.NotController, nil, 0), true
			continue
		case wire.Answered(err):
			return zero, c.Failed(ctx, req.Op, req.Object, err)
		case kafkaerr.WasSent(err) && !harmless:
			return zero, fmt.Errorf("%w: %w", ErrSent, c.Failed(ctx, req.Op, req.Object, err))
		case kafkaerr.IsTooLong(err), ctx.Err() != nil:
			return zero, c.Failed(ctx, req.Op, req.Object, err)
		}
		avoid[addr] = kafkaerr.IsGone(err)
		last, fresh = err, true
	}
	return zero, c.Failed(ctx, req.Op, req.Object, last)
}

// forwardTime is what a broker has at least had until something is made of its silence: who gives up sooner has learnt nothing of it.
const forwardTime = 500 * time.Millisecond

// doubtForwarder has others asked before a broker that has not brought a request to the controllers and back. One that does not reach them says
// so after a minute, whatever time the request gives it (retryTimeoutMs in BrokerServer), so that to us it is silent.
func (c *Cluster) doubtForwarder(addr string) {
	if c.KnownMode().Kraft && !c.keepsToItself() {
		c.Doubt(addr)
	}
}

// all tells whether there are codes, and all are this one.
func all(codes []int16, one int16) bool {
	return len(codes) > 0 && !slices.ContainsFunc(codes, func(code int16) bool { return code != one })
}

// CodesOf are the error codes in the parts of an answer.
func CodesOf[P any](parts []P, code func(P) int16) []int16 {
	codes := make([]int16, len(parts))
	for i, part := range parts {
		codes[i] = code(part)
	}
	return codes
}

// controllerPause is the time between two questions for who the controller is, while one is being elected.
const controllerPause = 200 * time.Millisecond

// Failed gives a failure the form that callers see.
func (c *Cluster) Failed(ctx context.Context, op, object string, err error) error {
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
		return fmt.Errorf("%s on Kafka cluster %s: %w", op, c.Label, cause)
	}
	return &kafkaerr.UnreachableError{Cluster: c.Label, Address: AddressesOf(err), Err: err}
}

func AddressesOf(err error) string {
	var addrs []string
	for _, e := range kafkaerr.All[*kafkaerr.NoAnswerError](err) {
		addrs = append(addrs, e.Addr)
	}
	slices.Sort(addrs)
	return strings.Join(slices.Compact(addrs), ", ")
}
