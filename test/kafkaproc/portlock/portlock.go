// Package portlock hands out ports of loopback to the servers that tests start.
//
// A server binds the port that it was given some seconds later. Meanwhile the kernel may give it to a connection of any
// process, and another test may choose it. So ports are from below the range that the kernel gives to connections, and each is
// locked until the process that took it ends: no other process that uses this package gets it, nor does this one a second time.
package portlock

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	// lowest and ceiling bound what ports are chosen from: above those of well-known servers, below the node ports of Kubernetes.
	lowest, ceiling = 16384, 30000
	// fewest is how many ports are enough to choose from.
	fewest = 1000
	// rangeFile holds the first and the last port that the kernel gives to connections (ip(7)).
	rangeFile = "/proc/sys/net/ipv4/ip_local_port_range"
)

// ours are the ports of this process. Their locks are the same for all checkouts of a user.
var ours = keeper{dir: filepath.Join(os.TempDir(), fmt.Sprintf("kafka-apiserver-ports-%d", os.Getuid()))}

// Take returns n different ports of 127.0.0.1 that nobody listens at. They are this process's until it ends.
func Take(n int) ([]int, error) {
	kernels, err := os.ReadFile(rangeFile)
	if errors.Is(err, os.ErrNotExist) {
		// Systems other than Linux have theirs above all that are chosen from.
		kernels, err = []byte(strconv.Itoa(ceiling)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a port that is free: %w", err)
	}
	candidates, err := below(string(kernels))
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	return ours.take(n, candidates)
}

// Retake takes ports that servers had before: those of this process, or of one that has ended. It fails when another process
// has taken one, or somebody listens at one.
func Retake(ports []int) error { return ours.retake(ports) }

// below returns the ports to choose from when the kernel has that range for connections. Where it leaves next to nothing they
// are chosen from within: the locks are as good there.
func below(kernels string) ([]int, error) {
	first, _, _ := strings.Cut(strings.TrimSpace(kernels), "\t")
	end, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", rangeFile, err)
	}
	if end = min(end, ceiling); end < lowest+fewest {
		end = ceiling
	}
	var ports []int
	for port := lowest; port < end; port++ {
		ports = append(ports, port)
	}
	return ports, nil
}

// keeper holds the locks of a process, one file a port in a folder.
type keeper struct {
	dir string

	mu sync.Mutex
	// held are open for as long as the process lives: the kernel drops a lock with the last reference to its file.
	held map[int]*os.File
}

func (k *keeper) take(n int, candidates []int) ([]int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ports []int
	for _, port := range candidates {
		if len(ports) == n {
			break
		}
		if k.held[port] != nil {
			continue
		}
		locked, err := k.lock(port)
		if err != nil {
			return nil, err
		}
		if locked && bindable(port) == nil {
			ports = append(ports, port)
		}
	}
	if len(ports) < n {
		return nil, fmt.Errorf("only %d of %d ports are free", len(ports), n)
	}
	return ports, nil
}

func (k *keeper) retake(ports []int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, port := range ports {
		if k.held[port] == nil {
			locked, err := k.lock(port)
			if err != nil {
				return err
			}
			if !locked {
				return fmt.Errorf("port %d is another process's, which runs", port)
			}
		}
		if err := bindable(port); err != nil {
			return err
		}
	}
	return nil
}

// lock takes the lock of a port, with the keeper's own held. It is false when another process has it.
func (k *keeper) lock(port int) (bool, error) {
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return false, fmt.Errorf("making the folder of the locks of ports: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(k.dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return false, fmt.Errorf("opening the lock of port %d: %w", port, err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return false, fmt.Errorf("locking port %d: %w", port, err)
	}
	if k.held == nil {
		k.held = map[int]*os.File{}
	}
	k.held[port] = file
	return true, nil
}

// bindable returns nil if a server can listen at a port of loopback.
func bindable(port int) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	return listener.Close()
}
