package topics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

const (
	// loadAge is how long what a cluster was seen to hold is believed, together with what was let in since.
	loadAge = time.Minute
	// refusalAge is how long it is believed that a cluster is full: who keeps asking costs a look at the cluster now and then.
	refusalAge = 5 * time.Second
	// idleAge is how long it is remembered how full a cluster was.
	idleAge = time.Hour
	// lookTimeout bounds one look at a cluster, which may be for requests that have ended.
	lookTimeout = 15 * time.Second
)

// Snapshots tells what a cluster holds. *broker.Cluster implements it; a snapshot shows all that this process has written before.
type Snapshots interface {
	Snapshot(ctx context.Context, maxAge time.Duration) (*broker.Snapshot, error)
}

// Capacity decides whether clusters take more partitions. It counts what this process lets in, which what was seen of a cluster does not
// show: else many requests that each fit would together be any number. One look at a cluster is for all who wait for one.
type Capacity struct {
	replicasPerBroker int
	clock             clock.PassiveClock
	aside             func(context.Context, func())

	mu    sync.Mutex
	rooms map[string]*room
	// tidiedAt is when rooms were last looked through for those of which nothing is known any more.
	tidiedAt time.Time
}

// NewCapacity lets clusters hold so many replicas of partitions for each of their brokers; 0 or less for any number. aside runs what does
// nothing but wait, for callers whose place others can have meanwhile; nil to just wait.
func NewCapacity(replicasPerBroker int, clock clock.PassiveClock, aside func(context.Context, func())) *Capacity {
	if aside == nil {
		aside = func(_ context.Context, wait func()) { wait() }
	}
	return &Capacity{replicasPerBroker: replicasPerBroker, clock: clock, aside: aside, rooms: map[string]*room{}}
}

// Reserve lets a request add some partitions of some replicas each to a cluster, and counts them until it is released, and then as what may
// be there until the brokers are seen. 0 is a number that is left to the brokers. problem says why the cluster does not take them. Who only
// is too early, because others may be refused what they ask for, waits for them. A cluster whose brokers do not tell what it holds, or more
// than can be read, leaves it to the brokers; the error is that they are away, or that time is up. While nobody can look at a cluster, few
// small requests are let in.
func (c *Capacity) Reserve(ctx context.Context, brokers Snapshots, cluster string, partitions, replicas int32) (release func(), problem string, err error) {
	return c.admit(ctx, brokers, cluster, partitions, replicas, true)
}

// Takes is Reserve for who only wants to know.
func (c *Capacity) Takes(ctx context.Context, brokers Snapshots, cluster string, partitions, replicas int32) (problem string, err error) {
	_, problem, err = c.admit(ctx, brokers, cluster, partitions, replicas, false)
	return problem, err
}

// Freed says that a cluster was made to hold less.
func (c *Capacity) Freed(cluster string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[cluster]; r != nil {
		r.freed = true
	}
}

func (c *Capacity) admit(ctx context.Context, brokers Snapshots, cluster string, partitions, replicas int32, count bool) (release func(), problem string, err error) {
	nothing := func() {}
	if c == nil || c.replicasPerBroker <= 0 || partitions < 0 {
		return nothing, "", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.enter(cluster, brokers)
	defer func() { r.users-- }()
	letIn := func(n int64) func() {
		if !count {
			return nothing
		}
		return c.letIn(r, n)
	}
	for came := r.begun; ; {
		verdict, n := r.judge(c.clock.Now(), partitions, replicas, c.replicasPerBroker, r.seen > came)
		switch verdict {
		case fits:
			return letIn(n), "", nil
		case fitsUnseen:
			if c.clock.Since(r.triedAt) > refusalAge {
				c.look(ctx, brokers, r)
			}
			return letIn(n), "", nil
		case full:
			return nothing, r.load.TooMany(partitions, replicas, c.replicasPerBroker), nil
		case early:
			if !c.await(ctx, r.ended) {
				return nothing, "", fmt.Errorf("wait for others who add partitions to Kafka %s: %w", cluster, context.Cause(ctx))
			}
		case unseen:
			look := c.look(ctx, brokers, r)
			if !c.await(ctx, look.done) {
				return nothing, "", fmt.Errorf("look what Kafka %s holds: %w", cluster, context.Cause(ctx))
			}
			switch {
			case look.err == nil:
			case r.small(partitions, replicas, n):
				// The brokers are asked for it next, and tell themselves how they are.
				return letIn(n), "", nil
			default:
				return nothing, "", look.err
			}
		}
	}
}

// await waits without the lock, which is held before and after, until something has happened; false when ctx has ended first.
func (c *Capacity) await(ctx context.Context, happened <-chan struct{}) (did bool) {
	c.mu.Unlock()
	defer c.mu.Lock()
	c.aside(ctx, func() {
		select {
		case <-happened:
			did = true
		case <-ctx.Done():
		}
	})
	return did
}

// enter finds what is known of a cluster. What was seen of another one, which the Kafka was before, is nothing that is known of it, and whoever asks its
// brokers needs a look of their own. The lock is held.
func (c *Capacity) enter(cluster string, brokers Snapshots) *room {
	now := c.clock.Now()
	r := c.rooms[cluster]
	if r == nil || r.brokers != brokers {
		r = &room{brokers: brokers, ended: make(chan struct{})}
		c.rooms[cluster] = r
	}
	r.users++
	r.usedAt = now
	if now.Sub(c.tidiedAt) > loadAge {
		c.tidiedAt = now
		for name, other := range c.rooms {
			if other.idle(now) {
				delete(c.rooms, name)
			}
		}
	}
	return r
}

// letIn counts what a request may add, until it has ended. The lock is held.
func (c *Capacity) letIn(r *room, n int64) (release func()) {
	r.letIn(n, c.clock.Now())
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		r.end(n)
	})
}

// look is the look at a cluster that is under way, or another. It lasts longer than the request that it begins with. The lock is held.
func (c *Capacity) look(ctx context.Context, brokers Snapshots, r *room) *look {
	if r.looking != nil {
		return r.looking
	}
	l := r.begin(c.clock.Now())
	crash.Go(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
		defer cancel()
		snapshot, err := brokers.Snapshot(ctx, 0)
		var refusal *kafkaerr.Error
		switch {
		case err == nil:
			l.load = LoadOf(snapshot)
		case errors.As(err, &refusal), kafkaerr.IsTooLong(err):
			l.untold = true
		default:
			return err
		}
		return nil
	}, func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		r.see(l, err, c.clock.Now())
	})
	return l
}
