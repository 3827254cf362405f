package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// host keeps Secrets, counts who reads them, and can be away.
type host struct {
	mu    sync.Mutex
	kept  map[string]map[string]string
	reads int
	err   error
}

func (h *host) Secret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	if h.err != nil {
		return nil, h.err
	}
	entries, ok := h.kept[namespace+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(corev1.Resource("secrets"), name)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{}}
	for key, value := range entries {
		secret.Data[key] = []byte(value)
	}
	return secret, nil
}

func (h *host) do(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func newHost() *host {
	return &host{kept: map[string]map[string]string{"streams/creds": {"username": "alice", "password": "secret"}}}
}

func newKafka(change func(*v1beta1.ExternalSpec)) *v1beta1.Kafka {
	external := &v1beta1.ExternalSpec{BootstrapServers: []string{"k1:9093"}, Authentication: &v1beta1.ExternalAuthentication{
		Type: v1beta1.AuthenticationScramSHA512, SecretRef: v1beta1.UserSecretReference{Name: "creds", UsernameKey: "username", PasswordKey: "password"}}}
	if change != nil {
		change(external)
	}
	return &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "theirs", UID: "u"}, Spec: v1beta1.KafkaSpec{External: external}}
}

func security(t *testing.T, r *Resolver, k *v1beta1.Kafka) (*broker.Security, error) {
	t.Helper()
	at, known := r.Of(k)
	if !known || at.Security == nil {
		t.Fatalf("the target is %+v", at)
	}
	return at.Security.Security(t.Context())
}

func TestOf(t *testing.T) {
	r := New(nil, clocktesting.NewFakeClock(time.Now()))
	plain := newKafka(func(e *v1beta1.ExternalSpec) { e.Authentication = nil })
	here := &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: "streams", Name: "ours", UID: "v"}}
	up := here.DeepCopy()
	up.Status.Listeners = []v1beta1.ListenerStatus{{Name: "other", Addresses: []string{"no:1"}}, {Name: "plain", Addresses: []string{"b0:9092", "b1:9092"}}}
	for _, tc := range []struct {
		rule      string
		kafka     *v1beta1.Kafka
		key       string
		bootstrap []string
		secured   bool
	}{
		{"an external cluster is where its spec says", plain, "streams/theirs/u", []string{"k1:9093"}, false},
		{"with authentication it is secured", newKafka(nil), "streams/theirs/u", []string{"k1:9093"}, true},
		{"so it is with TLS alone", newKafka(func(e *v1beta1.ExternalSpec) { e.Authentication, e.TLS = nil, &v1beta1.ExternalTLS{} }), "streams/theirs/u", []string{"k1:9093"}, true},
		{"a cluster that is run here is at its plain listener", up, "streams/ours/v", []string{"b0:9092", "b1:9092"}, false},
		{"and nowhere before it has one", here, "streams/ours/v", nil, false},
	} {
		at, known := r.Of(tc.kafka)
		if at.Key != tc.key || !slices.Equal(at.Bootstrap, tc.bootstrap) || (at.Security != nil) != tc.secured || known != (tc.bootstrap != nil) {
			t.Errorf("%s: got %+v, %t", tc.rule, at, known)
		}
	}
}

func TestASecretIsReadAgainWhenItIsNeededAndNotFresh(t *testing.T) {
	h, clock := newHost(), clocktesting.NewFakeClock(time.Now())
	r := New(h, clock)
	first, err := security(t, r, newKafka(nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if s, err := security(t, r, newKafka(nil)); err != nil || s != first {
			t.Fatalf("got another security: %v", err)
		}
	}
	if h.reads != 1 {
		t.Errorf("read %d times at once, want once", h.reads)
	}
	clock.Step(freshFor)
	if s, err := security(t, r, newKafka(nil)); err != nil || s != first || h.reads != 2 {
		t.Errorf("after %s: %d reads, the same: %t, %v", freshFor, h.reads, s == first, err)
	}
	h.do(func() { h.kept["streams/creds"]["password"] = "changed" })
	clock.Step(freshFor)
	if s, err := security(t, r, newKafka(nil)); err != nil || s == first {
		t.Errorf("a changed password is not noticed: %v", err)
	}
	clock.Step(24 * time.Hour)
	if h.reads != 3 {
		t.Errorf("%d reads: a Secret is read though nobody asks", h.reads)
	}
}

func TestAChangedKafkaIsNotServedFromWhatWasBuiltBefore(t *testing.T) {
	r := New(newHost(), clocktesting.NewFakeClock(time.Now()))
	first, err := security(t, r, newKafka(nil))
	if err != nil {
		t.Fatal(err)
	}
	changed := newKafka(func(e *v1beta1.ExternalSpec) { e.TLS = &v1beta1.ExternalTLS{ServerName: "kafka.example.com"} })
	if s, err := security(t, r, changed); err != nil || s == first {
		t.Errorf("TLS is not noticed: %v", err)
	}
}

// The host's API may be away; the brokers are not to go with it.
func TestWhileTheHostIsAwayWhatItSaidLastStands(t *testing.T) {
	h, clock := newHost(), clocktesting.NewFakeClock(time.Now())
	r := New(h, clock)
	first, err := security(t, r, newKafka(nil))
	if err != nil {
		t.Fatal(err)
	}
	h.do(func() { h.err = errors.New("connection refused") })
	clock.Step(time.Hour)
	if s, err := security(t, r, newKafka(nil)); err != nil || s != first {
		t.Errorf("got %v", err)
	}
	// A Secret that is gone, or no longer ours to read, is another matter.
	for _, gone := range []error{
		apierrors.NewNotFound(corev1.Resource("secrets"), "creds"),
		apierrors.NewForbidden(corev1.Resource("secrets"), "creds", errors.New("no")),
	} {
		h.do(func() { h.err = gone })
		clock.Step(freshFor)
		if _, err := security(t, r, newKafka(nil)); err == nil || !strings.Contains(err.Error(), "Secret streams/creds") {
			t.Errorf("got %v, want an error that names the Secret", err)
		}
	}
	h.do(func() { h.err = nil })
	clock.Step(freshFor)
	if _, err := security(t, r, newKafka(nil)); err != nil {
		t.Errorf("after it is back: %v", err)
	}
}

func TestACallerDoesNotWaitForTheHostLongerThanItWants(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	r := New(stuck(release), clocktesting.NewFakeClock(time.Now()))
	at, _ := r.Of(newKafka(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := at.Security.Security(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

// Secrets are read on goroutines of nobody's, where a panic would end the process.
func TestAPanicOverASecretIsItsError(t *testing.T) {
	r := New(broken{}, clocktesting.NewFakeClock(time.Now()))
	if _, err := security(t, r, newKafka(nil)); err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Secret(context.Context, string, string) (*corev1.Secret, error) { panic("a bug") }

type stuck chan struct{}

func (s stuck) Secret(ctx context.Context, _, _ string) (*corev1.Secret, error) {
	<-s
	return nil, ctx.Err()
}

func TestWhatIsInASecret(t *testing.T) {
	authority, err := kafkaproc.NewAuthority("theirs")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Issue("client", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	h := newHost()
	h.kept["streams/ca"] = map[string]string{"ca.crt": string(authority.PEM), "bad": "none"}
	h.kept["streams/client"] = map[string]string{"tls.crt": string(client.Cert), "tls.key": string(client.Key)}
	h.kept["streams/half"] = map[string]string{"tls.crt": string(client.Cert)}
	for _, tc := range []struct {
		rule   string
		change func(*v1beta1.ExternalSpec)
		words  []string
	}{
		{"everything at once", func(e *v1beta1.ExternalSpec) {
			e.TLS = &v1beta1.ExternalTLS{CASecretRef: &v1beta1.SecretKeyReference{Name: "ca", Key: "ca.crt"}, ClientCertificateSecretRef: &v1beta1.SecretReference{Name: "client"}}
		}, nil},
		{"a name in the spec needs none in the Secret", func(e *v1beta1.ExternalSpec) {
			e.Authentication.Username, e.Authentication.SecretRef.UsernameKey = "bob", ""
		}, nil},
		{"no such Secret", func(e *v1beta1.ExternalSpec) { e.Authentication.SecretRef.Name = "other" }, []string{"Secret streams/other does not exist"}},
		{"no such entries", func(e *v1beta1.ExternalSpec) {
			e.Authentication.SecretRef.UsernameKey, e.Authentication.SecretRef.PasswordKey = "user", "pass"
		}, []string{`Secret streams/creds has no entry "user"`, `Secret streams/creds has no entry "pass"`}},
		{"a bad authority", func(e *v1beta1.ExternalSpec) {
			e.TLS = &v1beta1.ExternalTLS{CASecretRef: &v1beta1.SecretKeyReference{Name: "ca", Key: "bad"}}
		}, []string{"read the authorities"}},
		{"half a certificate", func(e *v1beta1.ExternalSpec) {
			e.TLS = &v1beta1.ExternalTLS{ClientCertificateSecretRef: &v1beta1.SecretReference{Name: "half"}}
		}, []string{`Secret streams/half has no entry "tls.key"`}},
	} {
		_, err := security(t, New(h, clocktesting.NewFakeClock(time.Now())), newKafka(tc.change))
		if (err == nil) != (tc.words == nil) {
			t.Errorf("%s: %v", tc.rule, err)
		}
		for _, words := range tc.words {
			if err != nil && !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %q", tc.rule, err, words)
			}
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: the error shows the password: %v", tc.rule, err)
		}
	}
	if _, err := security(t, New(nil, clocktesting.NewFakeClock(time.Now())), newKafka(nil)); !errors.Is(err, ErrNoHost) {
		t.Errorf("without a host: %v", err)
	}
}
