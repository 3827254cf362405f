// Package node runs a real one-node Kubernetes as plain processes in a network namespace of its own. It never supervises:
// Up starts or mends what should run and returns, Down takes everything away.
package node

import (
	"fmt"
	"path/filepath"
)

// Name is what the node, its pod network and its cgroup are called.
const (
	Name      = "node1"
	Network   = "kafka-apiserver"
	cgroup    = "kafka-apiserver"
	APIServer = "https://10.240.0.1:6443"

	// PauseImage is the image of every pod's sandbox.
	PauseImage = "localhost/kafka-apiserver-pause:1"
)

// maxSocketPath is what fits into a Unix socket's address, less the ".ttrpc" that containerd appends.
const maxSocketPath = 107 - len(".ttrpc")

// A Layout says where a cluster keeps its state. Everything is below State, except the two files for its user.
type Layout struct {
	State      string // absolute
	Kubeconfig string // the admin's
	Bin        string // folder that gets kubectl
}

func (l Layout) path(elem ...string) string {
	return filepath.Join(append([]string{l.State}, elem...)...)
}

func (l Layout) pidFile(part string) string   { return l.path("run", part+".json") }
func (l Layout) logFile(part string) string   { return l.path("logs", part+".log") }
func (l Layout) config(name string) string    { return l.path("config", name) }
func (l Layout) pki() string                  { return l.path("pki") }
func (l Layout) kubeconfig(who string) string { return l.path("pki", who+".kubeconfig") }
func (l Layout) volumes() string              { return l.path("volumes") }
func (l Layout) socket() string               { return l.path("containerd", "c.sock") }
func (l Layout) podLogs() string              { return l.path("pod-logs") }

func (l Layout) validate() error {
	if !filepath.IsAbs(l.State) {
		return fmt.Errorf("state folder %s is not absolute", l.State)
	}
	// kubelet's are shorter than containerd's only by chance, so both are checked.
	for _, socket := range []string{l.socket(), l.path("kubelet", "pod-resources", "kubelet.sock")} {
		if len(socket) > maxSocketPath {
			return fmt.Errorf("%s is too long for a socket (%d characters, at most %d): choose a shorter state folder with --state-dir", socket, len(socket), maxSocketPath)
		}
	}
	return nil
}
