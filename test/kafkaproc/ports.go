package kafkaproc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/portlock"
)

const loopback = "127.0.0.1"

// portsFile keeps the ports of a cluster's folder: members find each other at the addresses in their own metadata, so
// a folder is only good at the ports it was made with.
const portsFile = "ports.json"

// claimPorts returns n ports of loopback, which are this process's until it ends: the ones that dir was made with, or free ones.
func claimPorts(dir string, n int) ([]int, error) {
	file := filepath.Join(dir, portsFile)
	content, err := os.ReadFile(file)
	if err == nil {
		var ports []int
		if err := json.Unmarshal(content, &ports); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if len(ports) != n {
			return nil, fmt.Errorf("%s holds a cluster of another size (%d ports, want %d): use another folder", dir, len(ports), n)
		}
		if err := portlock.Retake(ports); err != nil {
			return nil, fmt.Errorf("taking the ports that %s was made with: %w", dir, err)
		}
		return ports, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the ports of %s: %w", dir, err)
	}
	ports, err := portlock.Take(n)
	if err != nil {
		return nil, err
	}
	if content, err = json.Marshal(ports); err != nil {
		return nil, fmt.Errorf("encoding ports: %w", err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		return nil, fmt.Errorf("keeping the ports of %s: %w", dir, err)
	}
	return ports, nil
}

func address(port int) string { return fmt.Sprintf("%s:%d", loopback, port) }
