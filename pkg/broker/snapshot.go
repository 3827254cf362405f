package broker

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"
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
		return nil, c.failed(ctx, "list topics", "", err)
	}
	return s, nil
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
	for pause := settlePause; ; pause = min(2*pause, maxSettlePause) {
		s := &Snapshot{At: c.opts.Clock.Now(), epoch: c.currentEpoch()}
		expected := c.expected.pending(s.At)
		answer, err := askAny(ctx, c, c.metadataOf(nil))
		if err != nil {
			return nil, err
		}
		resp, kraft := answer.resp, answer.kraft
		d := directoryOf(resp, kraft)
		c.learn(d)
		s.ClusterID, s.Brokers, s.ControllerID = d.clusterID, d.brokers, -1
		if !kraft {
			s.ControllerID = d.controller
		}
		s.Topics = make(map[string]Topic, len(resp.Topics))
		for _, t := range resp.Topics {
			if topic, err := topicOf(t); err == nil && t.Err == sarama.ErrNoError {
				s.Topics[t.Name] = topic
				continue
			}
			if s.unread == nil {
				s.unread = map[string]bool{}
			}
			s.unread[t.Name] = true
		}
		if !expected.met(s.Topics) {
			if err := c.pause(ctx, pause); err != nil {
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
