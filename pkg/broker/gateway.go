package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
)

// Options configure a Gateway. The zero value is usable.
type Options struct {
	// ClientID is how brokers name this client in logs and quotas; "kafka-apiserver" when empty.
	ClientID string
	// Dial replaces the dialer, for example to map advertised names to reachable addresses.
	Dial DialFunc
	// Clock times caches and idle connections; the real one when nil.
	Clock clock.WithTicker
	// ConnectTimeout bounds opening one connection, handshake included; 3 s when 0.
	ConnectTimeout time.Duration
	// VerdictTimeout bounds the search for a live broker; 4.8 s when 0.
	VerdictTimeout time.Duration
	// NegativeTTL is how long an address that could not be reached is not dialled again; 1.5 s when 0.
	NegativeTTL time.Duration
	// RequestTimeout bounds a call whose context has no deadline; 30 s when 0.
	RequestTimeout time.Duration
	// MaxConcurrent is the number of requests in flight per cluster; 32 when 0.
	MaxConcurrent int
	// LogDirsTTL is how long sizes on disk are cached; 30 s when 0, and never less: brokers walk their folders for each answer.
	LogDirsTTL time.Duration
	// AnswerBytes is the memory for brokers' answers, of all clusters together; 256 MiB when 0. No single answer may take more than half.
	AnswerBytes int64
	// stallAfter replaces the constant of that name, for tests that count requests: a busy machine must not make two of one.
	stallAfter time.Duration
	// readPatience and LookEvery replace the constants of these names, for tests that wait for them to pass.
	readPatience, lookEvery time.Duration
}

// options are the same with the defaults for what is left open.
func (o Options) options() *wire.Options {
	if o.ClientID == "" {
		o.ClientID = "kafka-apiserver"
	}
	if o.Dial == nil {
		o.Dial = Dial
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&o.ConnectTimeout, 3 * time.Second},
		{&o.VerdictTimeout, 4800 * time.Millisecond},
		{&o.NegativeTTL, 1500 * time.Millisecond},
		{&o.RequestTimeout, 30 * time.Second},
		{&o.stallAfter, transport.StallAfter},
		{&o.readPatience, records.ReadPatience},
		{&o.lookEvery, records.LookEvery},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	o.LogDirsTTL = max(o.LogDirsTTL, 30*time.Second)
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = 32
	}
	if o.AnswerBytes <= 0 {
		o.AnswerBytes = wire.DefaultAnswerBytes
	}
	return &wire.Options{ClientID: o.ClientID, Dial: o.Dial, Clock: o.Clock, ConnectTimeout: o.ConnectTimeout, VerdictTimeout: o.VerdictTimeout,
		NegativeTTL: o.NegativeTTL, RequestTimeout: o.RequestTimeout, MaxConcurrent: o.MaxConcurrent, LogDirsTTL: o.LogDirsTTL,
		Answers: wire.NewAnswers(o.AnswerBytes), StallAfter: o.stallAfter, ReadPatience: o.readPatience, LookEvery: o.lookEvery}
}

// Target is a Kafka cluster to talk to.
type Target struct {
	// Key is namespace/name/uid of the Kafka object: the identity under which connections and caches are kept.
	Key string
	// Bootstrap are host:port addresses of brokers.
	Bootstrap []string
	// Brokers is how many brokers the cluster is to have; 0 when that is not known.
	Brokers int
	// Security says how connections are encrypted and authenticated; nil for clear text and no authentication.
	Security SecuritySource
	// Within are the addresses where its brokers may be; nil for any.
	Within Addresses
	// Gate is asked about the cluster behind each connection; nil admits any.
	Gate Gate
	// UnmanagedTopicConfigs are settings of topics that are left as they are where nobody asks for them; see kafkaconfig.IsUnmanaged.
	UnmanagedTopicConfigs []string
}

// Gateway holds one Cluster per Kafka object.
type Gateway struct {
	opts *wire.Options

	mu       sync.Mutex
	clusters map[string]*Cluster
	closed   bool
}

// New builds a Gateway. It starts nothing and dials nothing.
func New(opts Options) *Gateway {
	wire.SetSaramaGlobals()
	return &Gateway{opts: opts.options(), clusters: map[string]*Cluster{}}
}

// sweepEvery is how often idle connections are looked for.
const sweepEvery = 30 * time.Second

// Run closes idle connections and drops outdated caches until ctx ends, then closes everything; calls fail from then on.
func (g *Gateway) Run(ctx context.Context) {
	ticker := g.opts.Clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, c := range g.all(true) {
				c.close()
			}
			return
		case <-ticker.C():
			for _, c := range g.all(false) {
				c.sweep()
			}
			g.forgetUnused()
		}
	}
}

// all lists the clusters, and with last no new ones are made.
func (g *Gateway) all(last bool) []*Cluster {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = g.closed || last
	clusters := make([]*Cluster, 0, len(g.clusters))
	for _, c := range g.clusters {
		clusters = append(clusters, c)
	}
	return clusters
}

// Cluster returns the handle for a target, made on first use and cached by Key. A changed bootstrap list or security takes
// effect at once. It never dials.
func (g *Gateway) Cluster(t Target) *Cluster {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clusters[t.Key]
	if c == nil {
		c = newCluster(g.opts, t)
		c.wanted = g.opts.Clock.Now()
		if g.closed {
			c.close()
			return c
		}
		g.clusters[t.Key] = c
		return c
	}
	c.wanted = g.opts.Clock.Now()
	// In this order: whoever finds a new address must not go there with what was meant for the old ones.
	c.core.Pool.SetGate(t.Gate)
	c.core.Pool.SetAddresses(t.Within)
	c.core.Pool.SetSource(t.Security)
	c.metadata.SetUnmanaged(slices.Clone(t.UnmanagedTopicConfigs))
	c.core.SetBootstrap(slices.Clone(t.Bootstrap))
	c.core.SetSize(t.Brokers)
	return c
}

// unusedLife is when a cluster that nobody wants is forgotten: its Kafka was most likely deleted, and what is kept of it, credentials
// among it, has to go with it some time.
const unusedLife = time.Hour

// forgetUnused forgets the clusters that nobody has wanted for long and that have no connection, so that nobody is at work on one.
func (g *Gateway) forgetUnused() {
	g.mu.Lock()
	var unused []string
	for key, c := range g.clusters {
		if g.opts.Clock.Since(c.wanted) > unusedLife && !c.core.Pool.Connected() {
			unused = append(unused, key)
		}
	}
	g.mu.Unlock()
	for _, key := range unused {
		g.Forget(key)
	}
}

// Forget closes the connections of a cluster and drops its caches; calls on its handle fail from then on.
func (g *Gateway) Forget(key string) {
	g.mu.Lock()
	c := g.clusters[key]
	delete(g.clusters, key)
	// A Kafka that was created again has the name of the one before.
	again := c != nil && slices.ContainsFunc(slices.Collect(maps.Values(g.clusters)), func(o *Cluster) bool { return o.core.Label == c.core.Label })
	g.mu.Unlock()
	if c != nil {
		c.close()
		if !again {
			forgetMetrics(c.core.Label)
		}
	}
}
