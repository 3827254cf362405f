package broker

import (
	"slices"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/brokers"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/groups"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/topics"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
)

// Cluster is a handle on one Kafka cluster. All methods are safe for concurrent use.
type Cluster struct {
	key string
	// wanted is when the gateway was last asked for the cluster; the gateway's lock is held for it.
	wanted time.Time

	core     *transport.Cluster
	metadata *metadata.Metadata
	brokers  *brokers.Brokers
	offsets  *offsets.Offsets
	topics   *topics.Topics
	records  *records.Records
	groups   *groups.Groups
}

func newCluster(opts *wire.Options, t Target) *Cluster {
	label := t.Key
	if parts := strings.SplitN(t.Key, "/", 3); len(parts) == 3 {
		label = parts[0] + "/" + parts[1]
	}
	c := &Cluster{key: t.Key, core: transport.New(opts.OfCluster(), label, slices.Clone(t.Bootstrap), t.Brokers)}
	c.core.Pool.SetSource(t.Security)
	c.core.Pool.SetGate(t.Gate)
	c.core.Pool.SetAddresses(t.Within)
	c.metadata = metadata.New(c.core, slices.Clone(t.UnmanagedTopicConfigs))
	c.brokers = brokers.New(c.metadata)
	c.offsets = offsets.New(c.metadata)
	c.topics = topics.New(c.offsets)
	c.records = records.New(c.offsets)
	c.groups = groups.New(c.metadata)
	return c
}

// Key is the target's key.
func (c *Cluster) Key() string { return c.key }

func (c *Cluster) close() { c.core.Close() }

// sweep closes idle connections and lets go of what nobody has asked for in a long time.
func (c *Cluster) sweep() {
	c.core.Sweep()
	c.metadata.Sweep()
	c.brokers.Sweep()
}
