package transport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Cluster is one Kafka cluster as far as requests are to find their way to its brokers: connections, who the brokers are, and which of them are
// asked first. All methods are safe for concurrent use.
type Cluster struct {
	Opts *wire.Options
	// Label is namespace/name of the target's key: metrics must not grow with each uid.
	Label string
	Pool  *pool
	// Life ends when the cluster is forgotten.
	Life context.Context
	end  context.CancelCauseFunc

	directoryFlight Flight[Directory]
	Knocks          knocks
	Doubts          doubts
	// forget are called, under the lock, when what is known of topics may be of another cluster. sure says that another one has answered.
	forget []func(sure bool)

	mu        sync.Mutex
	bootstrap []string
	size      int // how many brokers the cluster is to have; 0 when that is not known
	Dir       *Directory
	Preferred string // the address that any broker's reads go to while it answers
	// controllerSince is when another controller was first named, in ZooKeeper mode.
	controllerSince time.Time
	// noForwarding tells that a broker has said that it is not the controller in KRaft mode.
	noForwarding bool
}

// Directory is who the brokers are, from the last answer that listed them.
type Directory struct {
	ClusterID string
	// Controller is where requests for the controller go: in KRaft mode some live broker, which forwards them.
	Controller int32
	wire.Mode
	// Brokers are the ones that are not fenced.
	Brokers map[int32]BrokerInfo
}

// New is a cluster of which nothing is known but the addresses. It dials nothing.
func New(opts *wire.Options, label string, bootstrap []string, size int) *Cluster {
	c := &Cluster{Opts: opts, Label: label, Pool: newPool(opts, label), bootstrap: bootstrap, size: size}
	c.Life, c.end = context.WithCancelCause(context.Background())
	return c
}

// OnForget has something called when what is known of topics may be of another cluster; see Cluster. It is for the time before the first request.
func (c *Cluster) OnForget(forget func(sure bool)) { c.forget = append(c.forget, forget) }

func (c *Cluster) forgetLocked(sure bool) {
	c.Doubts.Clear()
	for _, forget := range c.forget {
		forget(sure)
	}
}

// Close ends all requests; they fail from then on.
func (c *Cluster) Close() {
	c.end(&kafkaerr.UnreachableError{Cluster: c.Label, Err: errClosed})
	c.Pool.close()
}

// Sweep closes idle connections.
func (c *Cluster) Sweep() {
	c.Pool.sweep()
	c.Doubts.sweep(c.Opts.Clock.Now())
}

// SetBootstrap takes a new list. A list that shares no address with the old one may be of another cluster, so what was learnt through
// the old one is dropped; one that does (a broker was added) leaves the connections alone, as does another order.
func (c *Cluster) SetBootstrap(addrs []string) {
	c.mu.Lock()
	shared := slices.ContainsFunc(addrs, func(addr string) bool { return slices.Contains(c.bootstrap, addr) })
	c.bootstrap = addrs
	if shared || len(addrs) == 0 {
		c.mu.Unlock()
		return
	}
	c.Dir, c.Preferred, c.noForwarding = nil, "", false
	c.forgetLocked(false)
	c.mu.Unlock()
	c.Pool.reset()
}

// SetSize takes over how many brokers the cluster is to have; 0 when that is not known.
func (c *Cluster) SetSize(brokers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = brokers
}

// Begin bounds a call by the caller's context, the default timeout, and the cluster's life.
func (c *Cluster) Begin(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, timeout = context.WithTimeout(ctx, c.Opts.RequestTimeout)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.Life, func() { cancel(context.Cause(c.Life)) })
	return ctx, func() {
		stop()
		cancel(nil)
		timeout()
	}
}

// Prefer makes an address the first choice for what any broker answers, so that reads follow each other on one broker's view.
func (c *Cluster) Prefer(addr string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Preferred = addr
}

// Learn takes over what an answer said about the brokers.
func (c *Cluster) Learn(d Directory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Dir != nil && c.Dir.ClusterID != d.ClusterID && c.Dir.ClusterID != "" && d.ClusterID != "" {
		// Another cluster answers at the same addresses: nothing known is true of it.
		c.noForwarding = false
		c.forgetLocked(true)
	}
	if c.Dir != nil && d.Zookeeper && c.Dir.Controller != d.Controller {
		c.controllerSince = c.Opts.Clock.Now()
	}
	c.Dir = &d
}

// KnownMode is the mode of the cluster as brokers told it last; neither while they have not.
func (c *Cluster) KnownMode() wire.Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Dir == nil {
		return wire.Mode{}
	}
	return c.Dir.Mode
}

// ControllerChanged is when another controller was first named in ZooKeeper mode, zero for never.
func (c *Cluster) ControllerChanged() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.controllerSince
}

// KnownSize is how many brokers the cluster is to have; 0 when that is not known.
func (c *Cluster) KnownSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Directory is the last one known, asked for when there is none or a new one is wanted. Concurrent callers share the question.
func (c *Cluster) Directory(ctx context.Context, fresh bool) (*Directory, error) {
	c.mu.Lock()
	d := c.Dir
	c.mu.Unlock()
	if d != nil && !fresh {
		return d, nil
	}
	got, err := c.directoryFlight.Do(ctx, c.Life, c.Opts.RequestTimeout, 0, func(ctx context.Context) (Directory, error) {
		_, d, err := c.describe(ctx)
		return d, err
	})
	if err != nil {
		return nil, err
	}
	return &got, nil
}

// errClosed is what calls get on a cluster that was forgotten, or whose gateway has ended.
var errClosed = errors.New("the connection to the cluster was given up")
