package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/cache"
)

// The names of namespace, interface and addresses are the machine's, so there is one cluster on a machine at a time. These
// two files say whose it is and keep two commands from working on it at once.
const (
	lockFile  = "/run/kafka-apiserver/lock"
	ownerFile = "/run/kafka-apiserver/owner"
)

// A Cluster is the one-node Kubernetes whose state is in a layout.
type Cluster struct {
	Layout   Layout
	Programs Programs  // needed by Up and Status
	Log      io.Writer // told what is being done
}

func (c Cluster) logf(format string, args ...any) { fmt.Fprintf(c.Log, format+"\n", args...) }

// lock keeps every other command out that changes the cluster of this machine.
func lock(ctx context.Context) (unlock func(), err error) {
	if err := RequireRoot(); err != nil {
		return nil, err
	}
	return cache.Lock(ctx, lockFile)
}

// RequireRoot returns an error that says why if this program is not root's.
func RequireRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("the local cluster needs root: it makes a network namespace, mounts and cgroups")
	}
	return nil
}

// owner returns the state folder of the cluster that this machine runs or ran, or "".
func owner() (string, error) {
	content, err := os.ReadFile(ownerFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading whose cluster is up: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

func (c Cluster) own() error {
	if err := os.MkdirAll(filepath.Dir(ownerFile), 0o755); err != nil {
		return fmt.Errorf("recording whose cluster is up: %w", err)
	}
	if err := os.WriteFile(ownerFile, []byte(c.Layout.State+"\n"), 0o644); err != nil {
		return fmt.Errorf("recording whose cluster is up: %w", err)
	}
	return nil
}
