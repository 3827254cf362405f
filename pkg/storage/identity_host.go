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

// String implements HostRecord.
func (r ConfigMapRecord) String() string { return "ConfigMap " + IdentityConfigMap }

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

// String implements HostRecord.
func (f FileRecord) String() string { return "file " + string(f) }

// Load implements HostRecord.
func (f FileRecord) Load(context.Context) (string, error) {
	content, err := os.ReadFile(string(f))
	switch identity := strings.TrimSpace(string(content)); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case identity == "":
		return "", fmt.Errorf("%s is empty: restore it, or delete the file if the storage is to be trusted as it is", f)
	default:
		return identity, nil
	}
}

// Record implements HostRecord.
func (f FileRecord) Record(ctx context.Context, identity string) (string, error) {
	dir := filepath.Dir(string(f))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// A link is made whole or not at all, and never replaces a file.
	temporary, err := os.CreateTemp(dir, filepath.Base(string(f))+"-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(identity + "\n")
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return "", err
	}
	switch err := os.Link(temporary.Name(), string(f)); {
	case errors.Is(err, fs.ErrExist):
		return f.Load(ctx)
	case err != nil:
		return "", err
	}
	return identity, nil
}
