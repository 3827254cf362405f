// Package servingcert gives the server a serving certificate of its own and renews
// it: an authority in a Secret that all replicas share, a certificate a process, and
// the APIService that tells kube-apiserver which authority to trust.
package servingcert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"
	aggregatorclient "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
	"kafka.openshift.io/kafka-apiserver/pkg/pki"
)

const (
	// SecretName is the Secret that holds the authority.
	SecretName = "kafka-apiserver-ca"

	bundleKey = "ca-bundle.crt"

	authorityValidity = 10 * 365 * 24 * time.Hour
	servingValidity   = 90 * 24 * time.Hour
	// checkEvery bounds how long the whole group is away after somebody broke the caBundle.
	checkEvery = 10 * time.Second
)

// Provider is the certificate that the server presents.
type Provider struct {
	secrets     corev1client.SecretInterface
	apiServices aggregatorclient.APIServiceInterface
	apiService  string
	dnsNames    []string
	clock       clock.WithTicker
	metrics     *loopmetrics.Metrics

	mu        sync.RWMutex
	current   pki.Pair
	authority []byte
	listeners []dynamiccertificates.Listener
}

var _ dynamiccertificates.CertKeyContentProvider = &Provider{}

// Config is what a Provider needs.
type Config struct {
	// Secrets are those of the server's own namespace.
	Secrets corev1client.SecretInterface
	// APIServices with the name of the one whose caBundle is kept true.
	APIServices aggregatorclient.APIServiceInterface
	APIService  string
	// DNSNames are those of the server's Service; the first is what kube-apiserver verifies.
	DNSNames []string
	Clock    clock.WithTicker
	// Metrics may be nil.
	Metrics *loopmetrics.Metrics
}

// New builds a Provider. It has no certificate until Renew succeeds.
func New(config Config) *Provider {
	return &Provider{secrets: config.Secrets, apiServices: config.APIServices, apiService: config.APIService,
		dnsNames: config.DNSNames, clock: config.Clock, metrics: config.Metrics}
}

// Name implements dynamiccertificates.CertKeyContentProvider.
func (*Provider) Name() string { return "serving certificate of this server's own authority" }

// CurrentCertKeyContent implements dynamiccertificates.CertKeyContentProvider.
func (p *Provider) CurrentCertKeyContent() ([]byte, []byte) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.current.Cert, p.current.Key
}

// AddListener implements dynamiccertificates.Notifier.
func (p *Provider) AddListener(listener dynamiccertificates.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, listener)
}

// Run renews until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	ticker := p.clock.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		start := p.clock.Now()
		renewed, published := p.Renew(ctx), p.publish(ctx)
		if ctx.Err() != nil {
			return
		}
		if renewed != nil {
			klog.FromContext(ctx).Error(renewed, "Serving certificate not checked")
		}
		if published != nil {
			klog.FromContext(ctx).Error(published, "APIService not checked", "apiService", p.apiService)
		}
		p.metrics.Observe("serving-certificate", errors.Join(renewed, published), p.clock.Since(start))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// Renew makes sure that there is an authority and a certificate of it, replacing either after two thirds of its life.
// A new authority is published before it issues anything, and the old one stays trusted until it expires.
func (p *Provider) Renew(ctx context.Context) error {
	authority, bundle, err := p.loadAuthority(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.authority = bundle
	current := p.current
	p.mu.Unlock()
	if current.Cert != nil && pki.IssuedBy(current.Cert, authority.Cert) && !p.due(current.Cert) {
		return nil
	}
	// Whoever trusts only an old authority has to learn of the new one before this server shows its certificate.
	if err := p.publish(ctx); err != nil {
		return err
	}
	issued, err := pki.IssueServer(authority, p.dnsNames, p.clock.Now(), servingValidity)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.current = issued
	listeners := p.listeners
	p.mu.Unlock()
	for _, listener := range listeners {
		listener.Enqueue()
	}
	klog.FromContext(ctx).Info("Serving certificate issued", "dnsNames", p.dnsNames)
	return nil
}

func (p *Provider) due(cert []byte) bool {
	at, err := pki.RenewAt(cert)
	return err != nil || p.clock.Now().After(at)
}

// loadAuthority reads the authority, and makes or replaces it when it is missing or old. Another replica may be faster;
// its authority counts then.
func (p *Provider) loadAuthority(ctx context.Context) (pki.Pair, []byte, error) {
	secret, err := p.secrets.Get(ctx, SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: SecretName}, Type: corev1.SecretTypeTLS}
		if err := p.fill(secret); err != nil {
			return pki.Pair{}, nil, err
		}
		if secret, err = p.secrets.Create(ctx, secret, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			secret, err = p.secrets.Get(ctx, SecretName, metav1.GetOptions{})
		}
	case err == nil && (p.due(secret.Data[corev1.TLSCertKey]) || !pki.CanIssue(authorityIn(secret))):
		secret = secret.DeepCopy()
		if err := p.fill(secret); err != nil {
			return pki.Pair{}, nil, err
		}
		if secret, err = p.secrets.Update(ctx, secret, metav1.UpdateOptions{}); apierrors.IsConflict(err) {
			secret, err = p.secrets.Get(ctx, SecretName, metav1.GetOptions{})
		}
	}
	if err != nil {
		return pki.Pair{}, nil, fmt.Errorf("keep the authority in Secret %s: %w", SecretName, err)
	}
	pair := authorityIn(secret)
	return pair, pki.Bundle(pair.Cert, secret.Data[bundleKey], p.clock.Now()), nil
}

func authorityIn(secret *corev1.Secret) pki.Pair {
	return pki.Pair{Cert: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey]}
}

// fill puts a new authority into a Secret. The bundle keeps those of before, also when the Secret was lost: other replicas
// show certificates of them until they look.
func (p *Provider) fill(secret *corev1.Secret) error {
	authority, err := pki.NewAuthority("kafka-apiserver", p.clock.Now(), authorityValidity)
	if err != nil {
		return err
	}
	p.mu.RLock()
	known := p.authority
	p.mu.RUnlock()
	bundle := authority.Cert
	for _, older := range [][]byte{secret.Data[bundleKey], secret.Data[corev1.TLSCertKey], known} {
		bundle = pki.Bundle(bundle, older, p.clock.Now())
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: authority.Cert, corev1.TLSPrivateKeyKey: authority.Key, bundleKey: bundle}
	return nil
}

// publish keeps the APIService's caBundle true. An APIService that does not exist yet is looked for again.
func (p *Provider) publish(ctx context.Context) error {
	p.mu.RLock()
	bundle := p.authority
	p.mu.RUnlock()
	if bundle == nil {
		return errors.New("there is no authority yet")
	}
	service, err := p.apiServices.Get(ctx, p.apiService, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read APIService %s: %w", p.apiService, err)
	case bytes.Equal(service.Spec.CABundle, bundle) && !service.Spec.InsecureSkipTLSVerify:
		return nil
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"caBundle": bundle, "insecureSkipTLSVerify": false}})
	if err != nil {
		return err
	}
	if _, err := p.apiServices.Patch(ctx, p.apiService, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("write the caBundle of APIService %s: %w", p.apiService, err)
	}
	klog.FromContext(ctx).Info("APIService trusts this server's authority", "apiService", p.apiService)
	return nil
}
