package zookeeper

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// answer serves one connection with a text, and closes it unless hold says so.
func answer(t *testing.T, text string, hold bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		asked := make([]byte, 4)
		if _, err := io.ReadFull(conn, asked); err != nil || string(asked) != "srvr" {
			return
		}
		_, _ = io.WriteString(conn, text)
		if hold {
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	return listener.Addr().String()
}

const served = "Zookeeper version: 3.8.4\nLatency min/avg/max: 0/0.0/0\nZxid: 0x100000000\nMode: %\nNode count: 5\n"

func TestWhatAMemberIs(t *testing.T) {
	for text, want := range map[string]State{
		strings.Replace(served, "%", "leader", 1):     Leader,
		strings.Replace(served, "%", "follower", 1):   Follower,
		strings.Replace(served, "%", "observer", 1):   Observer,
		strings.Replace(served, "%", "standalone", 1): Standalone,
	} {
		if got, err := Ask(t.Context(), answer(t, text, false)); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if got, err := Ask(t.Context(), answer(t, "This ZooKeeper instance is not currently serving requests\n", false)); !errors.Is(err, ErrNotServing) {
		t.Errorf("one that looks for a leader is %q, %v", got, err)
	}
	for _, text := range []string{strings.Replace(served, "%", "read-only", 1), strings.Repeat("x", longestAnswer+1) + "\nMode: leader\n"} {
		if got, err := Ask(t.Context(), answer(t, text, false)); err == nil {
			t.Errorf("got %q of %.30q", got, text)
		}
	}
}

func TestASilentMemberIsAskedForAsLongAsTheCallerWants(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if got, err := Ask(ctx, answer(t, "Zookeeper version", true)); err == nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
