package broker

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Snapshot returns all topics and brokers, not older than maxAge, from the cache or with one request that concurrent callers
// share. With maxAge 0 the answer is at least as new as the request in flight that it joins, and newer than any Invalidate. There is
// never more than one request in flight: those who want a newer one share the next.
func (c *Cluster) Snapshot(ctx context.Context, maxAge time.Duration) (*Snapshot, error) {
	ctx, done := c.begin(ctx)
	defer done()
	c.mu.Lock()
	s, epoch := c.snapshot, c.epoch
	fresh := s != nil && s.epoch == epoch && s.Age(c.opts.Clock.Now()) <= maxAge && maxAge > 0
	c.mu.Unlock()
	if fresh {
		return s, nil
	}
	s, err := c.snapshotFlight.doSince(ctx, c.life, c.opts.RequestTimeout, epoch, c.currentEpoch, c.takeSnapshot)
	if err != nil {
		return nil, c.failed(ctx, kafkaerr.OpListTopics, "", err)
	}
	return s, nil
}

// Opinions are snapshots of now, as two brokers see the cluster where it has two. They are for who is about to do what cannot be undone: one
// broker alone may have lost its controllers. That the second does not answer is an error.
func (c *Cluster) Opinions(ctx context.Context) ([]*Snapshot, error) {
	first, err := c.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	ctx, done := c.begin(ctx)
	defer done()
	if !c.others(first.source) {
		return []*Snapshot{first}, nil
	}
	at := c.opts.Clock.Now()
	said, err := askAnyBut(ctx, c, overviewOf(heedless), first.source)
	if err != nil {
		return nil, c.failed(ctx, kafkaerr.OpListTopics, "", err)
	}
	return []*Snapshot{first, newSnapshot(said, at)}, nil
}

// newSnapshot is what a broker says of all topics. at is when it was asked.
func newSnapshot(said overview, at time.Time) *Snapshot {
	d := said.directory
	s := &Snapshot{At: at, ClusterID: d.clusterID, Brokers: d.brokers, ControllerID: -1, Topics: said.topics, Hosts: said.hosts, source: said.addr}
	if !d.kraft {
		s.ControllerID = d.controller
	}
	if len(said.refused) > 0 {
		s.unread = make(map[string]bool, len(said.refused))
		for name := range said.refused {
			s.unread[name] = true
		}
	}
	return s
}

// LastSnapshot is the newest snapshot known, however old, or nil. It asks nobody.
func (c *Cluster) LastSnapshot() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// has tells whether a topic was there, which only an id can tell.
func (s *Snapshot) has(name string, id TopicID) bool {
	return s != nil && !id.IsZero() && s.Topics[name].ID == id
}

// lately is how old a snapshot may be when a create is sent to tell what was not there before: what others made in between does not show.
const lately = time.Minute

// lacks tells whether no topic of a name was there, as of a moment before now.
func (s *Snapshot) lacks(name string, now time.Time) bool {
	if s == nil || s.unread[name] || now.Sub(s.At) > lately {
		return false
	}
	_, found := s.Topics[name]
	return !found
}

// hadAnother tells whether a name was another topic's, as of a moment before now: one that has it later came after that.
func (s *Snapshot) hadAnother(name string, id TopicID, now time.Time) bool {
	if s == nil || id.IsZero() || now.Sub(s.At) > lately {
		return false
	}
	had := s.Topics[name].ID
	return !had.IsZero() && had != id
}

// Unread are the names of topics that are there and that the broker does not describe, or not so that it could be. What they have, and
// which brokers host it, is not known.
func (s *Snapshot) Unread() []string { return slices.Sorted(maps.Keys(s.unread)) }

// Invalidate makes the next Snapshot ask the brokers. The write methods do it themselves.
func (c *Cluster) Invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
}

func (c *Cluster) currentEpoch() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

func (c *Cluster) takeSnapshot(ctx context.Context) (*Snapshot, error) {
	for patience := c.patience(); ; {
		at, epoch := c.opts.Clock.Now(), c.currentEpoch()
		expected := c.expected.pending(at)
		said, err := c.newestOverview(ctx)
		if err != nil {
			return nil, err
		}
		s := newSnapshot(said, at)
		s.epoch = epoch
		if !expected.met(s.Topics) && !patience.ended() {
			if err := patience.pause(ctx, s.source); err != nil {
				return nil, err
			}
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.snapshot == nil || !s.At.Before(c.snapshot.At) {
			c.snapshot = s
			observeSnapshot(c.label, s.At)
		}
		return s, nil
	}
}

func brokersOf(resp *sarama.MetadataResponse) []BrokerInfo {
	brokers := make([]BrokerInfo, 0, len(resp.Brokers))
	for _, b := range resp.Brokers {
		host, portText, err := net.SplitHostPort(b.Addr())
		if err != nil {
			continue
		}
		port, err := strconv.ParseInt(portText, 10, 32)
		if err != nil {
			continue
		}
		brokers = append(brokers, BrokerInfo{ID: b.ID(), Host: host, Port: int32(port), Rack: b.Rack()})
	}
	return brokers
}
