package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"k8s.io/klog/v2"
)

// link is one connection to one broker. sarama opens it and runs the requests it knows; the others go over the same socket
// through kmsg (call.go). It carries one request at a time, because sarama.Broker holds its lock for a whole round trip.
type link struct {
	addr   string
	lane   lane
	broker *sarama.Broker
	conn   *countedConn
	// offers is what the broker said when the connection was opened: an upgraded broker has restarted and thus a new link.
	offers   offers
	clientID string
	corr     int32
	// gen is the cluster's generation when the link was opened; links of an older one are not used again.
	gen int
	// used is when the last request ended.
	used time.Time
	// reused tells that a request has succeeded on the link before: then a broken connection may only have been idle too long.
	reused bool
}

// kill closes the socket under whatever is in flight. The link must not be used again.
func (l *link) kill() {
	l.conn.dead.Store(true)
	_ = l.conn.Close()
}

// close ends a link that nothing is in flight on.
func (l *link) close() {
	l.kill()
	// sarama waits for its reader here, which ends because the socket is closed.
	_ = l.broker.Close()
}

// countedConn is the socket that sarama was given, kept so that kmsg can use it and so that a context can close it.
type countedConn struct {
	net.Conn
	// written grows before bytes are handed to the kernel, so that "nothing was sent" is never claimed wrongly.
	written atomic.Int64
	dead    atomic.Bool
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	if n == 0 && err != nil {
		c.written.Add(-int64(len(b)))
	}
	return n, err
}

// capture is the dialer that sarama is given: it keeps the connection, and drops it when the opener has given up meanwhile.
// TLS, when it comes, is done here and not by sarama, so that the socket kept is above it.
type capture struct {
	ctx  context.Context
	dial DialFunc

	mu   sync.Mutex
	conn *countedConn
}

func (d *capture) Dial(network, addr string) (net.Conn, error) {
	conn, err := d.dial(d.ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		_ = conn.Close()
		return nil, context.Cause(d.ctx)
	}
	d.conn = &countedConn{Conn: conn}
	return d.conn, nil
}

func (d *capture) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.dead.Store(true)
		_ = d.conn.Close()
	}
}

// errNoAnswer is the verdict on an address that did not finish the handshake in time.
var errNoAnswer = errors.New("no answer")

// openLink connects to an address and asks what the broker offers, within timeout. It is the one place that opens connections.
func openLink(ctx context.Context, opts *Options, addr string, timeout time.Duration) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w within %v", errNoAnswer, timeout.Round(time.Millisecond)))
	defer cancel()
	dialer := &capture{ctx: ctx, dial: opts.Dial}
	type result struct {
		link *link
		err  error
	}
	opened := make(chan result)
	go func() {
		// sarama's Open cannot be interrupted by a context, hence the goroutine; it ends when the socket is closed.
		l, err := handshake(opts, dialer, addr)
		select {
		case opened <- result{l, err}:
		case <-ctx.Done():
			if l != nil {
				l.close()
			}
		}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			dialer.abort()
			if ctx.Err() != nil {
				r.err = context.Cause(ctx)
			}
		}
		return r.link, r.err
	case <-ctx.Done():
		dialer.abort()
		return nil, context.Cause(ctx)
	}
}

func handshake(opts *Options, dialer *capture, addr string) (*link, error) {
	b := sarama.NewBroker(addr)
	if err := b.Open(saramaConfig(opts, dialer)); err != nil {
		return nil, err
	}
	if ok, err := b.Connected(); err != nil || !ok {
		_ = b.Close()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	l := &link{addr: addr, broker: b, conn: dialer.conn, clientID: opts.ClientID}
	// sarama has asked the same and keeps the answer to itself.
	resp, err := b.ApiVersions(apiVersionsRequest())
	if err == nil {
		l.offers, err = newOffers(resp)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func apiVersionsRequest() *sarama.ApiVersionsRequest {
	return &sarama.ApiVersionsRequest{Version: 4, ClientSoftwareName: "kafka-apiserver", ClientSoftwareVersion: "v1beta1"}
}

// saramaConfig is the configuration of one connection. Version is the newest that sarama knows: it is clamped to what the broker
// offers, while a lower one would send requests that Kafka 4 no longer accepts (KIP-896).
func saramaConfig(opts *Options, dialer *capture) *sarama.Config {
	conf := sarama.NewConfig()
	conf.ClientID = opts.ClientID
	conf.Version = sarama.MaxVersion
	conf.ApiVersionsRequest = true
	conf.Net.Proxy.Enable = true
	conf.Net.Proxy.Dialer = dialer
	// The caller's context ends a request; these only bound what a forgotten context would hold.
	conf.Net.ReadTimeout = socketTimeout
	conf.Net.WriteTimeout = socketTimeout
	conf.Metadata.Full = false
	conf.Metadata.RefreshFrequency = 0
	conf.Metadata.AllowAutoTopicCreation = false
	return conf
}

// socketTimeout is the longest that a read or write of the socket may take.
const socketTimeout = 75 * time.Second

// maxResponseSize bounds one answer; a whole cluster's metadata of 100,000 partitions is a tenth of it.
const maxResponseSize = 100 << 20

var saramaOnce sync.Once

// setSaramaGlobals sets what sarama and its metrics library keep in package variables. They are set by the first New because
// connections read them: without UseNilMetrics every connection would register some 14 meters, each with a goroutine's worth of
// ticking; without PanicHandler a malformed answer read on sarama's goroutine would end the process.
func setSaramaGlobals() {
	saramaOnce.Do(func() {
		metrics.UseNilMetrics = true
		sarama.MaxResponseSize = maxResponseSize
		sarama.PanicHandler = func(v any) {
			klog.Background().Error(nil, "Panic in the Kafka client", "panic", v)
		}
	})
}
