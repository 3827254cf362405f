package servingcert

import (
	"bytes"
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// racing is a replica's view of Secrets while another one is faster.
type racing struct {
	corev1client.SecretInterface
	// beforeWrite happens once, between what the replica read and what it writes.
	beforeWrite func()
}

func (r *racing) Create(ctx context.Context, secret *corev1.Secret, options metav1.CreateOptions) (*corev1.Secret, error) {
	r.race()
	return r.SecretInterface.Create(ctx, secret, options)
}

func (r *racing) Update(ctx context.Context, secret *corev1.Secret, options metav1.UpdateOptions) (*corev1.Secret, error) {
	if r.race() {
		return nil, apierrors.NewConflict(corev1.Resource("secrets"), SecretName, errors.New("modified"))
	}
	return r.SecretInterface.Update(ctx, secret, options)
}

func (r *racing) race() bool {
	happens := r.beforeWrite
	r.beforeWrite = nil
	if happens != nil {
		happens()
	}
	return happens != nil
}

func TestReplicasShareOneAuthority(t *testing.T) {
	w := newWorld()
	first, second := w.replica(), w.replica()
	second.secrets = &racing{second.secrets, func() { check(t, first) }}
	check(t, second)
	check(t, first)
	w.expectTrusted(t, first)
	w.expectTrusted(t, second)
	if bytes.Equal(leafOf(first), leafOf(second)) {
		t.Error("replicas share a certificate, and so a key")
	}
}

// Two replicas find the authority due at once: the one that loses takes the winner's.
func TestOneReplicaReplacesTheAuthority(t *testing.T) {
	w := newWorld()
	first, second := w.replica(), w.replica()
	check(t, first)
	check(t, second)
	w.clock.Step(authorityValidity*2/3 + day)
	second.secrets = &racing{second.secrets, func() { check(t, first) }}
	check(t, second)
	w.expectTrusted(t, first)
	w.expectTrusted(t, second)
}
