package metadata

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
)

// Metadata is what the brokers of a cluster tell of its topics, and what was written to them a moment ago.
type Metadata struct {
	*transport.Cluster
	// ControllerHas asks the controller whether a topic exists.
	ControllerHas func(ctx context.Context, name string) (bool, error)

	SnapshotFlight transport.Flight[*Snapshot]
	glances        transport.Pending[int, *Snapshot]
	Expected       Expectations
	views          views

	TopicsByName, ControllerTopics *transport.Batcher[[]string, *metadataAnswer]
	TopicsByID                     *transport.Batcher[TopicID, topicByID]
	Configs                        *transport.Batcher[[]string, *configsAnswer]
	// otherConfigs ask any broker but one.
	otherConfigs transport.Batchers[string, []string, *configsAnswer]

	// This lock is taken under the one of the core, and never the other way round.
	mu        sync.Mutex
	unmanaged []string // the target's UnmanagedTopicConfigs
	snapshot  *Snapshot
	// epoch grows with each Invalidate: a snapshot asked for before it is not kept.
	epoch int
}

// New is the metadata of a cluster of which nothing is known.
func New(c *transport.Cluster, unmanaged []string) *Metadata {
	m := &Metadata{Cluster: c, unmanaged: unmanaged}
	byName := func(k kmsg.Key, width int) transport.BatchRules[[]string] {
		return transport.BatchRules[[]string]{API: k.Name(), Width: width, MaxWeight: maxNames, Weigh: func(names []string) int { return len(names) }}
	}
	m.TopicsByName = transport.NewBatcher(c, byName(kmsg.Metadata, transport.SideBySide), m.askTopics)
	m.ControllerTopics = transport.NewBatcher(c, byName(kmsg.Metadata, 1), m.askControllerForTopics)
	m.TopicsByID = transport.NewBatcher(c, transport.BatchRules[TopicID]{API: kmsg.Metadata.Name(), Width: transport.SideBySide, MaxCalls: func() int { return maxNames }}, m.askTopicsByID)
	configs := byName(kmsg.DescribeConfigs, transport.SideBySide)
	configs.MaxWeight = maxConfigTopics
	askingConfigs := func(but ...string) *transport.Batcher[[]string, *configsAnswer] {
		return transport.NewBatcher(c, configs, func(ctx context.Context, calls []*transport.Call[[]string, *configsAnswer]) error {
			return m.askConfigs(ctx, calls, but...)
		})
	}
	m.Configs = askingConfigs()
	m.otherConfigs.Build = func(but string) *transport.Batcher[[]string, *configsAnswer] { return askingConfigs(but) }
	c.OnForget(m.forgetAll)
	return m
}

// forgetAll forgets what is known of topics: it may be another cluster's, or is when that is sure.
func (c *Metadata) forgetAll(sure bool) {
	c.mu.Lock()
	c.snapshot = nil
	c.epoch++
	c.mu.Unlock()
	c.views.clear()
	if sure {
		c.Expected.Clear()
	}
}

// snapshotLife is when a snapshot that nobody renewed is let go of; lists of a dead cluster have it until then.
const snapshotLife = time.Hour

// Sweep lets go of what nobody has asked for in a long time.
func (c *Metadata) Sweep() {
	c.Expected.sweep(c.Opts.Clock.Now())
	c.views.sweep(c.Opts.Clock.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshot != nil && c.snapshot.Age(c.Opts.Clock.Now()) > snapshotLife {
		c.snapshot = nil
		ForgetSnapshotTime(c.Label)
	}
}

func (c *Metadata) SetUnmanaged(configs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unmanaged = configs
}
