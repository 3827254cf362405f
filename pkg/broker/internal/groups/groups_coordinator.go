package groups

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// coordinatorPatience is how long a group is followed while it has no coordinator, or one that does not answer: a broker that
	// died is found out after nine seconds (broker.session.timeout.ms), and another has to load the group (twelve in all, on a busy
	// machine).
	coordinatorPatience = 15 * time.Second
	// coordinatorPause is the time between two looks.
	coordinatorPause = 200 * time.Millisecond
)

const (
	// CoordinatorLife is how long a coordinator is taken for the one it was: a request about one group is followed by others.
	CoordinatorLife = 10 * time.Second
	// maxCoordinators bounds those remembered.
	maxCoordinators = 1000
)

// coordinators are those found a moment ago.
type coordinators struct {
	mu    sync.Mutex
	found map[string]foundCoordinator
}

type foundCoordinator struct {
	id int32
	at time.Time
}

func (k *coordinators) get(group string, now time.Time) (int32, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.found[group]
	return f.id, ok && now.Sub(f.at) < CoordinatorLife
}

func (k *coordinators) put(group string, id int32, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.found == nil || len(k.found) >= maxCoordinators {
		k.found = map[string]foundCoordinator{}
	}
	k.found[group] = foundCoordinator{id, now}
}

// clear forgets all: another cluster may answer.
func (k *coordinators) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.found)
}

// coordinatorOf asks which broker keeps a group, unless that was found a moment ago and no fresh answer is wanted. The group need
// not exist. source is the broker that was asked.
func (c *Groups) coordinatorOf(ctx context.Context, group string, fresh bool) (id int32, source string, err error) {
	const op = kafkaerr.OpFindCoordinator
	if id, known := c.coordinators.get(group, c.Opts.Clock.Now()); known && !fresh {
		return id, "", nil
	}
	resp, source, err := transport.AskWho(ctx, c.Cluster, transport.Request[*kmsg.FindCoordinatorResponse]{Op: op, Object: group, Key: int16(kmsg.FindCoordinator), Lane: wire.LaneMetadata,
		Send: wire.ByKmsg[*kmsg.FindCoordinatorResponse](func() kmsg.Request {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
			return req
		}, 0)})
	if err != nil {
		return -1, "", err
	}
	node, code, message := resp.NodeID, resp.ErrorCode, resp.ErrorMessage
	if resp.Version >= 4 {
		if len(resp.Coordinators) != 1 {
			return -1, source, fmt.Errorf("%s %s: the answer names %d coordinators", op, group, len(resp.Coordinators))
		}
		one := resp.Coordinators[0]
		node, code, message = one.NodeID, one.ErrorCode, one.ErrorMessage
	}
	if code != 0 {
		return -1, source, kafkaerr.New(op, group, code, message, wire.Millis(resp.ThrottleMillis))
	}
	c.coordinators.put(group, node, c.Opts.Clock.Now())
	return node, source, nil
}

// seat is the broker that answered for a group, and whether the group was followed there.
type seat struct {
	id       int32
	followed bool
}

// askCoordinator sends a request to the broker that keeps a group, and follows the group when it moves. codeIn is the answer's
// error code as far as it is about the coordinator. A write that may have reached a broker is not repeated: the error then
// satisfies errors.Is(err, ErrSent). Reads, being harmless, are. A write that a broker has refused without saying that it is not carried out is
// repeated as well, being the same whichever comes last; when that fails the error satisfies errors.Is(err, ErrStillOpen). When time is up, what
// the brokers said last is the error, if they said anything: it tells the caller more.
func askCoordinator[T any](ctx context.Context, c *Groups, group string, harmless bool, req transport.Request[T], codeIn func(T) int16) (T, seat, error) {
	var zero T
	var said error
	open := false
	start := time.Now()
	for fresh := false; ; fresh = true {
		id, source, err := c.coordinatorOf(ctx, group, fresh)
		again := kafkaerr.OfCoordinator(kafkaerr.CodeOf(err))
		// A broker that is cut off from the controllers goes on naming the coordinator that was, or none.
		astray := again
		if err == nil {
			var value T
			if value, err = sendOnce(ctx, c, id, req); err == nil {
				code := codeIn(value)
				if !kafkaerr.OfCoordinator(code) {
					return value, seat{id: id, followed: fresh}, nil
				}
				err = kafkaerr.New(req.Op, req.Object, code, nil, 0)
				open = open || !harmless && kafkaerr.StillOpen(code)
			} else if kafkaerr.WasSent(err) && !harmless {
				return zero, seat{}, fmt.Errorf("%w: %w", transport.ErrSent, c.Failed(ctx, req.Op, req.Object, err))
			}
			again = kafkaerr.OfCoordinator(kafkaerr.CodeOf(err)) || !wire.Conclusive(err)
			astray = again && (kafkaerr.CodeOf(err) == kafkaerr.NotCoordinator || !wire.Answered(err))
		}
		if astray && ctx.Err() == nil {
			c.Doubt(source)
		}
		if wire.Answered(err) {
			said = err
		}
		if !again || ctx.Err() != nil || time.Since(start) > coordinatorPatience || c.Pause(ctx, coordinatorPause) != nil {
			if said != nil && ctx.Err() != nil && !kafkaerr.IsUnreachable(err) {
				err = said
			}
			err = c.Failed(ctx, req.Op, req.Object, err)
			if open {
				err = fmt.Errorf("%w: %w", transport.ErrStillOpen, err)
			}
			return zero, seat{}, err
		}
	}
}

// sendOnce sends a request to one broker without ever repeating it.
func sendOnce[T any](ctx context.Context, c *Groups, id int32, req transport.Request[T]) (T, error) {
	var zero T
	addr, err := c.Address(ctx, id, false)
	if err != nil {
		return zero, err
	}
	l, err := c.Pool.Acquire(ctx, addr, req.Lane, c.Opts.ConnectTimeout)
	if err != nil {
		if kafkaerr.IsGone(err) {
			// It may have moved; the next look has the new address.
			_, _ = c.Address(ctx, id, true)
		}
		return zero, transport.OfBroker(id, err)
	}
	value, err := transport.Exchange(ctx, c.Cluster, l, req.Key, req.Send)
	return value, transport.OfBroker(id, err)
}

// upTo keeps a request to versions that this package speaks.
type upTo struct {
	kmsg.Request
	max int16
}

// MaxVersion implements kmsg.Request.
func (r upTo) MaxVersion() int16 { return r.max }

// OffsetsTopic is where brokers keep groups and their offsets.
const OffsetsTopic = "__consumer_offsets"

// MayHaveGroups tells whether the cluster has ever had a group. Without one, looking for a coordinator would create the topic that
// groups are kept in, and a read must not. Not every server that speaks Kafka's protocol shows such a topic, hence the second look. Of an account that
// may not see the topic it is not known: lists leave out without a word what an account may not see, and only the coordinator refuses it.
func (c *Groups) MayHaveGroups(ctx context.Context) (bool, error) {
	if c.exist.Load() {
		return true, nil
	}
	topics, err := c.metadata.Topics(ctx, OffsetsTopic)
	if kafkaerr.OfAccount(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	_, may := topics[OffsetsTopic]
	if !may {
		list, err := c.Groups(ctx)
		if err != nil {
			return false, err
		}
		if may = len(list.Groups) > 0; !may {
			return false, errors.Join(slices.Collect(maps.Values(list.Missing))...)
		}
	}
	c.exist.Store(true)
	return true, nil
}

// errNoSuchGroup is how an answer about one group says that it does not exist; it stays inside the package.
var errNoSuchGroup = errors.New("no such group")
