package transport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// WriteWindow splits the time left: the write gets most of it, and enough remains to look at the brokers when the write's outcome
// is unknown. timeout is what the brokers are told; they give up before the connection is.
func WriteWindow(ctx context.Context) (window context.Context, cancel context.CancelFunc, timeout time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}, maxBrokerTimeout
	}
	reserve := min(time.Until(deadline)/4, 4*time.Second)
	window, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
	return window, cancel, BrokerTimeout(window)
}

// BrokerTimeout is what the brokers are told to spend on a request under this context.
func BrokerTimeout(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return maxBrokerTimeout
	}
	left := time.Until(deadline)
	return max(min(left-min(left/6, time.Second), maxBrokerTimeout), time.Millisecond)
}

const (
	// maxBrokerTimeout bounds what a broker is told to spend on one write.
	maxBrokerTimeout = 30 * time.Second
	// confirmTime bounds how long the brokers are watched for a write whose answer was lost: it may still be in the controller's
	// queue.
	confirmTime = 3 * time.Second
	// confirmPause is the time between two looks.
	confirmPause = 150 * time.Millisecond
)

// open tells errors after which brokers may carry out a write, or have: no answer, or one that does not say so of some part of it. What refused
// another request on the way to it, such as that for a group's coordinator, is no answer to it.
func open(op string, err error) bool {
	return errors.Is(err, ErrSent) || errors.Is(err, ErrStillOpen) ||
		slices.ContainsFunc(kafkaerr.Refusals(err), func(e *kafkaerr.Error) bool { return e.Op == op && kafkaerr.StillOpen(e.Code) })
}

// Uncertain tells errors after which a write may have happened, also if only a part of it may.
func Uncertain(op string, err error) bool { return open(op, err) || kafkaerr.Unexplained(err) }

// Confirm decides on a write that failed with err. When the outcome is unknown it asks happened until that is so, or time is up. A broker that
// is done with the write, and did not say what it did, did nothing when there is nothing to be seen of it until then.
func (c *Cluster) Confirm(ctx context.Context, op, object string, err error, happened func(context.Context) (bool, error)) error {
	if err == nil || !Uncertain(op, err) {
		return err
	}
	seen := false
	decided := c.LookWhether(ctx, op, object, err, func(ctx context.Context) (bool, error) {
		ok, err := happened(ctx)
		seen = err == nil || seen && errors.Is(err, context.DeadlineExceeded)
		return ok, err
	})
	if seen && kafkaerr.IsUnknownOutcome(decided) && !open(op, err) {
		return err
	}
	return decided
}

// LookWhether is confirm for a failure after which the outcome is unknown.
func (c *Cluster) LookWhether(ctx context.Context, op, object string, err error, happened func(context.Context) (bool, error)) error {
	unknown := &kafkaerr.UnknownOutcomeError{Op: op, Object: object, Err: err}
	ctx, cancel := context.WithTimeout(ctx, confirmTime)
	defer cancel()
	for {
		ok, lookErr := happened(ctx)
		switch {
		case ok:
			return nil
		case kafkaerr.CodeOf(lookErr) == kafkaerr.TopicAlreadyExists:
			// Names are unique: what is there is somebody else's, so ours did not happen.
			return lookErr
		case lookErr != nil && wire.Answered(lookErr):
			// The brokers were asked and say that it is not as wanted, and why.
			unknown.Err = fmt.Errorf("%w; afterwards: %w", err, lookErr)
			return unknown
		case lookErr != nil && ctx.Err() == nil:
			unknown.Err = fmt.Errorf("%w; looking again: %w", err, lookErr)
		}
		if c.Pause(ctx, confirmPause) != nil {
			return unknown
		}
	}
}

// ErrStillOpen marks a write of which a broker did not say whether it is carried out.
var ErrStillOpen = errors.New("a broker may have carried it out before it refused it")
