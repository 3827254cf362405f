package transport

import (
	"context"
	"errors"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Exchange runs one request on a link under the caller's context. The request runs on a goroutine of its own, so that nothing
// inside sarama (a lock, a throttle timer) can hold the caller past its context: then the socket is closed and the goroutine ends
// by itself. A request that stays unanswered makes it knock at the broker's door anew: when that is not answered either, the
// broker is gone and the request fails long before its deadline.
//
// The link is taken by the call: it is given back to its pool when it can be used again, else closed.
func Exchange[T any](ctx context.Context, c *Cluster, l *wire.Link, key int16, request func(*wire.Link) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var zero T
	start := time.Now()
	before := l.Conn.Written.Load()
	l.Since.Store(start.UnixNano())
	l.Conn.Intake.Expect(key)
	done := make(chan answer, 1)
	var a answer
	crash.Go(func() (err error) {
		if a.value, err = request(l); err != nil {
			if refused := l.Conn.Intake.Refusal(); refused != nil {
				return refused
			}
		}
		return err
	}, func(err error) {
		a.err = err
		var throttle time.Duration
		if err == nil {
			throttle = wire.ThrottleOf(a.value)
		}
		healthy := (err == nil || wire.Answered(err)) && !l.Conn.Dead.Load()
		// What was decoded is the caller's, and soon less.
		l.Conn.Intake.Settle()
		c.Pool.release(l, healthy, throttle)
		done <- a
	})

	stall := time.NewTimer(c.Opts.StallAfter)
	defer stall.Stop()
	var knock chan error
	refused := false
	for {
		select {
		case a := <-done:
			if a.err == nil {
				c.Observe(key, "ok", start)
				return a.value, nil
			}
			if wire.Answered(a.err) {
				c.Observe(key, "refused", start)
				return zero, a.err
			}
			if ctx.Err() != nil {
				a.err = context.Cause(ctx)
			}
			c.Observe(key, "broken", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.Addr, Sent: l.Conn.Written.Load() > before, Err: a.err}
		case <-ctx.Done():
			l.Kill()
			c.Observe(key, "timeout", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.Addr, Sent: l.Conn.Written.Load() > before, Err: context.Cause(ctx)}
		case <-stall.C:
			knock = c.knock(l.Addr)
		case err := <-knock:
			knock = nil
			again := err == nil || errors.Is(err, errRefused) && !refused
			if refused = err != nil; again {
				stall.Reset(knockEvery)
				continue
			}
			l.Kill()
			c.Observe(key, "unreachable", start)
			return zero, &kafkaerr.NoAnswerError{Addr: l.Addr, Sent: l.Conn.Written.Load() > before, Gone: true, Err: err}
		}
	}
}

const (
	// StallAfter is how long an answer may take before the broker is asked whether it is there at all. With ConnectTimeout it
	// makes the verdict on a broker that hangs with its connections open.
	StallAfter = time.Second
	// knockEvery is the pause until the next such question during one request.
	knockEvery = 3 * time.Second
)
