package metadata

import (
	"context"
	"maps"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Snapshot is that of broker.Cluster.
func (c *Metadata) Snapshot(ctx context.Context, maxAge time.Duration) (*Snapshot, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	c.mu.Lock()
	s, epoch := c.snapshot, c.epoch
	fresh := s != nil && s.epoch == epoch && s.Age(c.Opts.Clock.Now()) <= maxAge && maxAge > 0
	c.mu.Unlock()
	if fresh {
		return s, nil
	}
	s, err := c.SnapshotFlight.DoSince(ctx, c.Life, c.Opts.RequestTimeout, epoch, c.currentEpoch, c.takeSnapshot)
	if err != nil {
		return nil, c.Failed(ctx, kafkaerr.OpListTopics, "", err)
	}
	return s, nil
}

// Opinions is that of broker.Cluster.
func (c *Metadata) Opinions(ctx context.Context) ([]*Snapshot, error) {
	first, err := c.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	ctx, done := c.Begin(ctx)
	defer done()
	if !c.Others(first.Source) {
		return []*Snapshot{first}, nil
	}
	at := c.Opts.Clock.Now()
	said, err := transport.AskAnyBut(ctx, c.Cluster, overviewOf(heedless), first.Source)
	if err != nil {
		return nil, c.Failed(ctx, kafkaerr.OpListTopics, "", err)
	}
	return []*Snapshot{first, newSnapshot(said, at)}, nil
}

// newSnapshot is what a broker says of all topics. at is when it was asked.
func newSnapshot(said overview, at time.Time) *Snapshot {
	d := said.directory
	s := &Snapshot{At: at, ClusterID: d.ClusterID, Brokers: d.Brokers, ControllerID: -1, Topics: said.topics, Hosts: said.hosts, Source: said.addr}
	if !d.Kraft {
		s.ControllerID = d.Controller
	}
	if len(said.refused) > 0 {
		s.unread = make(map[string]bool, len(said.refused))
		for name := range said.refused {
			s.unread[name] = true
		}
	}
	return s
}

// LastSnapshot is that of broker.Cluster.
func (c *Metadata) LastSnapshot() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// Has tells whether a topic was there, which only an id can tell.
func (s *Snapshot) Has(name string, id TopicID) bool {
	return s != nil && !id.IsZero() && s.Topics[name].ID == id
}

// Lately is how old a snapshot may be when a create is sent to tell what was not there before: what others made in between does not show.
const Lately = time.Minute

// Lacks tells whether no topic of a name was there, as of a moment before now.
func (s *Snapshot) Lacks(name string, now time.Time) bool {
	if s == nil || s.unread[name] || now.Sub(s.At) > Lately {
		return false
	}
	_, found := s.Topics[name]
	return !found
}

// HadAnother tells whether a name was another topic's, as of a moment before now: one that has it later came after that.
func (s *Snapshot) HadAnother(name string, id TopicID, now time.Time) bool {
	if s == nil || id.IsZero() || now.Sub(s.At) > Lately {
		return false
	}
	had := s.Topics[name].ID
	return !had.IsZero() && had != id
}

// Unread are the names of topics that are there and that the broker does not describe, or not so that it could be. What they have, and
// which brokers host it, is not known.
func (s *Snapshot) Unread() []string { return slices.Sorted(maps.Keys(s.unread)) }

// Invalidate is that of broker.Cluster.
func (c *Metadata) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
}

func (c *Metadata) currentEpoch() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

func (c *Metadata) takeSnapshot(ctx context.Context) (*Snapshot, error) {
	for patience := c.patience(); ; {
		at, epoch := c.Opts.Clock.Now(), c.currentEpoch()
		expected := c.Expected.pending(at)
		said, err := c.newestOverview(ctx)
		if err != nil {
			return nil, err
		}
		s := newSnapshot(said, at)
		s.epoch = epoch
		if !expected.met(s.Topics) && !patience.ended() {
			if err := patience.pause(ctx, s.Source); err != nil {
				return nil, err
			}
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.snapshot == nil || !s.At.Before(c.snapshot.At) {
			c.snapshot = s
			observeSnapshot(c.Label, s.At)
		}
		return s, nil
	}
}

// Outdated has the next list ask the brokers after a write that happened, or may have.
func (c *Metadata) Outdated(err error) {
	if err == nil || kafkaerr.IsUnknownOutcome(err) {
		c.Invalidate()
	}
}

// Glance is that of broker.Cluster.
func (c *Metadata) Glance(ctx context.Context, maxAge, wait time.Duration) (*Snapshot, error) {
	c.mu.Lock()
	s, epoch := c.snapshot, c.epoch
	c.mu.Unlock()
	if s != nil && s.epoch == epoch && s.Age(c.Opts.Clock.Now()) <= maxAge {
		return s, nil
	}
	if wait <= 0 {
		return s, transport.ErrNotYet
	}
	// A question from before a write does not know of it.
	got, err := c.glances.Within(ctx, c.Life, c.Opts.Clock, wait, c.Opts.RequestTimeout, epoch, func(ctx context.Context) (*Snapshot, error) {
		return c.Snapshot(ctx, maxAge)
	})
	if err != nil {
		return c.LastSnapshot(), err
	}
	return got, nil
}
