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

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
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
	// clusterID is of which cluster the broker said that it is; "" when it was not asked.
	clusterID string
	// gen is the cluster's generation when the link was opened; links of an older one are not used again.
	gen int
	// since is when the request in flight was sent, in Unix nanoseconds; 0 when there is none.
	since atomic.Int64
	// used is when the last request ended.
	used time.Time
	// expires is when the broker wants to be told anew who the client is (KIP-368); zero for never.
	expires time.Time
	// turnedAway is since when the gate does not admit the cluster at the other end; zero when it does, or was not asked.
	turnedAway time.Time
	// reused tells that a request has succeeded on the link before: then a broken connection may only have been idle too long.
	reused bool
}

// kill closes the socket under whatever is in flight. The link must not be used again.
func (l *link) kill() { l.conn.cut() }

// close ends a link that nothing is in flight on.
func (l *link) close() {
	l.kill()
	l.conn.intake.settle()
	// sarama waits for its reader here, which ends because the socket is closed.
	_ = l.broker.Close()
}

// countedConn is the connection that sarama was given, kept so that kmsg can use it and so that a context can close it. With TLS the
// socket is below it.
type countedConn struct {
	net.Conn
	socket net.Conn
	// written grows before bytes are handed to the kernel, so that "nothing was sent" is never claimed wrongly.
	written atomic.Int64
	dead    atomic.Bool
	// read, alert and tlsAnswer are for problem, in secure.go.
	read      atomic.Int64
	alert     atomic.Pointer[string]
	tlsAnswer atomic.Bool
	intake    *intake
}

// errCut is what reading ends with on a connection that was given up.
var errCut = errors.New("the connection was given up")

// cut closes the socket: saying goodbye, as TLS would, may hang on a broker that is stuck.
func (c *countedConn) cut() {
	c.dead.Store(true)
	c.intake.cut(errCut)
	_ = c.socket.Close()
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.written.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	if n == 0 && err != nil {
		c.written.Add(-int64(len(b)))
	}
	return n, err
}

// manner is how a connection is opened.
type manner struct {
	security *Security
	// within are the addresses where brokers may be.
	within Addresses
	// identify says that the broker is to be asked of which cluster it is.
	identify bool
}

// capture is the dialer that sarama is given: it keeps the connection, and drops it when the opener has given up meanwhile.
type capture struct {
	ctx  context.Context
	opts *Options
	manner

	mu      sync.Mutex
	socket  net.Conn
	conn    *countedConn
	expires time.Time
}

// Dial connects, and does TLS and SASL where they are wanted.
func (d *capture) Dial(network, addr string) (net.Conn, error) {
	socket, err := dialTo(d.ctx, d.opts.Dial, d.within, network, addr)
	if err != nil {
		return nil, err
	}
	if err := d.hold(socket); err != nil {
		return nil, err
	}
	conn, err := encrypt(d.ctx, socket, addr, d.security)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	counted := &countedConn{Conn: conn, socket: socket, intake: newIntake(d.opts.answers)}
	if sasl := d.security.sasl(); sasl != nil {
		life, err := authenticate(&link{addr: addr, conn: counted, clientID: d.opts.ClientID}, sasl)
		if err != nil {
			_ = socket.Close()
			return nil, err
		}
		d.expires = expiry(d.opts.Clock.Now(), life)
	}
	d.conn = counted
	return counted, nil
}

func (d *capture) hold(socket net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		_ = socket.Close()
		return context.Cause(d.ctx)
	}
	d.socket = socket
	return nil
}

// abort ends whatever goes on on the connection.
func (d *capture) abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.socket != nil {
		_ = d.socket.Close()
	}
}

// errNoAnswer is the verdict on an address that did not finish the handshake in time.
var errNoAnswer = errors.New("no answer")

// openLink connects to an address and asks what the broker offers, within timeout. It is the one place that opens connections.
func openLink(ctx context.Context, opts *Options, how manner, addr string, timeout time.Duration) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w within %v", errNoAnswer, timeout.Round(time.Millisecond)))
	defer cancel()
	dialer := &capture{ctx: ctx, opts: opts, manner: how}
	type result struct {
		link *link
		err  error
	}
	opened := make(chan result)
	// sarama's Open cannot be interrupted by a context, hence the goroutine; it ends when the socket is closed. Here the answers of whoever
	// is at the address are decoded.
	var l *link
	crash.Go(func() (err error) {
		l, err = handshake(opts, dialer, addr)
		return err
	}, func(err error) {
		select {
		case opened <- result{l, err}:
		case <-ctx.Done():
			if l != nil {
				l.close()
			}
		}
	})
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
		return nil, dialer.explain(err)
	}
	l := &link{addr: addr, broker: b, conn: dialer.conn, clientID: opts.ClientID, expires: dialer.expires}
	// sarama has asked the same and keeps the answer to itself.
	resp, err := b.ApiVersions(apiVersionsRequest())
	if err == nil {
		l.offers, err = newOffers(resp)
	}
	if err == nil && dialer.identify {
		err = l.identify()
	}
	if err != nil {
		l.close()
		return nil, dialer.explain(err)
	}
	return l, nil
}

// explain adds to a connection that broke at once what is known of the reason.
func (d *capture) explain(err error) error {
	if d.conn == nil {
		return err
	}
	if problem := d.conn.problem(); problem != nil {
		return problem
	}
	if d.security.sasl() == nil && errors.Is(err, io.EOF) {
		return fmt.Errorf("the broker closed the connection before it served: it may ask for %s: %w", d.missing(), err)
	}
	return err
}

func (d *capture) missing() string {
	if d.security.clientTLS("") == nil {
		return "TLS or authentication"
	}
	return "authentication"
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
