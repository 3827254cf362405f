package broker

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wait"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// verdict is what the proxy does with a request.
type verdict int

const (
	pass verdict = iota
	// loseAnswer delivers the request and cuts the connection when the answer arrives.
	loseAnswer
	// holdAnswer delivers the request and keeps its answer, and all later ones of the connection.
	holdAnswer
	// cut closes the connection and delivers nothing.
	cut
)

// network is a set of TCP proxies before a fake cluster's brokers, reached through the gateway's Dial hook.
type network struct {
	t  testing.TB
	mu sync.Mutex
	// rule decides on each request by broker address and API key.
	rule func(addr string, key int16) verdict
	// change changes what brokers answer, by their address.
	change func(addr string, req kmsg.Request, resp kmsg.Response)
	// hung addresses accept connections and say nothing; dead ones refuse them; lost ones do not even refuse.
	hung, dead, lost map[string]bool
	conns            map[net.Conn]string
	sent             map[int16]int
	dials            atomic.Int64
	proxies          map[string]string
}

func newNetwork(t testing.TB) *network {
	return &network{t: t, hung: map[string]bool{}, dead: map[string]bool{}, lost: map[string]bool{}, conns: map[net.Conn]string{},
		sent: map[int16]int{}, proxies: map[string]string{}}
}

// dial is the gateway's Dial hook.
func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.dials.Add(1)
	n.mu.Lock()
	dead, lost := n.dead[addr], n.lost[addr]
	n.mu.Unlock()
	if lost {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if dead {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, n.proxy(addr))
}

// proxy is the address of the proxy before a broker.
func (n *network) proxy(addr string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p, ok := n.proxies[addr]; ok {
		return p
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Error(err)
		return addr
	}
	n.proxies[addr] = listener.Addr().String()
	n.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go n.serve(client, addr)
		}
	}()
	return n.proxies[addr]
}

func (n *network) track(c net.Conn, addr string) {
	n.mu.Lock()
	n.conns[c] = addr
	n.mu.Unlock()
}

func (n *network) serve(client net.Conn, addr string) {
	defer client.Close()
	n.track(client, addr)
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	var state atomic.Int64 // the verdict on answers
	var asked atomic.Pointer[[]byte]
	go func() {
		defer client.Close()
		for {
			frame, err := readFrame(server)
			if err != nil {
				return
			}
			switch verdict(state.Load()) {
			case loseAnswer:
				return
			case holdAnswer:
				continue
			}
			n.mu.Lock()
			hung, change := n.hung[addr], n.change
			n.mu.Unlock()
			if hung {
				continue
			}
			if request := asked.Load(); change != nil && request != nil {
				frame = changed(frame, *request, func(req kmsg.Request, resp kmsg.Response) { change(addr, req, resp) })
			}
			if _, err := client.Write(frame); err != nil {
				return
			}
		}
	}()
	for {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		key := int16(binary.BigEndian.Uint16(frame[4:]))
		n.mu.Lock()
		n.sent[key]++
		rule, hung := n.rule, n.hung[addr]
		n.mu.Unlock()
		if hung {
			continue
		}
		v := pass
		if rule != nil {
			v = rule(addr, key)
		}
		if v == cut {
			return
		}
		if v != pass {
			state.Store(int64(v))
		}
		asked.Store(&frame)
		if _, err := server.Write(frame); err != nil {
			return
		}
	}
}

// changed is an answer as change leaves it; those to ApiVersions are left alone.
func changed(answer, request []byte, change func(kmsg.Request, kmsg.Response)) []byte {
	key, version := int16(binary.BigEndian.Uint16(request[4:])), int16(binary.BigEndian.Uint16(request[6:]))
	req := kmsg.RequestForKey(key)
	if req == nil || key == int16(kmsg.ApiVersions) {
		return answer
	}
	req.SetVersion(version)
	// The client's id is behind the correlation id, and tagged fields, of which there are none, may be behind that.
	body := request[14+int(binary.BigEndian.Uint16(request[12:])):]
	if req.IsFlexible() {
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil {
		return answer
	}
	resp := req.ResponseKind()
	head := 8
	if resp.IsFlexible() {
		head++
	}
	if err := resp.ReadFrom(answer[head:]); err != nil {
		return answer
	}
	change(req, resp)
	out := resp.AppendTo(slices.Clone(answer[:head]))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

func (n *network) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// cutAll closes the connections to an address, as a restart does.
func (n *network) cutAll(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c, a := range n.conns {
		if a == addr {
			c.Close()
			delete(n.conns, c)
		}
	}
}

// requests is how many of a type were sent.
func (n *network) requests(key int16) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent[key]
}

// bench is a fake Kafka cluster, the network before it, and a gateway.
type bench struct {
	kafka   *kfake.Cluster
	network *network
	gateway *Gateway
	cluster *Cluster
	// offers is what the fake brokers say that they offer; nil for what they do by themselves.
	offers atomic.Pointer[kmsg.ApiVersionsResponse]
}

func newBench(t testing.TB, opts Options, kafkaOpts ...kfake.Opt) *bench {
	t.Helper()
	kafka, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, kafkaOpts...)...)
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(t)
	opts.Dial = n.dial
	gateway := New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); gateway.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		kafka.Close()
	})
	b := &bench{kafka: kafka, network: n, gateway: gateway}
	b.likeZooKeeper(t)
	b.cluster = gateway.Cluster(Target{Key: "streams/my-cluster/uid-1", Bootstrap: kafka.ListenAddrs()})
	return b
}

var fakeKeys struct {
	sync.Mutex
	keys []kmsg.ApiVersionsResponseApiKey
}

// fakeOffers is what a fake broker offers by itself.
func fakeOffers(t testing.TB) []kmsg.ApiVersionsResponseApiKey {
	t.Helper()
	fakeKeys.Lock()
	defer fakeKeys.Unlock()
	if fakeKeys.keys != nil {
		return fakeKeys.keys
	}
	one, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(one.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	offered, err := kmsg.NewPtrApiVersionsRequest().RequestWith(testContext(t), client)
	if err != nil {
		t.Fatal(err)
	}
	fakeKeys.keys = offered.ApiKeys
	return fakeKeys.keys
}

// likeZooKeeper makes the fake brokers offer what those of a cluster in ZooKeeper mode do: like these, they forward nothing.
func (b *bench) likeZooKeeper(t testing.TB) {
	t.Helper()
	keys := slices.Clone(fakeOffers(t))
	for _, key := range []kmsg.Key{kmsg.LeaderAndISR, kmsg.StopReplica, kmsg.UpdateMetadata} {
		api := kmsg.NewApiVersionsResponseApiKey()
		api.ApiKey = int16(key)
		keys = append(keys, api)
	}
	b.offers.Store(&kmsg.ApiVersionsResponse{ApiKeys: keys})
	b.kafka.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		said := b.offers.Load()
		if said == nil {
			return nil, nil, false
		}
		resp.ApiKeys, resp.SupportedFeatures = said.ApiKeys, said.SupportedFeatures
		resp.FinalizedFeatures, resp.FinalizedFeaturesEpoch = said.FinalizedFeatures, said.FinalizedFeaturesEpoch
		return resp, nil, true
	})
}

// offerAtMost makes the fake brokers offer an API up to a version only.
func (b *bench) offerAtMost(key kmsg.Key, version int16) {
	offered := *b.offers.Load()
	offered.ApiKeys = slices.Clone(offered.ApiKeys)
	for i := range offered.ApiKeys {
		if k := &offered.ApiKeys[i]; k.ApiKey == int16(key) {
			k.MaxVersion = version
		}
	}
	b.offers.Store(&offered)
}

// controllerAddr is where the fake cluster's controller listens, as the gateway sees it.
func (b *bench) controllerAddr(t *testing.T) string {
	t.Helper()
	d, err := b.cluster.core.Directory(testContext(t), true)
	if err != nil {
		t.Fatal(err)
	}
	return d.Brokers[d.Controller].Address()
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var eventually, timed = wait.Until, wait.Timed

// unhurried asks no question of a second broker because the first takes long, for tests that count requests or connections.
var unhurried = Options{stallAfter: time.Hour}

// ourGoroutines counts the goroutines that run code of this package or of sarama, tests and proxies left out.
func ourGoroutines() (int, string) {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for _, g := range strings.Split(string(buf), "\n\n") {
		ours := strings.Contains(g, "sarama.") || strings.Contains(g, "pkg/broker/internal/")
		if ours && !strings.Contains(g, "testing.tRunner") {
			found = append(found, g)
		}
	}
	return len(found), strings.Join(found, "\n\n")
}
