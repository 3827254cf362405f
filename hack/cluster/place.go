package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"kafka.openshift.io/kafka-apiserver/hack/internal/binaries"
	"kafka.openshift.io/kafka-apiserver/hack/internal/images"
	"kafka.openshift.io/kafka-apiserver/hack/internal/node"
	"kafka.openshift.io/kafka-apiserver/hack/internal/repo"
)

// A place is where a cluster keeps its files, as the flags that all commands share say it.
type place struct{ stateDir, kubeconfig string }

func newFlags(command string) (*flag.FlagSet, *place) {
	flags := flag.NewFlagSet("cluster "+command, flag.ContinueOnError)
	var p place
	flags.StringVar(&p.stateDir, "state-dir", "", "folder that keeps the cluster's state (default .local/cluster of the checkout)")
	flags.StringVar(&p.kubeconfig, "kubeconfig", "", "file that gets the admin's kubeconfig (default .local/kubeconfig of the checkout)")
	return flags, &p
}

// cluster returns the cluster of that place, and the root of the checkout.
func (p place) cluster() (node.Cluster, string, error) {
	root, err := repo.Root()
	if err != nil {
		return node.Cluster{}, "", err
	}
	local := filepath.Join(root, ".local")
	layout := node.Layout{State: filepath.Join(local, "cluster"), Kubeconfig: filepath.Join(local, "kubeconfig"), Bin: filepath.Join(local, "bin")}
	if p.stateDir != "" {
		if layout.State, err = filepath.Abs(p.stateDir); err != nil {
			return node.Cluster{}, "", fmt.Errorf("finding the state folder: %w", err)
		}
	}
	if p.kubeconfig != "" {
		if layout.Kubeconfig, err = filepath.Abs(p.kubeconfig); err != nil {
			return node.Cluster{}, "", fmt.Errorf("finding the place of the kubeconfig: %w", err)
		}
	}
	return node.Cluster{Layout: layout, Log: os.Stderr}, root, nil
}

// programs builds what the cluster runs.
func programs(ctx context.Context, root string, layout node.Layout) (node.Programs, error) {
	var p node.Programs
	builder := binaries.Builder{Root: root, Log: os.Stderr}
	for name, field := range map[string]*string{
		"etcd": &p.Etcd, "kube-apiserver": &p.APIServer, "kube-controller-manager": &p.ControllerManager, "kube-scheduler": &p.Scheduler,
		"kubelet": &p.Kubelet, "kube-proxy": &p.Proxy, "coredns": &p.CoreDNS, "kubectl": &p.Kubectl,
	} {
		path, err := builder.Build(ctx, name)
		if err != nil {
			return p, err
		}
		*field = path
	}
	var err error
	p.Self, err = keepSelf(layout)
	return p, err
}

// keepSelf copies this program to where it stays: `go run` removes its own copy, and the provisioner may have to be
// started from the same program again.
func keepSelf(layout node.Layout) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	content, err := images.ContentOf(self)
	if err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	kept := filepath.Join(layout.State, "bin", "cluster-"+content)
	if _, err := os.Stat(kept); err == nil {
		return kept, nil
	}
	bytes, err := os.ReadFile(self)
	if err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	if err := os.RemoveAll(filepath.Dir(kept)); err != nil {
		return "", fmt.Errorf("removing earlier copies of this program: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	if err := os.WriteFile(kept+".tmp", bytes, 0o755); err != nil {
		return "", fmt.Errorf("copying this program: %w", err)
	}
	return kept, os.Rename(kept+".tmp", kept)
}
