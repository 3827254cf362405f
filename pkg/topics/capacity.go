package topics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// loadAge is how long what a cluster was seen to hold is believed, while requests that add to it follow each other.
const loadAge = time.Minute

// Snapshots tells what a cluster holds. *broker.Cluster implements it; a snapshot shows all that this process has written before.
type Snapshots interface {
	Snapshot(ctx context.Context, maxAge time.Duration) (*broker.Snapshot, error)
}

// Capacity decides whether clusters take more partitions. It knows the requests of this process that are under way, which a snapshot does
// not show yet: else many that each fit would together be any number. What is not large is not counted.
type Capacity struct {
	replicasPerBroker int
	clock             clock.PassiveClock

	mu    sync.Mutex
	rooms map[string]*room
}

// NewCapacity lets clusters hold so many replicas of partitions for each of their brokers; 0 or less for any number.
func NewCapacity(replicasPerBroker int, clock clock.PassiveClock) *Capacity {
	return &Capacity{replicasPerBroker: replicasPerBroker, clock: clock, rooms: map[string]*room{}}
}

// room is what a cluster holds while somebody adds to it. counting is held by who reads or changes load, at and added; the others are
// the Capacity's lock's.
type room struct {
	counting chan struct{}
	load     Load
	at       time.Time
	// added counts the replicas that were let in since load was counted.
	added int64

	users int
	// underWay counts those of the requests that have not ended. ended is closed when the next of them ends.
	underWay int64
	ended    chan struct{}
}

// Reserve lets a request add some partitions of some replicas each to a cluster, and counts them until it is released. problem says why
// the cluster does not take them. Who only is too early, because others may be refused what they ask for, waits for them. A cluster whose
// brokers do not tell what it holds leaves it to the brokers; the error is that they are away, or that time is up.
func (c *Capacity) Reserve(ctx context.Context, brokers Snapshots, cluster string, partitions, replicas int32) (release func(), problem string, err error) {
	nothing := func() {}
	if c == nil || c.replicasPerBroker <= 0 || partitions <= 0 || !Large(partitions, replicas) {
		return nothing, "", nil
	}
	r := c.enter(cluster)
	for {
		admitted, wait, problem, err := c.try(ctx, brokers, r, partitions, replicas)
		if admitted {
			return sync.OnceFunc(func() { c.end(cluster, r, added(partitions, replicas)) }), "", nil
		}
		if wait != nil {
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				err = fmt.Errorf("wait for others who add partitions to Kafka %s: %w", cluster, context.Cause(ctx))
			}
		}
		c.leave(cluster, r)
		return nothing, problem, err
	}
}

// try counts once. Without any result there is something to wait for.
func (c *Capacity) try(ctx context.Context, brokers Snapshots, r *room, partitions, replicas int32) (admitted bool, wait <-chan struct{}, problem string, err error) {
	select {
	case r.counting <- struct{}{}:
		defer func() { <-r.counting }()
	case <-ctx.Done():
		return false, nil, "", context.Cause(ctx)
	}
	n := added(partitions, replicas)
	if c.clock.Since(r.at) > loadAge || !r.load.holds(r.added+n, c.replicasPerBroker) {
		// Who ends from now on may be counted twice, and is waited for.
		underWay, ended := c.underWay(r)
		snapshot, err := brokers.Snapshot(ctx, 0)
		switch {
		case err == nil:
			r.load, r.at, r.added = LoadOf(snapshot), c.clock.Now(), underWay
		case broker.IsUnreachable(err) || ctx.Err() != nil:
			return false, nil, "", err
		default:
			c.begin(r, n)
			return true, nil, "", nil
		}
		if problem := r.load.TooMany(partitions, replicas, c.replicasPerBroker); problem != "" {
			return false, nil, problem, nil
		}
		if !r.load.holds(r.added+n, c.replicasPerBroker) {
			return false, ended, "", nil
		}
	}
	r.added += n
	c.begin(r, n)
	return true, nil, "", nil
}

func (c *Capacity) enter(cluster string) *room {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rooms[cluster]
	if r == nil {
		r = &room{counting: make(chan struct{}, 1), ended: make(chan struct{})}
		c.rooms[cluster] = r
	}
	r.users++
	return r
}

func (c *Capacity) leave(cluster string, r *room) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.users--; r.users == 0 {
		delete(c.rooms, cluster)
	}
}

func (c *Capacity) underWay(r *room) (int64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.underWay, r.ended
}

func (c *Capacity) begin(r *room, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r.underWay += n
}

func (c *Capacity) end(cluster string, r *room, n int64) {
	c.mu.Lock()
	r.underWay -= n
	close(r.ended)
	r.ended = make(chan struct{})
	c.mu.Unlock()
	c.leave(cluster, r)
}
