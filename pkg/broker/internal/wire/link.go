package wire

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
	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/klog/v2"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Link is one connection to one broker. sarama opens it and runs the requests it knows; the others go over the same socket
// through kmsg (call.go). It carries one request at a time, because sarama.Broker holds its lock for a whole round trip.
type Link struct {
	Addr   string
	Lane   Lane
	Broker *sarama.Broker
	Conn   *countedConn
	// Offers is what the broker said when the connection was opened: an upgraded broker has restarted and thus a new link.
	Offers   Offers
	ClientID string
	Corr     int32
	// ClusterID is of which cluster the broker said that it is; "" when it was not asked.
	ClusterID string
	// Gen is the cluster's generation when the link was opened; links of an older one are not used again.
	Gen int
	// Since is when the request in flight was sent, in Unix nanoseconds; 0 when there is none.
	Since atomic.Int64
	// Used is when the last request ended.
	Used time.Time
	// Expires is when the broker wants to be told anew who the client is (KIP-368); zero for never.
	Expires time.Time
	// TurnedAway is since when the gate does not admit the cluster at the other end; zero when it does, or was not asked.
	TurnedAway time.Time
	// Reused tells that a request has succeeded on the link before: then a broken connection may only have been idle too long.
	Reused bool
}

// Kill closes the socket under whatever is in flight. The link must not be used again.
func (l *Link) Kill() { l.Conn.cut() }

// Close ends a link that nothing is in flight on.
func (l *Link) Close() {
	l.Kill()
	l.Conn.Intake.Settle()
	// sarama waits for its reader here, which ends because the socket is closed.
	_ = l.Broker.Close()
}

// countedConn is the connection that sarama was given, kept so that kmsg can use it and so that a context can close it. With TLS the
// socket is below it.
type countedConn struct {
	net.Conn
	socket net.Conn
	// Written grows before bytes are handed to the kernel, so that "nothing was sent" is never claimed wrongly.
	Written atomic.Int64
	Dead    atomic.Bool
	// read, alert and tlsAnswer are for problem, in secure.go.
	read      atomic.Int64
	alert     atomic.Pointer[string]
	tlsAnswer atomic.Bool
	Intake    *Intake
}

// ErrCut is what reading ends with on a connection that was given up.
var ErrCut = errors.New("the connection was given up")

// cut closes the socket: saying goodbye, as TLS would, may hang on a broker that is stuck.
func (c *countedConn) cut() {
	c.Dead.Store(true)
	c.Intake.Cut(ErrCut)
	_ = c.socket.Close()
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.Written.Add(int64(len(b)))
	n, err := c.Conn.Write(b)
	if n == 0 && err != nil {
		c.Written.Add(-int64(len(b)))
	}
	return n, err
}

// Manner is how a connection is opened.
type Manner struct {
	Security *Security
	// Within are the addresses where brokers may be.
	Within Addresses
	// Identify says that the broker is to be asked of which cluster it is.
	Identify bool
}

// capture is the dialer that sarama is given: it keeps the connection, and drops it when the opener has given up meanwhile.
type capture struct {
	ctx  context.Context
	opts *Options
	Manner

	mu      sync.Mutex
	socket  net.Conn
	conn    *countedConn
	expires time.Time
}

// Dial connects, and does TLS and SASL where they are wanted.
func (d *capture) Dial(network, addr string) (net.Conn, error) {
	socket, err := dialTo(d.ctx, d.opts.Dial, d.Within, network, addr)
	if err != nil {
		return nil, err
	}
	if err := d.hold(socket); err != nil {
		return nil, err
	}
	conn, err := encrypt(d.ctx, socket, addr, d.Security)
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	counted := &countedConn{Conn: conn, socket: socket, Intake: NewIntake(d.opts.Answers)}
	if sasl := d.Security.sasl(); sasl != nil {
		life, err := authenticate(&Link{Addr: addr, Conn: counted, ClientID: d.opts.ClientID}, sasl)
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

// ErrNoAnswer is the verdict on an address that did not finish the handshake in time.
var ErrNoAnswer = errors.New("no answer")

// OpenLink connects to an address and asks what the broker offers, within timeout. It is the one place that opens connections.
func OpenLink(ctx context.Context, opts *Options, how Manner, addr string, timeout time.Duration) (*Link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w within %v", ErrNoAnswer, timeout.Round(time.Millisecond)))
	defer cancel()
	dialer := &capture{ctx: ctx, opts: opts, Manner: how}
	type result struct {
		link *Link
		err  error
	}
	opened := make(chan result)
	// sarama's Open cannot be interrupted by a context, hence the goroutine; it ends when the socket is closed. Here the answers of whoever
	// is at the address are decoded.
	var l *Link
	crash.Go(func() (err error) {
		l, err = handshake(opts, dialer, addr)
		return err
	}, func(err error) {
		select {
		case opened <- result{l, err}:
		case <-ctx.Done():
			if l != nil {
				l.Close()
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

func handshake(opts *Options, dialer *capture, addr string) (*Link, error) {
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
	l := &Link{Addr: addr, Broker: b, Conn: dialer.conn, ClientID: opts.ClientID, Expires: dialer.expires}
	// sarama has asked the same and keeps the answer to itself.
	resp, err := b.ApiVersions(ApiVersionsRequest())
	if err == nil {
		l.Offers, err = NewOffers(resp)
	}
	if err == nil && dialer.Identify {
		err = l.identify()
	}
	if err != nil {
		l.Close()
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
	if d.Security.sasl() == nil && errors.Is(err, io.EOF) {
		return fmt.Errorf("the broker closed the connection before it served: it may ask for %s: %w", d.missing(), err)
	}
	return err
}

func (d *capture) missing() string {
	if d.Security.clientTLS("") == nil {
		return "TLS or authentication"
	}
	return "authentication"
}

func ApiVersionsRequest() *sarama.ApiVersionsRequest {
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

// SetSaramaGlobals sets what sarama and its metrics library keep in package variables. They are set by the first New because
// connections read them: without UseNilMetrics every connection would register some 14 meters, each with a goroutine's worth of
// ticking; without PanicHandler a malformed answer read on sarama's goroutine would end the process.
func SetSaramaGlobals() {
	saramaOnce.Do(func() {
		metrics.UseNilMetrics = true
		sarama.MaxResponseSize = MaxResponseSize
		sarama.PanicHandler = func(v any) {
			klog.Background().Error(nil, "Panic in the Kafka client", "panic", v)
		}
	})
}

// identify asks the other end of a new link of which cluster it is.
func (l *Link) identify() error {
	if l.Offers.Supports(int16(kmsg.DescribeCluster)) {
		answer, err := ByKmsg[*kmsg.DescribeClusterResponse](func() kmsg.Request { return kmsg.NewPtrDescribeClusterRequest() }, 0)(l)
		if err != nil {
			return err
		}
		if answer.ErrorCode != 0 {
			return kafkaerr.New("ask for the cluster's id", "", answer.ErrorCode, answer.ErrorMessage, 0)
		}
		l.ClusterID = answer.ClusterID
		return nil
	}
	// The release before 2.8. No topics are none; nil would be all.
	answer, err := ByKmsg[*kmsg.MetadataResponse](func() kmsg.Request {
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = []kmsg.MetadataRequestTopic{}
		return request
	}, 2)(l)
	if err != nil {
		return err
	}
	if answer.ClusterID != nil {
		l.ClusterID = *answer.ClusterID
	}
	return nil
}
