package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// fixed is a source whose Security a test sets.
type fixed struct {
	mu       sync.Mutex
	security *Security
	err      error
}

func (f *fixed) Security(context.Context) (*Security, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.security, f.err
}

func (f *fixed) set(security *Security, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.security, f.err = security, err
}

func mustSecurity(t *testing.T, config SecurityConfig) *Security {
	t.Helper()
	s, err := NewSecurity(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newAuthority(t *testing.T, name string) *kafkaproc.Authority {
	t.Helper()
	a, err := kafkaproc.NewAuthority(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *kafkaproc.Authority, until time.Duration, hosts ...string) kafkaproc.Certificate {
	t.Helper()
	c, err := a.Issue("test", time.Now().Add(until), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// secured is a fake cluster behind TLS or SASL, and a handle on it.
type secured struct {
	gateway *Gateway
	kafka   *kfake.Cluster
	source  *fixed
	cluster *Cluster
}

func newSecured(t *testing.T, opts Options, config SecurityConfig, kafkaOpts ...kfake.Opt) *secured {
	t.Helper()
	kafka, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, kafkaOpts...)...)
	if err != nil {
		t.Fatal(err)
	}
	gateway := New(opts)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); gateway.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		kafka.Close()
	})
	s := &secured{gateway: gateway, kafka: kafka, source: &fixed{security: mustSecurity(t, config)}}
	s.cluster = gateway.Cluster(Target{Key: "streams/theirs/uid-1", Bootstrap: kafka.ListenAddrs(), Security: s.source})
	return s
}

// use does something by sarama and something by kmsg, on several connections.
func (s *secured) use(t *testing.T, topic string) error {
	t.Helper()
	ctx := testContext(t)
	if _, err := s.cluster.CreateTopic(ctx, NewTopic{Name: topic, Partitions: 3, Replicas: 1}, false); err != nil {
		return err
	}
	if _, err := s.cluster.TopicConfig(ctx, topic); err != nil {
		return err
	}
	offsets, err := s.cluster.Offsets(ctx, topic, ReadUncommitted)
	if err == nil && len(offsets) != 3 {
		err = fmt.Errorf("%d partitions have offsets, want 3", len(offsets))
	}
	return err
}

func serverTLS(t *testing.T, c kafkaproc.Certificate) *tls.Config {
	t.Helper()
	pair, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// awkward are a name and a password with what SCRAM escapes, and beyond ASCII.
const awkwardName, awkwardPassword = "a,b=c=2C", "pä=ss,wörd \u00a0"

func TestMechanisms(t *testing.T) {
	for _, mechanism := range []string{MechanismPlain, MechanismScramSHA256, MechanismScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			config := SecurityConfig{SASL: &SASLConfig{Mechanism: mechanism, Username: awkwardName, Password: awkwardPassword}}
			s := newSecured(t, Options{}, config, kfake.EnableSASL(), kfake.Superuser(mechanism, awkwardName, awkwardPassword))
			if err := s.use(t, "orders"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	authority := newAuthority(t, "theirs")
	client := issue(t, authority, time.Hour)
	server := serverTLS(t, issue(t, authority, time.Hour, "127.0.0.1", "::1"))
	mutual := server.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	mutual.ClientCAs.AppendCertsFromPEM(authority.PEM)
	named := serverTLS(t, issue(t, authority, time.Hour, "kafka.example.com"))
	for _, tc := range []struct {
		name   string
		server *tls.Config
		client TLSConfig
		words  string
	}{
		{"the host is verified", server, TLSConfig{Authorities: authority.PEM}, ""},
		{"a server name in its place", named, TLSConfig{Authorities: authority.PEM, ServerName: "kafka.example.com"}, ""},
		{"a client certificate", mutual, TLSConfig{Authorities: authority.PEM, Certificate: client.Cert, Key: client.Key}, ""},
		{"another host", named, TLSConfig{Authorities: authority.PEM}, "certificate is for another name"},
		{"another authority", server, TLSConfig{Authorities: newAuthority(t, "ours").PEM}, "not signed by a trusted authority"},
		{"an authority the system does not know", server, TLSConfig{}, "not signed by a trusted authority"},
		{"expired", serverTLS(t, issue(t, authority, -time.Minute, "127.0.0.1", "::1")), TLSConfig{Authorities: authority.PEM}, "is valid from"},
		{"no client certificate", mutual, TLSConfig{Authorities: authority.PEM}, "tls: certificate required"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSecured(t, Options{}, SecurityConfig{TLS: &tc.client}, kfake.TLS(tc.server))
			err := s.use(t, "orders")
			if tc.words == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			expectSecurityError(t, err, kafkaerr.ReasonTLSFailed, tc.words)
		})
	}
}

func expectSecurityError(t *testing.T, err error, reason, words string) {
	t.Helper()
	found := kafkaerr.SecurityErrors(err)
	if !kafkaerr.IsUnreachable(err) || len(found) == 0 || found[0].Reason != reason || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want unreachable for the reason %s, with %q", err, reason, words)
	}
}

// hangUp is a listener that takes the first bytes, answers with some of its own, and closes, as Apache Kafka does to those who speak
// TLS to a plain listener, and the other way round.
func hangUp(t *testing.T, answer []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := conn.Read(make([]byte, 4096)); err == nil {
				_, _ = conn.Write(answer)
			}
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestAListenerThatSpeaksOtherwiseIsSaidToDoSo(t *testing.T) {
	ask := func(address string, config SecurityConfig) error {
		gateway := New(Options{})
		t.Cleanup(func() { gateway.Forget("streams/theirs/1") })
		target := Target{Key: "streams/theirs/1", Bootstrap: []string{address}, Security: &fixed{security: mustSecurity(t, config)}}
		_, err := gateway.Cluster(target).Describe(testContext(t))
		return err
	}
	encrypted, plain := SecurityConfig{TLS: &TLSConfig{}}, SecurityConfig{}
	expectSecurityError(t, ask(hangUp(t, nil), encrypted), kafkaerr.ReasonTLSFailed, "may not speak TLS")
	expectSecurityError(t, ask(hangUp(t, []byte("HTTP/1.1 400 Bad Request\r\n")), encrypted), kafkaerr.ReasonTLSFailed, "does not speak TLS")
	alert := []byte{0x15, 0x03, 0x03, 0, 2, 2, 80}
	expectSecurityError(t, ask(hangUp(t, alert), plain), kafkaerr.ReasonTLSFailed, "the listener speaks TLS")
	if err := ask(hangUp(t, nil), plain); !kafkaerr.IsUnreachable(err) || !strings.Contains(err.Error(), "it may ask for TLS or authentication") {
		t.Errorf("error %v", err)
	}
}

func TestAMechanismThatIsNotOffered(t *testing.T) {
	s := newSecured(t, Options{}, SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismScramSHA512, Username: "alice", Password: "secret"}})
	s.kafka.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.kafka.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.ErrorCode, resp.SupportedMechanisms = 33, []string{"PLAIN", "GSSAPI"}
		return resp, nil, true
	})
	expectSecurityError(t, s.use(t, "orders"), kafkaerr.ReasonAuthenticationFailed, "GSSAPI, PLAIN and not SCRAM-SHA-512")
}

// refusing answers authentication as Apache Kafka does: kfake hangs up.
func refusing(s *secured, attempts *int) {
	s.kafka.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.kafka.KeepControl()
		*attempts++
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		said := "Authentication failed: Invalid username or password"
		resp.ErrorCode, resp.ErrorMessage = 58, &said
		return resp, nil, true
	})
}

func TestAWrongPasswordIsSaidOnceAndNotTriedAgainAndAgain(t *testing.T) {
	config := SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "alice", Password: "not-this"}}
	s := newSecured(t, Options{}, config, kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "alice", "this"))
	attempts := 0
	refusing(s, &attempts)
	for range 50 {
		_, err := s.cluster.Describe(testContext(t))
		expectSecurityError(t, err, kafkaerr.ReasonAuthenticationFailed, `PLAIN as "alice": Authentication failed: Invalid username or password (SASL_AUTHENTICATION_FAILED)`)
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, s.source.security.Config.SASL, *s.source.security.Config.SASL), "not-this") {
			t.Fatal("the password is printed")
		}
	}
	if attempts > len(s.kafka.ListenAddrs()) {
		t.Errorf("%d attempts at three brokers, want one each", attempts)
	}
}

func TestAChangedPasswordTakesEffectAtOnce(t *testing.T) {
	as := func(password string) SecurityConfig {
		return SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismScramSHA256, Username: "alice", Password: password}}
	}
	s := newSecured(t, Options{}, as("old"), kfake.EnableSASL(), kfake.Superuser(MechanismScramSHA256, "alice", "new"))
	if err := s.use(t, "orders"); err == nil {
		t.Fatal("the wrong password was let in")
	}
	s.source.set(mustSecurity(t, as("new")), nil)
	if err := s.use(t, "orders"); err != nil {
		t.Fatalf("the right password, while the verdict on the wrong one stands: %v", err)
	}
	// And the other way round: what was opened with another password is not used any more.
	s.source.set(mustSecurity(t, as("wrong")), nil)
	if _, err := s.cluster.Describe(testContext(t)); err == nil {
		t.Error("a connection of the former password is in use")
	}
	s.source.set(nil, fmt.Errorf("Secret streams/theirs does not exist"))
	_, err := s.cluster.Describe(testContext(t))
	expectSecurityError(t, err, kafkaerr.ReasonCredentialsUnavailable, "Secret streams/theirs does not exist")
	s.source.set(mustSecurity(t, as("new")), nil)
	if _, err := s.cluster.Describe(testContext(t)); err != nil {
		t.Error(err)
	}
}

// The same content is no change, though it was read anew.
func TestTheSameSecurityKeepsItsConnections(t *testing.T) {
	config := SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "alice", Password: "secret"}}
	dials := 0
	var mu sync.Mutex
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		dials++
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	s := newSecured(t, Options{Dial: dial}, config, kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "alice", "secret"))
	for range 20 {
		s.source.set(mustSecurity(t, config), nil)
		if _, err := s.cluster.Describe(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if dials > 3 {
		t.Errorf("%d connections for requests one after the other", dials)
	}
}

// Brokers with connections.max.reauth.ms end a session at the first request after it, which would make the outcome of a write unknown.
func TestASessionThatEndsIsReplacedBefore(t *testing.T) {
	config := SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismScramSHA512, Username: "alice", Password: "secret"}}
	s := newSecured(t, Options{}, config, kfake.EnableSASL(), kfake.Superuser(MechanismScramSHA512, "alice", "secret"),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "400"}))
	handshakes := 0
	s.kafka.ControlKey(int16(kmsg.SASLHandshake), func(kmsg.Request) (kmsg.Response, error, bool) {
		s.kafka.KeepControl()
		handshakes++
		return nil, nil, false
	})
	start, calls := time.Now(), 0
	eventually(t, "three sessions have passed", func() bool {
		calls++
		if _, err := s.cluster.CreateTopic(testContext(t), NewTopic{Name: fmt.Sprintf("orders-%d", calls), Partitions: 1, Replicas: 1}, false); err != nil {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		if _, err := s.cluster.TopicConfig(testContext(t), "orders-1"); err != nil {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		return time.Since(start) > 1500*time.Millisecond
	})
	if handshakes < 4 {
		t.Errorf("%d sessions in %v of 400 ms each", handshakes, time.Since(start))
	}
}

func TestNewSecurityRefuses(t *testing.T) {
	authority := newAuthority(t, "theirs")
	one, other := issue(t, authority, time.Hour), issue(t, authority, time.Hour)
	for _, tc := range []struct {
		name   string
		config SecurityConfig
		words  string
	}{
		{"no PEM", SecurityConfig{TLS: &TLSConfig{Authorities: []byte("none")}}, "no certificate in PEM format"},
		{"a key in its place", SecurityConfig{TLS: &TLSConfig{Authorities: one.Key}}, "PRIVATE KEY"},
		{"a key of another certificate", SecurityConfig{TLS: &TLSConfig{Certificate: one.Cert, Key: other.Key}}, "private key does not match"},
		{"half a certificate", SecurityConfig{TLS: &TLSConfig{Certificate: one.Cert}}, "client certificate"},
		{"an unknown mechanism", SecurityConfig{SASL: &SASLConfig{Mechanism: "GSSAPI", Username: "a", Password: "b"}}, `"GSSAPI" is not known`},
		{"no name", SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Password: "b"}}, "user name is empty"},
		{"no password", SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "a"}}, "password is empty"},
		{"a NUL", SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "a", Password: "b\x00c"}}, "NUL"},
	} {
		if _, err := NewSecurity(tc.config); err == nil || !strings.Contains(err.Error(), tc.words) {
			t.Errorf("%s: error %v, want %q", tc.name, err, tc.words)
		}
	}
}

// A Kafka that is deleted takes leave of nobody: what is kept of it goes when nobody has wanted it for long.
func TestAClusterThatNobodyWantsIsForgotten(t *testing.T) {
	clk := newFakeClock()
	config := SecurityConfig{SASL: &SASLConfig{Mechanism: MechanismPlain, Username: "alice", Password: "secret"}}
	s := newSecured(t, Options{Clock: clk}, config, kfake.EnableSASL(), kfake.Superuser(MechanismPlain, "alice", "secret"))
	used := s.gateway.Cluster(Target{Key: "streams/used/uid-2", Bootstrap: s.kafka.ListenAddrs(), Security: s.source})
	ask := func(c *Cluster) error { _, err := c.Describe(testContext(t)); return err }
	if err := ask(s.cluster); err != nil {
		t.Fatal(err)
	}
	known := func() int {
		s.gateway.mu.Lock()
		defer s.gateway.mu.Unlock()
		return len(s.gateway.clusters)
	}
	for range 2 {
		clk.Step(unusedLife/2 + time.Minute)
		s.gateway.Cluster(Target{Key: used.Key(), Bootstrap: s.kafka.ListenAddrs(), Security: s.source})
		if err := ask(used); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "only the cluster in use is known", func() bool {
		clk.Step(sweepEvery)
		s.gateway.Cluster(Target{Key: used.Key(), Bootstrap: s.kafka.ListenAddrs(), Security: s.source})
		return known() == 1
	})
	if err := ask(used); err != nil {
		t.Error(err)
	}
	if err := ask(s.cluster); !kafkaerr.IsUnreachable(err) {
		t.Errorf("the handle of the other: %v", err)
	}
}
