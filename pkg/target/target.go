// Package target turns a Kafka object into what pkg/broker needs to reach its brokers: addresses, and the security that the object and
// its Secrets ask for. It keeps Secrets that are in use for seconds, and never writes anything.
package target

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// plainListener is the listener of a cluster that is run here that the API server and the controllers use.
const plainListener = "plain"

// ReasonClusterClaimed is Ready's reason of a Kafka whose brokers are those of another. Only the API server gives it.
const ReasonClusterClaimed = "ClusterClaimed"

// ReasonBrokersUnreachable is the reason of an external Kafka whose brokers are not reached at the addresses that they advertise, although one
// answers at a bootstrap address: of Degraded when some are not, of Ready when none is.
const ReasonBrokersUnreachable = "BrokersUnreachable"

// ErrNoHost says that there are no Secrets, because there is no Kubernetes around.
var ErrNoHost = errors.New("Secrets are kept by the Kubernetes that this API is part of, and this server runs without one")

// Resolver finds the brokers of Kafkas. Make it with New.
type Resolver struct {
	secrets Secrets
	clock   clock.PassiveClock
	// verified says that Kafkas are asked only as the cluster that the API server has found them to be.
	verified bool
	// addresses are where external Kafkas may be; nil is anywhere.
	addresses *Addresses

	mu       sync.Mutex
	readings map[types.NamespacedName]*reading
	// built is the security of Kafkas by the key of their target.
	built map[string]*built
}

// built is a Security with what it was made of.
type built struct {
	external *v1beta1.ExternalSpec
	secrets  []*corev1.Secret
	security *broker.Security
	err      error
	used     time.Time
}

// New builds a Resolver. Without secrets, Kafkas that refer to some cannot be reached.
func New(secrets Secrets, clock clock.PassiveClock) *Resolver {
	return &Resolver{secrets: secrets, clock: clock, readings: map[types.NamespacedName]*reading{}, built: map[string]*built{}}
}

// NewVerified is New for who has no claims of its own to look at: external Kafkas have no address before the API server says in their
// status which cluster they are, about the spec of today, nor while it says that this is another's, or where none may be, and are only asked when
// they are that cluster.
func NewVerified(secrets Secrets, clock clock.PassiveClock) *Resolver {
	r := New(secrets, clock)
	r.verified = true
	return r
}

// Restrict keeps external Kafkas to some addresses. It is for before the Resolver is used.
func (r *Resolver) Restrict(addresses *Addresses) *Resolver {
	r.addresses = addresses
	return r
}

// Addresses are where external Kafkas may be; nil is anywhere.
func (r *Resolver) Addresses() *Addresses { return r.addresses }

// HasSecrets tells whether Secrets can be referred to.
func (r *Resolver) HasSecrets() bool { return r.secrets != nil }

// Of is where and how the brokers of a Kafka are asked; false while it has no address. It asks nobody: Secrets are read when a
// connection is wanted.
func (r *Resolver) Of(kafka *v1beta1.Kafka) (broker.Target, bool) {
	t := broker.Target{Key: fmt.Sprintf("%s/%s/%s", kafka.Namespace, kafka.Name, kafka.UID)}
	if external := kafka.Spec.External; external != nil {
		t.Bootstrap, t.UnmanagedTopicConfigs = external.BootstrapServers, external.UnmanagedTopicConfigs
		if r.addresses != nil {
			t.Within = r.addresses
		}
		if external.TLS != nil || external.Authentication != nil {
			t.Security = source{resolver: r, key: t.Key, namespace: kafka.Namespace, external: external.DeepCopy()}
		}
		if id := Pinned(kafka); id != "" {
			// Whoever has got hold of the cluster that a Kafka was never reaches by it the one that it is now.
			t.Key += "/" + id
			t.Gate = pin{kafka: kafka.Namespace + "/" + kafka.Name, id: id, confirmed: external.ClusterID != ""}
		}
		return t, len(t.Bootstrap) > 0 && r.identified(kafka, &t)
	}
	if kafka.Spec.Brokers != nil && kafka.Spec.Brokers.Replicas != nil {
		t.Brokers = int(*kafka.Spec.Brokers.Replicas)
	}
	for _, listener := range kafka.Status.Listeners {
		if listener.Name == plainListener {
			t.Bootstrap = listener.Addresses
		}
	}
	return t, len(t.Bootstrap) > 0 && r.identified(kafka, &t)
}

// identified tells whether a Kafka may be asked as far as its status says, and keeps its target to the cluster that it is.
func (r *Resolver) identified(kafka *v1beta1.Kafka, t *broker.Target) bool {
	if !r.verified {
		return true
	}
	if Claimed(kafka) || Barred(kafka) != nil {
		return false
	}
	if kafka.Spec.External == nil {
		return true
	}
	// That the cluster which the spec names may be this Kafka's is the API server's to say, and of each spec anew: somebody else may have written it.
	return kafka.Status.ClusterID != "" && kafka.Status.ClusterID == Pinned(kafka) && kafka.Status.ObservedGeneration == kafka.Generation
}

// Claimed tells whether a Kafka's brokers are those of another, so that nothing is to be done on them for this one.
func Claimed(kafka *v1beta1.Kafka) bool {
	ready := meta.FindStatusCondition(kafka.Status.Conditions, v1beta1.ConditionReady)
	return ready != nil && ready.Reason == ReasonClusterClaimed
}

// Barred is why the brokers of an external Kafka are asked nothing, nil when they are: its status says that some are where none may be, or that
// another cluster answers in the place of its own. Requests would be served by those that are elsewhere, or still at the addresses that they advertise,
// or fail, as it happens; a site that is being left would get what is written, and whoever reads the status would not know it.
func Barred(kafka *v1beta1.Kafka) *kafkaerr.SecurityError {
	if why := NotAllowed(kafka); why != nil {
		return why
	}
	ready := meta.FindStatusCondition(kafka.Status.Conditions, v1beta1.ConditionReady)
	// Another spec may name the cluster that answers, or other addresses.
	if kafka.Spec.External == nil || ready == nil || ready.Reason != kafkaerr.ReasonClusterReplaced || ready.ObservedGeneration != kafka.Generation {
		return nil
	}
	return &kafkaerr.SecurityError{Reason: ready.Reason, Text: ready.Message}
}

// NotAllowed is why the brokers of an external Kafka are said to be where none may be, nil when they are not. What was said of other bootstrap
// servers does not count.
func NotAllowed(kafka *v1beta1.Kafka) *kafkaerr.SecurityError {
	ready := meta.FindStatusCondition(kafka.Status.Conditions, v1beta1.ConditionReady)
	if kafka.Spec.External == nil || ready == nil || ready.Reason != kafkaerr.ReasonAddressNotAllowed || !lookedAt(kafka, ready) {
		return nil
	}
	return &kafkaerr.SecurityError{Reason: ready.Reason, Text: ready.Message}
}

// lookedAt tells whether the status of an external Kafka is about the bootstrap servers of its spec, whatever else of it has changed.
func lookedAt(kafka *v1beta1.Kafka, ready *metav1.Condition) bool {
	if len(kafka.Status.Listeners) == 0 {
		// The controllers have not been there.
		return ready.ObservedGeneration == kafka.Generation
	}
	servers := strings.Join(kafka.Spec.External.BootstrapServers, ",")
	return slices.ContainsFunc(kafka.Status.Listeners, func(l v1beta1.ListenerStatus) bool { return l.BootstrapServers == servers })
}

// source is the security of one Kafka.
type source struct {
	resolver       *Resolver
	key, namespace string
	external       *v1beta1.ExternalSpec
}

var _ broker.SecuritySource = source{}

// Security implements broker.SecuritySource.
func (s source) Security(ctx context.Context) (*broker.Security, error) {
	var secrets []*corev1.Secret
	for _, name := range SecretsOf(s.external) {
		secret, err := s.resolver.secret(ctx, types.NamespacedName{Namespace: s.namespace, Name: name})
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, secret)
	}
	return s.resolver.build(s, secrets)
}

// build makes a Security, or returns the one that was made of the same before.
func (r *Resolver) build(s source, secrets []*corev1.Secret) (*broker.Security, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if b := r.built[s.key]; b != nil && slices.Equal(b.secrets, secrets) && reflect.DeepEqual(b.external, s.external) {
		b.used = now
		return b.security, b.err
	}
	for key, b := range r.built {
		if now.Sub(b.used) > unusedFor {
			delete(r.built, key)
		}
	}
	b := &built{external: s.external, secrets: secrets, used: now}
	var config broker.SecurityConfig
	if config, b.err = securityConfig(s.external, secrets); b.err == nil {
		b.security, b.err = broker.NewSecurity(config)
	}
	r.built[s.key] = b
	return b.security, b.err
}

// SecretsOf are the names of the Secrets that an external cluster refers to, each once.
func SecretsOf(external *v1beta1.ExternalSpec) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if tls := external.TLS; tls != nil {
		if tls.CASecretRef != nil {
			add(tls.CASecretRef.Name)
		}
		if tls.ClientCertificateSecretRef != nil {
			add(tls.ClientCertificateSecretRef.Name)
		}
	}
	if external.Authentication != nil {
		add(external.Authentication.SecretRef.Name)
	}
	return names
}

// securityConfig takes the entries out of Secrets.
func securityConfig(external *v1beta1.ExternalSpec, secrets []*corev1.Secret) (broker.SecurityConfig, error) {
	var config broker.SecurityConfig
	var missing []error
	entry := func(name, key string) []byte {
		i := slices.IndexFunc(secrets, func(s *corev1.Secret) bool { return s.Name == name })
		value := secrets[i].Data[key]
		if len(value) == 0 {
			missing = append(missing, fmt.Errorf("Secret %s/%s has no entry %q", secrets[i].Namespace, name, key))
		}
		return value
	}
	if tls := external.TLS; tls != nil {
		config.TLS = &broker.TLSConfig{Authorities: []byte(tls.CABundle), ServerName: tls.ServerName}
		if ref := tls.CASecretRef; ref != nil {
			config.TLS.Authorities = entry(ref.Name, ref.Key)
		}
		if ref := tls.ClientCertificateSecretRef; ref != nil {
			config.TLS.Certificate, config.TLS.Key = entry(ref.Name, corev1.TLSCertKey), entry(ref.Name, corev1.TLSPrivateKeyKey)
		}
	}
	if authentication := external.Authentication; authentication != nil {
		ref := authentication.SecretRef
		config.SASL = &broker.SASLConfig{Mechanism: string(authentication.Type), Username: authentication.Username, Password: string(entry(ref.Name, ref.PasswordKey))}
		if config.SASL.Username == "" {
			config.SASL.Username = string(entry(ref.Name, ref.UsernameKey))
		}
	}
	return config, errors.Join(missing...)
}
