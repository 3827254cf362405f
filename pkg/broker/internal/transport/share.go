package transport

import (
	"context"
	"errors"
	"fmt"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

func NewBatcher[Q, A any](c *Cluster, rules BatchRules[Q], send func(context.Context, []*Call[Q, A]) error) *Batcher[Q, A] {
	return &Batcher[Q, A]{BatchRules: rules, life: c.Life, send: send}
}

// Share asks in a batch, and gives a failure the form that this caller sees.
func Share[Q, A any](ctx context.Context, c *Cluster, b *Batcher[Q, A], op, object string, query Q) (A, error) {
	value, err := b.submit(ctx, query).Wait(ctx)
	return value, c.OwnFailure(ctx, op, object, err)
}

// ShareWrite is share for a write. It leaves time to look at the brokers when the outcome is unknown, also when this caller gives up
// before the others: the error then satisfies errors.Is(err, ErrSent).
func ShareWrite[Q, A any](ctx context.Context, c *Cluster, b *Batcher[Q, A], op, object string, query Q) (A, error) {
	window, cancel, _ := WriteWindow(ctx)
	defer cancel()
	value, err := b.submit(window, query).Wait(window)
	var left *leftError
	if errors.As(err, &left) && left.taken {
		return value, fmt.Errorf("%w: %w", ErrSent, c.Failed(window, op, object, left.cause))
	}
	return value, c.OwnFailure(window, op, object, err)
}

// OwnFailure words the failure of a request that was shared for one of its callers.
func (c *Cluster) OwnFailure(ctx context.Context, op, object string, err error) error {
	var refusal *kafkaerr.Error
	switch {
	case err == nil, errors.Is(err, ErrSent):
		return err
	case errors.As(err, &refusal), kafkaerr.IsUnreachable(err), ctx.Err() != nil:
		return c.Failed(ctx, op, object, err)
	}
	return err
}

// Answer is what a write came to.
type Answer[A any] struct {
	Value A
	Err   error
}

// AtMost bounds the calls of one request.
func AtMost[Q any](rules BatchRules[Q], calls func() int) BatchRules[Q] {
	rules.MaxCalls = calls
	return rules
}

// ToController makes a batch's send function of one that sends a single request to the controller and has an answer for each query,
// in order. Those, and only those, that were refused with NOT_CONTROLLER are sent again, to the new one. A request that is refused
// as a whole because it is too large is sent in halves: only the controller knows how many partitions its defaults mean.
func ToController[Q, A any](c *Cluster, once func(context.Context, []Q) ([]Answer[A], error)) func(context.Context, []*Call[Q, A]) error {
	var send func(context.Context, []*Call[Q, A]) error
	send = func(ctx context.Context, calls []*Call[Q, A]) error {
		queries := make([]Q, len(calls))
		for i, k := range calls {
			queries[i] = k.Query
		}
		answers, err := once(ctx, queries)
		if err != nil {
			return err
		}
		tooLarge := len(calls) > 1
		for _, a := range answers {
			tooLarge = tooLarge && kafkaerr.MakesTooMuch(a.Err)
		}
		if tooLarge {
			for _, half := range [][]*Call[Q, A]{calls[:len(calls)/2], calls[len(calls)/2:]} {
				if err := send(ctx, half); err != nil {
					refuse(half, err)
				}
			}
			return nil
		}
		var again []*Call[Q, A]
		for i, a := range answers {
			if kafkaerr.CodeOf(a.Err) == kafkaerr.NotController && len(calls) > 1 {
				again = append(again, calls[i])
			} else {
				calls[i].Answer(a.Value, a.Err)
			}
		}
		if len(again) == 0 {
			return nil
		}
		if _, err := c.Directory(ctx, true); err != nil {
			return err
		}
		return send(ctx, again)
	}
	return send
}

func (c *Cluster) MaxWrites() int {
	if c.KnownMode().Zookeeper {
		return MaxZooKeeperWrites
	}
	return MaxWrites
}

const (
	// MaxRecords bounds the metadata records that one request makes: a KRaft controller refuses more than 10,000 at once.
	MaxRecords = 9000
	// MaxWrites bounds the topics that one request writes, so that those at its head do not wait long for those at its tail. In
	// ZooKeeper mode a controller takes tens of milliseconds for each.
	MaxWrites, MaxZooKeeperWrites = 250, 100
	// SideBySide is how many requests of a kind may be in flight when those before are late.
	SideBySide = 3
)
