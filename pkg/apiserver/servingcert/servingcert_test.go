package servingcert

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregatorfake "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/fake"
	clocktesting "k8s.io/utils/clock/testing"

	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
)

const (
	namespace  = "kafka-system"
	apiService = "v1beta1.kafka.openshift.io"
	dnsName    = "kafka-apiserver.kafka-system.svc"
	day        = 24 * time.Hour
)

// world is a host with an APIService, as seen by replicas that share a clock.
type world struct {
	host       *fake.Clientset
	aggregator *aggregatorfake.Clientset
	clock      *clocktesting.FakeClock
}

func newWorld() *world {
	return &world{
		host:       fake.NewClientset(),
		aggregator: aggregatorfake.NewSimpleClientset(newAPIService(nil)),
		clock:      clocktesting.NewFakeClock(time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)),
	}
}

func newAPIService(bundle []byte) *apiregistrationv1.APIService {
	return &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: apiService},
		Spec: apiregistrationv1.APIServiceSpec{CABundle: bundle}}
}

func (w *world) replica() *Provider {
	return New(Config{Secrets: w.host.CoreV1().Secrets(namespace), APIServices: w.aggregator.ApiregistrationV1().APIServices(),
		APIService: apiService, DNSNames: []string{dnsName, "localhost"}, Clock: w.clock})
}

func (w *world) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	secret, err := w.host.CoreV1().Secrets(namespace).Get(t.Context(), SecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func (w *world) published(t *testing.T) *apiregistrationv1.APIService {
	t.Helper()
	service, err := w.aggregator.ApiregistrationV1().APIServices().Get(t.Context(), apiService, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// check is one round of Run.
func check(t *testing.T, p *Provider) {
	t.Helper()
	if err := p.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// trusted verifies as kube-apiserver does.
func (w *world) trusted(bundle, leaf []byte) error {
	block, _ := pem.Decode(leaf)
	if block == nil {
		return errors.New("there is no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: dnsName, CurrentTime: w.clock.Now()})
	return err
}

func leafOf(p *Provider) []byte {
	cert, _ := p.CurrentCertKeyContent()
	return cert
}

func (w *world) expectTrusted(t *testing.T, p *Provider) {
	t.Helper()
	if err := w.trusted(w.published(t).Spec.CABundle, leafOf(p)); err != nil {
		t.Errorf("kube-apiserver does not trust the certificate that is served: %v", err)
	}
}

// writes counts what a client changed.
func writes(actions []clienttesting.Action) int {
	n := 0
	for _, action := range actions {
		switch action.GetVerb() {
		case "create", "update", "patch", "delete":
			n++
		}
	}
	return n
}

// listener counts calls.
type listener struct{ calls atomic.Int64 }

func (l *listener) Enqueue() { l.calls.Add(1) }

func TestFirstStart(t *testing.T) {
	w := newWorld()
	p := w.replica()
	if cert, key := p.CurrentCertKeyContent(); cert != nil || key != nil {
		t.Error("there is a certificate before the first Renew")
	}
	if err := p.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expectTrusted(t, p)
	if secret := w.secret(t); secret.Type != corev1.SecretTypeTLS || len(secret.Data[corev1.TLSPrivateKeyKey]) == 0 {
		t.Errorf("the authority's Secret is %s with %d keys", secret.Type, len(secret.Data))
	}
}

func TestWhatIsTrueIsNotWritten(t *testing.T) {
	w := newWorld()
	p := w.replica()
	var told listener
	p.AddListener(&told)
	check(t, p)
	w.host.ClearActions()
	w.aggregator.ClearActions()
	for range 3 {
		w.clock.Step(day)
		check(t, p)
	}
	if n := writes(w.host.Actions()) + writes(w.aggregator.Actions()); n != 0 {
		t.Errorf("%d writes with nothing to do", n)
	}
	if n := told.calls.Load(); n != 1 {
		t.Errorf("listeners were told %d times, want once", n)
	}
}

func TestCABundleIsKeptTrue(t *testing.T) {
	for name, broken := range map[string]apiregistrationv1.APIServiceSpec{
		"emptied":  {},
		"foreign":  {CABundle: []byte("-----BEGIN CERTIFICATE-----\nZm9yZWlnbg==\n-----END CERTIFICATE-----\n")},
		"insecure": {InsecureSkipTLSVerify: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			p := w.replica()
			check(t, p)
			service := w.published(t)
			service.Spec = broken
			if _, err := w.aggregator.ApiregistrationV1().APIServices().Update(t.Context(), service, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			check(t, p)
			w.expectTrusted(t, p)
			if w.published(t).Spec.InsecureSkipTLSVerify {
				t.Error("the certificate is not verified")
			}
		})
	}
}

func TestAnAPIServiceThatComesLaterIsFound(t *testing.T) {
	w := newWorld()
	services := w.aggregator.ApiregistrationV1().APIServices()
	if err := services.Delete(t.Context(), apiService, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p := w.replica()
	check(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if _, err := services.Create(t.Context(), newAPIService(nil), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for w.trusted(w.published(t).Spec.CABundle, leafOf(p)) != nil {
		select {
		case <-tick.C:
			w.clock.Step(checkEvery)
		case <-deadline:
			t.Fatal("the caBundle is never written")
		}
	}
}

func TestChecksAreCounted(t *testing.T) {
	w := newWorld()
	registry := metrics.NewKubeRegistry()
	loops, err := loopmetrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	var fails atomic.Bool
	fails.Store(true)
	w.aggregator.PrependReactor("get", "apiservices", func(clienttesting.Action) (bool, runtime.Object, error) {
		return fails.Load(), nil, apierrors.NewInternalError(errors.New("etcd is away"))
	})
	p := w.replica()
	p.metrics = loops
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	for _, result := range []string{"error", "ok"} {
		err := wait.PollUntilContextTimeout(ctx, 2*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
			w.clock.Step(checkEvery)
			values, _ := testutil.GetCounterValuesFromGatherer(registry, "kafka_apiserver_controller_syncs_total",
				map[string]string{"controller": "serving-certificate"}, "result")
			return values[result] > 0, nil
		})
		if err != nil {
			t.Fatalf("no check ended with %s", result)
		}
		fails.Store(false)
	}
}

func TestALeafIsReplacedBeforeItExpires(t *testing.T) {
	w := newWorld()
	p := w.replica()
	var told listener
	p.AddListener(&told)
	check(t, p)
	first, authority := leafOf(p), w.secret(t).Data[corev1.TLSCertKey]
	w.clock.Step(59 * day)
	check(t, p)
	if !bytes.Equal(leafOf(p), first) {
		t.Error("replaced before two thirds of its life")
	}
	w.clock.Step(2 * day)
	check(t, p)
	if bytes.Equal(leafOf(p), first) {
		t.Error("not replaced after two thirds of its life")
	}
	if n := told.calls.Load(); n != 2 {
		t.Errorf("listeners were told %d times, want twice", n)
	}
	if !bytes.Equal(w.secret(t).Data[corev1.TLSCertKey], authority) {
		t.Error("the authority was replaced with its leaf")
	}
	w.expectTrusted(t, p)
}

// A leaf of an authority that nobody trusts yet would cut the group off; so would an old leaf whose authority has left the bundle.
func TestANewAuthorityIsPublishedBeforeItsLeaf(t *testing.T) {
	w := newWorld()
	p, other := w.replica(), w.replica()
	check(t, p)
	check(t, other)
	old := w.secret(t).Data[corev1.TLSCertKey]
	oldLeaf := leafOf(p)

	w.clock.Step(authorityValidity * 2 / 3)
	w.clock.Step(day)
	// As long as the APIService cannot be written, the old leaf stays.
	down, watching := true, true
	w.aggregator.PrependReactor("patch", "apiservices", func(clienttesting.Action) (bool, runtime.Object, error) {
		if down {
			return true, nil, apierrors.NewInternalError(errors.New("etcd is away"))
		}
		if watching && !bytes.Equal(leafOf(p), oldLeaf) {
			t.Error("the new leaf is served before its authority is published")
		}
		return false, nil, nil
	})
	if err := p.Renew(t.Context()); err == nil || !bytes.Equal(leafOf(p), oldLeaf) {
		t.Errorf("without a way to publish: %v, and a new leaf: %t", err, !bytes.Equal(leafOf(p), oldLeaf))
	}
	if bytes.Equal(w.secret(t).Data[corev1.TLSCertKey], old) {
		t.Error("the authority was not replaced after two thirds of its life")
	}
	down = false
	if err := p.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	watching = false
	if bytes.Equal(leafOf(p), oldLeaf) {
		t.Error("the leaf of the old authority stays")
	}
	w.expectTrusted(t, p)
	if bundle := w.published(t).Spec.CABundle; !bytes.Contains(bundle, old) {
		t.Error("the old authority has left the bundle before it expired")
	}
	check(t, other)
	w.expectTrusted(t, other)

	w.clock.Step(authorityValidity/3 + day)
	check(t, p)
	if bundle := w.published(t).Spec.CABundle; bytes.Contains(bundle, old) {
		t.Error("the expired authority stays in the bundle")
	}
}

func TestABrokenSecretIsMended(t *testing.T) {
	foreign := newWorld()
	check(t, foreign.replica())
	foreignKey := foreign.secret(t).Data[corev1.TLSPrivateKeyKey]
	for name, data := range map[string]map[string][]byte{
		"empty":         nil,
		"without key":   {corev1.TLSPrivateKeyKey: nil},
		"broken key":    {corev1.TLSPrivateKeyKey: []byte("x")},
		"another's key": {corev1.TLSPrivateKeyKey: foreignKey},
		"broken cert":   {corev1.TLSCertKey: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			check(t, w.replica())
			secret := w.secret(t)
			if data == nil {
				secret.Data = nil
			}
			for key, value := range data {
				secret.Data[key] = value
			}
			if _, err := w.host.CoreV1().Secrets(namespace).Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
			restarted := w.replica()
			check(t, restarted)
			w.expectTrusted(t, restarted)
		})
	}
}

// Somebody deletes the Secret: replicas that still show a leaf of the lost authority stay trusted until they have a new one.
func TestALostSecretIsMadeAgain(t *testing.T) {
	w := newWorld()
	first, second := w.replica(), w.replica()
	check(t, first)
	check(t, second)
	if err := w.host.CoreV1().Secrets(namespace).Delete(t.Context(), SecretName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	check(t, first)
	w.expectTrusted(t, first)
	w.expectTrusted(t, second)
	check(t, second)
	w.expectTrusted(t, first)
	w.expectTrusted(t, second)
}

func TestAHostThatIsAwayIsAnError(t *testing.T) {
	w := newWorld()
	p := w.replica()
	w.host.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewServiceUnavailable("etcd is away")
	})
	if err := p.Renew(t.Context()); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("Renew: %v, want the host's error", err)
	}
	if err := p.publish(t.Context()); err == nil {
		t.Error("an authority that does not exist was published")
	}
}
