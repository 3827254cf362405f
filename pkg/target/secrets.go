package target

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/crash"
)

const (
	// freshFor is how long a Secret that was read is believed. It is read again when it is needed and no sooner, so that a cluster
	// that nobody asks costs nothing.
	freshFor = 5 * time.Second
	// readTimeout bounds one look at a Secret.
	readTimeout = 2 * time.Second
	// unusedFor is when what nobody asks for is let go of.
	unusedFor = 10 * time.Minute
)

// Secrets reads Secrets, one at a time and by name.
type Secrets interface {
	Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// HostSecrets are those of the Kubernetes that the API is part of.
type HostSecrets struct {
	Client corev1client.SecretsGetter
}

var _ Secrets = HostSecrets{}

// Secret implements Secrets.
func (h HostSecrets) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return h.Client.Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

// reading is what is known of one Secret.
type reading struct {
	// secret stays the same pointer while its content does.
	secret *corev1.Secret
	err    error
	at     time.Time
	used   time.Time
	// flight is closed when the look that is under way has ended; nil when none is.
	flight chan struct{}
}

// secret is a Secret as it was at most freshFor ago. Callers share one look at it.
func (r *Resolver) secret(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	if r.secrets == nil {
		return nil, fmt.Errorf("Secret %s cannot be read: %w", name, ErrNoHost)
	}
	r.mu.Lock()
	now := r.clock.Now()
	known := r.readings[name]
	if known == nil {
		r.forgetUnused(now)
		known = &reading{}
		r.readings[name] = known
	}
	known.used = now
	if !known.at.IsZero() && now.Sub(known.at) < freshFor {
		defer r.mu.Unlock()
		return known.secret, known.err
	}
	if known.flight == nil {
		known.flight = make(chan struct{})
		r.look(context.WithoutCancel(ctx), name, known)
	}
	flight := known.flight
	r.mu.Unlock()
	select {
	case <-flight:
		r.mu.Lock()
		defer r.mu.Unlock()
		return known.secret, known.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// look begins to read a Secret.
func (r *Resolver) look(ctx context.Context, name types.NamespacedName, known *reading) {
	var secret *corev1.Secret
	crash.Go(func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		secret, err = r.secrets.Secret(ctx, name.Namespace, name.Name)
		return err
	}, func(err error) { r.learn(name, known, secret, err) })
}

// learn notes what a look has found. While the host does not answer, what it said last stands: the brokers are not to become unreachable
// with it.
func (r *Resolver) learn(name types.NamespacedName, known *reading, secret *corev1.Secret, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		if known.secret == nil || !reflect.DeepEqual(known.secret.Data, secret.Data) {
			known.secret = secret
		}
		known.err = nil
	case apierrors.IsNotFound(err):
		known.secret, known.err = nil, fmt.Errorf("Secret %s does not exist", name)
	case apierrors.IsForbidden(err):
		known.secret, known.err = nil, fmt.Errorf("Secret %s may not be read: %w", name, err)
	case known.secret == nil:
		known.err = fmt.Errorf("Secret %s cannot be read: %w", name, err)
	}
	known.at = r.clock.Now()
	close(known.flight)
	known.flight = nil
}

func (r *Resolver) forgetUnused(now time.Time) {
	for name, known := range r.readings {
		if known.flight == nil && now.Sub(known.used) > unusedFor {
			delete(r.readings, name)
		}
	}
}
