package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// IdentityConfigMap is the name of the ConfigMap that holds the storage identity.
	IdentityConfigMap = "kafka-apiserver-storage"
	identityField     = "identity"
)

// ConfigMapRecord keeps the identity in a ConfigMap of the host.
type ConfigMapRecord struct {
	ConfigMaps corev1client.ConfigMapInterface
}

var _ HostRecord = ConfigMapRecord{}

// Load implements HostRecord.
func (r ConfigMapRecord) Load(ctx context.Context) (string, error) {
	cm, err := r.ConfigMaps.Get(ctx, IdentityConfigMap, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", err
	case cm.Data[identityField] == "":
		return "", fmt.Errorf("ConfigMap %s has no %q: restore it, or delete the ConfigMap if the storage is to be trusted as it is",
			IdentityConfigMap, identityField)
	}
	return cm.Data[identityField], nil
}

// Record implements HostRecord.
func (r ConfigMapRecord) Record(ctx context.Context, identity string) (string, error) {
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: IdentityConfigMap},
		Data:       map[string]string{identityField: identity},
	}
	if _, err := r.ConfigMaps.Create(ctx, cm, metav1.CreateOptions{}); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return r.Load(ctx)
		}
		return "", err
	}
	return identity, nil
}

// FileRecord keeps the identity in a file, for a server without a host.
type FileRecord string

var _ HostRecord = FileRecord("")

// Load implements HostRecord.
func (f FileRecord) Load(context.Context) (string, error) {
	content, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(content)), err
}

// Record implements HostRecord.
func (f FileRecord) Record(_ context.Context, identity string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o700); err != nil {
		return "", err
	}
	return identity, os.WriteFile(string(f), []byte(identity+"\n"), 0o600)
}
