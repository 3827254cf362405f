//go:build integration

package kafkaproc_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	topicCommand = "org.apache.kafka.tools.TopicCommand"
	limit        = 3 * time.Minute
)

// bounded is a context for a test that starts real servers.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func tool(t *testing.T, ctx context.Context, c *kafkaproc.Cluster, class string, args ...string) string {
	t.Helper()
	out, err := c.Tool(ctx, class, append([]string{"--bootstrap-server", strings.Join(c.Bootstrap(), ",")}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// runningThreads returns what /proc tells of the threads of a process that SIGSTOP has not stopped, state T (man 5 proc).
func runningThreads(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of process %d: %q, %v", pid, files, err)
	}
	var running []string
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// The name of the thread, in parentheses, may hold spaces.
		if !strings.HasPrefix(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " T ") {
			running = append(running, string(stat))
		}
	}
	return running
}

func TestRealOneNodeKeepsItsTopicsOverEveryWayToEnd(t *testing.T) {
	ctx := bounded(t)
	options := kafkaproc.Options{Dir: t.TempDir()}
	cluster, err := kafkaproc.StartKRaft(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Kill()
	tool(t, ctx, cluster, topicCommand, "--create", "--topic", "orders", "--partitions", "2")

	broker := cluster.Broker(0)
	pid := broker.PID()
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(pid, 0) == nil || broker.PID() != 0 {
		t.Error("the broker runs after Kill")
	}
	if err := broker.Start(ctx); err != nil {
		t.Fatal(err)
	}
	// A broker that has just started is busy, so that some of its threads run when the signal comes.
	for i := range 100 {
		if i%10 > 0 { // otherwise, it is frozen already
			if err := broker.Resume(); err != nil {
				t.Fatal(err)
			}
		}
		if err := broker.Suspend(); err != nil {
			t.Fatal(err)
		}
		if running := runningThreads(t, broker.PID()); len(running) > 0 {
			t.Fatalf("threads of a frozen broker that are not stopped: %q", running)
		}
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := broker.WaitReady(short); err == nil {
		t.Error("a frozen broker answers")
	}
	if err := broker.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := broker.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := kafkaproc.StartKRaft(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Kill()
	if again.ID != cluster.ID || again.Bootstrap()[0] != cluster.Bootstrap()[0] {
		t.Errorf("started again as %s at %v, was %s at %v", again.ID, again.Bootstrap(), cluster.ID, cluster.Bootstrap())
	}
	if got := strings.Fields(tool(t, ctx, again, topicCommand, "--list")); len(got) != 1 || got[0] != "orders" {
		t.Errorf("topics are %v, want orders", got)
	}
}

func TestRealThreeNodesServeWithoutOne(t *testing.T) {
	ctx := bounded(t)
	cluster, err := kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: t.TempDir(), Nodes: 3, HeapMiB: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Kill()
	if err := cluster.Broker(2).Kill(); err != nil {
		t.Fatal(err)
	}
	tool(t, ctx, cluster, topicCommand, "--create", "--topic", "orders", "--replication-factor", "2")
	if err := cluster.Broker(2).Start(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestRealZooKeeperMode(t *testing.T) {
	ctx := bounded(t)
	cluster, err := kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Dir: t.TempDir(), Servers: 3, Brokers: 2, HeapMiB: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Kill()
	tool(t, ctx, cluster, topicCommand, "--create", "--topic", "orders", "--replication-factor", "2")
	if out := tool(t, ctx, cluster, topicCommand, "--describe", "--topic", "orders"); !strings.Contains(out, "ReplicationFactor: 2") {
		t.Errorf("the topic is %s", out)
	}
	if err := cluster.Close(); err != nil {
		t.Fatal(err)
	}
}
