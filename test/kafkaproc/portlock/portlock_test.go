package portlock

import (
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
)

// take takes ports that no test beside this one chooses.
func take(t *testing.T, n int) []int {
	t.Helper()
	ports, err := Take(n)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

func TestPortsAreFreeAndComeOnce(t *testing.T) {
	kernels, err := os.ReadFile(rangeFile)
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := below(string(kernels))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for range 4 {
		for _, port := range take(t, 25) {
			if seen[port] {
				t.Errorf("port %d was handed out twice", port)
			}
			seen[port] = true
			if !slices.Contains(candidates, port) {
				t.Errorf("port %d is not one to choose from", port)
			}
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			listener.Close()
		}
	}
}

// Locks of two files exclude each other within a process as they do between two.
func TestProcessesTakeDifferentPorts(t *testing.T) {
	candidates := take(t, 8)
	dir := t.TempDir()
	one, other := keeper{dir: dir}, keeper{dir: dir}
	first, err := one.take(5, candidates)
	if err != nil {
		t.Fatal(err)
	}
	second, err := other.take(3, candidates)
	if err != nil {
		t.Fatal(err)
	}
	if all := slices.Sorted(slices.Values(append(second, first...))); !slices.Equal(all, slices.Sorted(slices.Values(candidates))) {
		t.Errorf("%v and %v were handed out of %v", first, second, candidates)
	}
	for _, k := range []*keeper{&one, &other} {
		if ports, err := k.take(1, candidates); err == nil {
			t.Errorf("%v is handed out again", ports)
		}
	}
	if err := one.retake(first); err != nil {
		t.Errorf("a process does not get its own ports again: %v", err)
	}
	if err := other.retake(first[:1]); err == nil {
		t.Error("a process gets the port of another that runs")
	}
	// As when the process ends.
	for _, file := range one.held {
		file.Close()
	}
	if err := other.retake(first); err != nil {
		t.Errorf("the ports of a process that has ended are lost: %v", err)
	}
}

func TestAPortThatIsListenedAtIsNotTaken(t *testing.T) {
	ports := take(t, 2)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	k := keeper{dir: t.TempDir()}
	if got, err := k.take(1, ports); err != nil || got[0] != ports[1] {
		t.Errorf("%v, %v; want %d", got, err, ports[1])
	}
	if err := k.retake(ports[:1]); err == nil {
		t.Error("a port that is listened at is taken again")
	}
}

func TestPortsAreBelowThoseOfConnections(t *testing.T) {
	for kernels, want := range map[string][2]int{
		"32768\t60999\n": {16384, 29999},
		"20000\t60999\n": {16384, 19999},
		"1024\t65535\n":  {16384, 29999},
	} {
		got, err := below(kernels)
		if err != nil || got[0] != want[0] || got[len(got)-1] != want[1] {
			t.Errorf("with %q: %d to %d, %v; want %v", kernels, got[0], got[len(got)-1], err, want)
		}
	}
	if _, err := below("none"); err == nil {
		t.Error("no error for a range that is none")
	}
}
