package broker

import (
	"context"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// newestMetadata asks for topics, all without names, until an answer is not older than what was heard before. What is older to the end is
// refused: whoever acts on it acts on a state that is no more.
func (c *Cluster) newestMetadata(ctx context.Context, names []string) (*metadataAnswer, error) {
	for attempt := 1; ; attempt++ {
		said, err := askAny(ctx, c, c.metadataOf(names))
		if err != nil {
			return nil, err
		}
		said.read()
		var older []string
		now := c.opts.Clock.Now()
		for name, t := range said.topics {
			if c.views.older(now, t) {
				older = append(older, name)
			}
		}
		if len(older) == 0 {
			return &said, nil
		}
		c.doubt(said.addr)
		if attempt < readAttempts && c.others(said.addr) {
			if err := c.pause(ctx, settlePause); err != nil {
				return nil, err
			}
			continue
		}
		text := "the brokers that answer tell of an older state than was seen before: they may have lost their controllers"
		for _, name := range older {
			delete(said.topics, name)
			said.refused[name] = kafkaerr.New(opDescribeTopic, name, kafkaerr.UnknownLeaderEpoch, &text, 0)
		}
		return &said, nil
	}
}

// secondMetadata asks another broker than the one that gave an answer. Without another there is nobody to ask.
func (c *Cluster) secondMetadata(ctx context.Context, first *metadataAnswer, names []string) (*metadataAnswer, error) {
	if !c.others(first.addr) {
		return &metadataAnswer{}, nil
	}
	said, err := askAnyBut(ctx, c, c.metadataOf(names), first.addr)
	if err != nil {
		return nil, err
	}
	said.read()
	return &said, nil
}

// others tells whether the cluster has brokers beside the one at an address, which may be one of the bootstrap list.
func (c *Cluster) others(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir == nil {
		return false
	}
	for _, b := range c.dir.brokers {
		if b.address() != addr {
			return true
		}
	}
	return false
}

// doubt has the other brokers asked before the one at an address, whose picture is old.
func (c *Cluster) doubt(addr string) {
	if addr == "" {
		return
	}
	c.views.doubt(c.opts.Clock.Now(), addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.preferred == addr {
		c.preferred = ""
	}
}

// contradicted takes note of what a broker answered to whoever believed what a topic's metadata says of who leads it.
func (c *Cluster) contradicted(t Topic, err error) {
	if kafkaerr.IsOutdated(err) {
		c.doubt(t.source)
	}
}
