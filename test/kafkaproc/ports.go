package kafkaproc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

const loopback = "127.0.0.1"

// portsFile keeps the ports of a cluster's folder: members find each other at the addresses in their own metadata, so
// a folder is only good at the ports it was made with.
const portsFile = "ports.json"

// claimPorts returns n ports of loopback: the ones that dir was made with, or free ones.
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
		for _, port := range ports {
			l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, port))
			if err != nil {
				return nil, fmt.Errorf("taking the port that %s was made with: %w", dir, err)
			}
			l.Close()
		}
		return ports, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the ports of %s: %w", dir, err)
	}
	ports, err := freePorts(n)
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

// freePorts returns n different ports that were free a moment ago. Another program may take one before a server does;
// then that server fails to start and says so.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", loopback+":0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // only after all were chosen, so that none comes twice
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func address(port int) string { return fmt.Sprintf("%s:%d", loopback, port) }
