package topic

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

const (
	// probeEvery is how often a cluster that topics wait for is asked whether it is back. The gateway dials an address that failed again
	// after 1.5 seconds.
	probeEvery = 500 * time.Millisecond
	// probeTimeout bounds one such question.
	probeTimeout = 5 * time.Second
)

// parking holds the topics of clusters that are away. One question per cluster finds out when it is back: were each topic to try
// on its own, the workers would all wait for the same dead brokers.
type parking struct {
	mu    sync.Mutex
	waits map[string]*lot
}

// lot are the topics that wait for one cluster.
type lot struct {
	target  broker.Target
	topics  map[types.NamespacedName]struct{}
	probing bool
}

// park makes a topic wait for a cluster.
func (p *parking) park(t broker.Target, topic types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits == nil {
		p.waits = map[string]*lot{}
	}
	l := p.waits[t.Key]
	if l == nil {
		l = &lot{topics: map[types.NamespacedName]struct{}{}}
		p.waits[t.Key] = l
	}
	l.target = t
	l.topics[topic] = struct{}{}
}

// away tells whether a cluster is being waited for, so that asking it is a waste.
func (p *parking) away(t broker.Target) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits[t.Key] != nil
}

// release returns the topics that waited for a cluster.
func (p *parking) release(key string) []types.NamespacedName {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.waits[key]
	if l == nil {
		return nil
	}
	delete(p.waits, key)
	topics := make([]types.NamespacedName, 0, len(l.topics))
	for topic := range l.topics {
		topics = append(topics, topic)
	}
	return topics
}

// due are the clusters to ask now; the caller answers each with asked.
func (p *parking) due() []broker.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	var targets []broker.Target
	for _, l := range p.waits {
		if !l.probing {
			l.probing = true
			targets = append(targets, l.target)
		}
	}
	return targets
}

func (p *parking) asked(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.waits[key]; l != nil {
		l.probing = false
	}
}

// probe asks all clusters that topics wait for, and wakes the topics of those that answer. It does not wait for the answers, so
// that one slow cluster does not delay the others.
func (c *Controller) probe(ctx context.Context, running *sync.WaitGroup) {
	for _, t := range c.parking.due() {
		running.Go(func() {
			defer c.parking.asked(t.Key)
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			if _, err := c.connect(t).Describe(ctx); err != nil {
				return
			}
			for _, topic := range c.parking.release(t.Key) {
				c.loop.Add(topic)
			}
		})
	}
}
