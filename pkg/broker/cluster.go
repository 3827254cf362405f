package broker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Cluster is a handle on one Kafka cluster. All methods are safe for concurrent use.
type Cluster struct {
	opts *Options
	key  string
	// label is namespace/name of the key: metrics must not grow with each uid.
	label string
	pool  *pool
	// wanted is when the gateway was last asked for the cluster; the gateway's lock is held for it.
	wanted time.Time
	// life ends when the cluster is forgotten.
	life context.Context
	end  context.CancelCauseFunc

	directoryFlight flight[directory]
	snapshotFlight  flight[*Snapshot]
	knocks          knocks
	shared          *shared
	expected        expectations
	views           views
	logDirs         logDirCache
	groups          groupsState
	// reads and produces hold a token for each call of Read and for each batch that is being written.
	reads, produces chan struct{}
	producers       producers
	glances         pending[int, *Snapshot]
	sizes           pending[string, LogDirs]

	mu        sync.Mutex
	bootstrap []string
	unmanaged []string // the target's UnmanagedTopicConfigs
	size      int      // how many brokers the cluster is to have; 0 when that is not known
	dir       *directory
	preferred string // the address that any broker's reads go to while it answers
	snapshot  *Snapshot
	// controllerSince is when another controller was first named, in ZooKeeper mode.
	controllerSince time.Time
	// noForwarding tells that a broker has said that it is not the controller in KRaft mode.
	noForwarding bool
	// epoch grows with each Invalidate: a snapshot asked for before it is not kept.
	epoch int
}

// directory is who the brokers are, from the last answer that listed them.
type directory struct {
	clusterID string
	// controller is where requests for the controller go: in KRaft mode some live broker, which forwards them.
	controller int32
	mode
	// brokers are the ones that are not fenced.
	brokers map[int32]BrokerInfo
}

func newCluster(gateway *Options, t Target) *Cluster {
	opts := &Options{}
	*opts = *gateway
	opts.answers = gateway.answers.ofCluster()
	label := t.Key
	if parts := strings.SplitN(t.Key, "/", 3); len(parts) == 3 {
		label = parts[0] + "/" + parts[1]
	}
	c := &Cluster{opts: opts, key: t.Key, label: label, pool: newPool(opts, label), bootstrap: slices.Clone(t.Bootstrap), size: t.Brokers,
		reads: make(chan struct{}, MaxReads), produces: make(chan struct{}, maxProduces)}
	c.unmanaged = slices.Clone(t.UnmanagedTopicConfigs)
	c.pool.setSource(t.Security)
	c.pool.setGate(t.Gate)
	c.pool.setAddresses(t.Within)
	c.life, c.end = context.WithCancelCause(context.Background())
	c.shared = newShared(c)
	return c
}

// Key is the target's key.
func (c *Cluster) Key() string { return c.key }

func (c *Cluster) close() {
	c.end(&kafkaerr.UnreachableError{Cluster: c.label, Err: errClosed})
	c.pool.close()
}

// sweep closes idle connections and lets go of what nobody has asked for in a long time.
func (c *Cluster) sweep() {
	c.pool.sweep()
	c.logDirs.sweep(c.opts.Clock.Now(), c.opts.LogDirsTTL)
	c.expected.sweep(c.opts.Clock.Now())
	c.views.sweep(c.opts.Clock.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.snapshot != nil && c.snapshot.Age(c.opts.Clock.Now()) > snapshotLife {
		c.snapshot = nil
		forgetSnapshotTime(c.label)
	}
}

// snapshotLife is when a snapshot that nobody renewed is let go of; lists of a dead cluster have it until then.
const snapshotLife = time.Hour

// setBootstrap takes a new list. A list that shares no address with the old one may be of another cluster, so what was learnt through
// the old one is dropped; one that does (a broker was added) leaves the connections alone, as does another order.
func (c *Cluster) setBootstrap(addrs []string) {
	c.mu.Lock()
	shared := slices.ContainsFunc(addrs, func(addr string) bool { return slices.Contains(c.bootstrap, addr) })
	c.bootstrap = addrs
	if shared || len(addrs) == 0 {
		c.mu.Unlock()
		return
	}
	c.dir, c.preferred, c.snapshot, c.noForwarding = nil, "", nil, false
	c.epoch++
	c.views.clear()
	c.mu.Unlock()
	c.logDirs.clear()
	c.pool.reset()
}

func (c *Cluster) setUnmanaged(configs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unmanaged = configs
}

// begin bounds a call by the caller's context, the default timeout, and the cluster's life.
func (c *Cluster) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, timeout = context.WithTimeout(ctx, c.opts.RequestTimeout)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
		timeout()
	}
}

// prefer makes an address the first choice for what any broker answers, so that reads follow each other on one broker's view.
func (c *Cluster) prefer(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.preferred = addr
}

// learn takes over what an answer said about the brokers.
func (c *Cluster) learn(d directory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dir != nil && c.dir.clusterID != d.clusterID && c.dir.clusterID != "" && d.clusterID != "" {
		// Another cluster answers at the same addresses: nothing known is true of it.
		c.snapshot = nil
		c.epoch++
		c.logDirs.clear()
		c.expected.clear()
		c.views.clear()
		c.noForwarding = false
	}
	if c.dir != nil && d.zookeeper && c.dir.controller != d.controller {
		c.controllerSince = c.opts.Clock.Now()
	}
	c.dir = &d
}

// controllerIsNew tells that a controller may not know yet, as a broker, of all topics that it has read from ZooKeeper (seen on 3.9.2).
func (c *Cluster) controllerIsNew() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.controllerSince.IsZero() && c.opts.Clock.Since(c.controllerSince) < settleTime
}

// directory is the last one known, asked for when there is none or a new one is wanted. Concurrent callers share the question.
func (c *Cluster) directory(ctx context.Context, fresh bool) (*directory, error) {
	c.mu.Lock()
	d := c.dir
	c.mu.Unlock()
	if d != nil && !fresh {
		return d, nil
	}
	got, err := c.directoryFlight.do(ctx, c.life, c.opts.RequestTimeout, 0, func(ctx context.Context) (directory, error) {
		_, d, err := c.describe(ctx)
		return d, err
	})
	if err != nil {
		return nil, err
	}
	return &got, nil
}
