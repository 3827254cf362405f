//go:build integration

package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// deploy puts into the host what the deployment does, except for what runs there: the server is a process on loopback, and
// its Service an alias for it.
func (c *Cluster) deploy(ctx context.Context, port int) error {
	base := filepath.Join(c.Root, "artifacts", "deploy", "base")
	// The controller manager makes roles effective as it aggregates them, so the order is of no matter.
	for _, name := range []string{"namespace.yaml", "apiserver-rbac.yaml", "controllers-rbac.yaml", "secrets-rbac.yaml", "user-roles.yaml", "priority-and-fairness.yaml"} {
		if err := c.apply(ctx, filepath.Join(base, name)); err != nil {
			return err
		}
	}
	apiService, err := os.ReadFile(filepath.Join(base, "apiservice.yaml"))
	if err != nil {
		return err
	}
	manifest := strings.Replace(string(apiService), "port: 443", fmt.Sprintf("port: %d", port), 1) + `
---
apiVersion: v1
kind: Service
metadata: {name: kafka-apiserver, namespace: kafka-system}
spec: {type: ExternalName, externalName: localhost}
`
	file := filepath.Join(c.dir, "aggregation.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o644); err != nil {
		return err
	}
	return c.apply(ctx, file)
}

func (c *Cluster) apply(ctx context.Context, file string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err := command(ctx, c.Root, c.Programs["kubectl"], "--kubeconfig", c.Host.AdminKubeconfig, "apply", "--server-side", "-f", file)
	return err
}
