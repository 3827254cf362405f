// Package netns makes the network namespace that holds the local cluster, and dials into it. It never touches the
// machine's own addresses or packet filters: only a veth pair and two routes lie outside, and they go with the namespace.
package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Addresses of the local cluster.
const (
	Name        = "kafka-apiserver" // the namespace
	HostDevice  = "kafka-api0"      // the outer end of the veth pair; at most 15 characters
	NodeIP      = "10.240.0.1"      // the node, inside
	HostIP      = "10.240.0.254"    // this machine, seen from the node
	PodCIDR     = "10.244.0.0/16"
	ServiceCIDR = "10.96.0.0/16"
)

// File is what names the namespace to nsenter.
const File = "/run/netns/" + Name

// Wrap returns the command line that runs args inside the namespace. It is nsenter and not `ip netns exec`, which
// remounts /sys and so hides the cgroups from kubelet.
func Wrap(args ...string) []string {
	return append([]string{"nsenter", "--net=" + File, "--"}, args...)
}

// Up makes the namespace, its veth pair and the routes to pods and Services as far as they are missing.
func Up(ctx context.Context) error {
	if _, err := ID(); err != nil {
		// What is left of a namespace whose mount went away cannot be joined: make it anew.
		_ = run(ctx, "ip", "netns", "delete", Name)
		if err := run(ctx, "ip", "netns", "add", Name); err != nil {
			return err
		}
		// Processes may keep the former namespace alive, and with it the other end of its veth pair.
		_ = run(ctx, "ip", "link", "delete", HostDevice)
	}
	inside := func(args ...string) error { return run(ctx, Wrap(args...)...) }
	if err := inside("ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	if exec.CommandContext(ctx, "ip", "link", "show", HostDevice).Run() != nil {
		if err := run(ctx, "ip", "link", "add", HostDevice, "type", "veth", "peer", "name", "eth0", "netns", Name); err != nil {
			return err
		}
	}
	steps := [][]string{
		{"ip", "address", "replace", HostIP + "/24", "dev", HostDevice},
		{"ip", "link", "set", HostDevice, "up"},
		Wrap("ip", "address", "replace", NodeIP+"/24", "dev", "eth0"),
		Wrap("ip", "link", "set", "eth0", "up"),
		Wrap("ip", "route", "replace", "default", "via", HostIP),
		{"ip", "route", "replace", PodCIDR, "via", NodeIP},
		{"ip", "route", "replace", ServiceCIDR, "via", NodeIP},
		Wrap("sysctl", "-qw", "net.ipv4.ip_forward=1"),
	}
	for _, step := range steps {
		if err := run(ctx, step...); err != nil {
			return err
		}
	}
	// The answer of a pod to another on the same bridge must pass the packet filter for a Service's address to be
	// translated back. A kernel without bridge filtering has no such switch, and then Services reached from pods of
	// this node do not work: better to fail here than there.
	if err := inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"); err != nil {
		if modErr := run(ctx, "modprobe", "br_netfilter"); modErr != nil {
			return errors.Join(err, modErr)
		}
		return inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
	}
	return nil
}

// Down deletes the namespace, and with it the veth pair and the routes.
func Down(ctx context.Context) error {
	var errs []error
	if _, err := os.Stat(File); err == nil {
		errs = append(errs, run(ctx, "ip", "netns", "delete", Name))
	}
	// The kernel takes the pair away some time after the namespace. Deleting its outer end is immediate.
	if exec.CommandContext(ctx, "ip", "link", "show", HostDevice).Run() == nil {
		if err := run(ctx, "ip", "link", "delete", HostDevice); err != nil && !strings.Contains(err.Error(), "Cannot find device") {
			errs = append(errs, err)
		}
	}
	// ip mounts this folder on itself when it makes the first namespace, and leaves it so after the last.
	if entries, err := os.ReadDir(filepath.Dir(File)); err == nil && len(entries) == 0 {
		if err := unix.Unmount(filepath.Dir(File), 0); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", filepath.Dir(File), err))
		}
	}
	return errors.Join(errs...)
}

// Leftovers names what Down should have taken away.
func Leftovers(ctx context.Context) []string {
	var left []string
	if _, err := os.Stat(File); err == nil {
		left = append(left, "network namespace "+Name)
	}
	if exec.CommandContext(ctx, "ip", "link", "show", HostDevice).Run() == nil {
		left = append(left, "interface "+HostDevice)
	}
	for _, cidr := range []string{PodCIDR, ServiceCIDR} {
		out, err := exec.CommandContext(ctx, "ip", "route", "show", cidr, "via", NodeIP).Output()
		if err == nil && len(bytes.TrimSpace(out)) > 0 {
			left = append(left, "route "+strings.TrimSpace(string(out)))
		}
	}
	return left
}

// ID identifies the namespace (its inode), as it stands now. An error means that it does not exist.
func ID() (uint64, error) {
	var ns, own syscall.Stat_t
	if err := syscall.Stat(File, &ns); err != nil {
		return 0, fmt.Errorf("looking at network namespace %s: %w", Name, err)
	}
	if err := syscall.Stat("/proc/self/ns/net", &own); err != nil {
		return 0, fmt.Errorf("looking at the machine's network namespace: %w", err)
	}
	// Without the mount the file is an ordinary one, on another device than all namespaces.
	if ns.Dev != own.Dev {
		return 0, fmt.Errorf("%s is not a network namespace", File)
	}
	return ns.Ino, nil
}

// Holds reports whether the process pid is in the namespace with that ID.
func Holds(id uint64, pid int) bool {
	var st syscall.Stat_t
	return syscall.Stat(filepath.Join("/proc", strconv.Itoa(pid), "ns/net"), &st) == nil && st.Ino == id
}

// Processes returns the ids of all processes in the namespace with that ID.
func Processes(id uint64) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && Holds(id, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// Dial connects to an address (IP:port) inside the namespace, such as its loopback.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, err := net.SplitHostPort(address); err != nil || net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dialling %s inside the namespace: not IP:port", address)
	}
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("opening the machine's network namespace: %w", err)
	}
	defer own.Close()
	theirs, err := os.Open(File)
	if err != nil {
		return nil, fmt.Errorf("opening network namespace %s: %w", Name, err)
	}
	defer theirs.Close()

	// A namespace belongs to a thread, and a socket belongs to the namespace that it was made in, for good. For a
	// literal address the dialer makes the socket on the calling goroutine.
	runtime.LockOSThread()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("entering network namespace %s: %w", Name, err)
	}
	conn, dialErr := (&net.Dialer{}).DialContext(ctx, network, address)
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		// The thread stays locked, so it ends with its goroutine instead of running anything else in there.
		return nil, errors.Join(fmt.Errorf("leaving network namespace %s: %w", Name, err), dialErr)
	}
	runtime.UnlockOSThread()
	return conn, dialErr
}

func run(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
