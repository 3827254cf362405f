package kafkaproc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// startLimit bounds the start of a whole cluster; a tenth of it is usual.
const startLimit = 2 * time.Minute

// A Cluster is a running Kafka with all its processes.
type Cluster struct {
	// ID is the cluster id; empty in ZooKeeper mode, where the first broker chooses one.
	ID string
	// Brokers are the brokers in the order of their ids. In KRaft mode they are the controllers, too.
	Brokers []*Process
	// ZooKeeper is the ensemble in ZooKeeper mode.
	ZooKeeper []*Process

	distribution Distribution
}

// Bootstrap returns the addresses (host:port) of all brokers, running or not.
func (c *Cluster) Bootstrap() []string {
	var addresses []string
	for _, b := range c.Brokers {
		addresses = append(addresses, b.Addr)
	}
	return addresses
}

// Broker returns the broker of that id, nil if there is none.
func (c *Cluster) Broker(id int) *Process {
	for _, b := range c.Brokers {
		if b.ID == id {
			return b
		}
	}
	return nil
}

// Close ends all processes, brokers first: politely while they are quick (half a minute), else by force. Nothing runs any
// more when it returns without an error, and the folder can be started again.
func (c *Cluster) Close() error {
	if err := closeAll(c.Brokers, (*Process).close); err != nil {
		return fmt.Errorf("ending the brokers: %w", err)
	}
	if err := closeAll(c.ZooKeeper, (*Process).close); err != nil {
		return fmt.Errorf("ending ZooKeeper: %w", err)
	}
	return nil
}

// Kill ends all processes at once, as a power failure would. It is the quick Close for a folder nobody needs again.
func (c *Cluster) Kill() error {
	if err := closeAll(append(append([]*Process{}, c.Brokers...), c.ZooKeeper...), (*Process).Kill); err != nil {
		return fmt.Errorf("killing the cluster: %w", err)
	}
	return nil
}

// Tool runs one of Kafka's own command-line classes, such as org.apache.kafka.tools.TopicCommand, and returns its
// standard output. It takes a second or two.
func (c *Cluster) Tool(ctx context.Context, class string, args ...string) ([]byte, error) {
	return c.distribution.Tool(ctx, nil, class, args...)
}

// ToolInput is Tool with standard input, for producers.
func (c *Cluster) ToolInput(ctx context.Context, input []byte, class string, args ...string) ([]byte, error) {
	return c.distribution.Tool(ctx, input, class, args...)
}

// Tool runs one of Kafka's own command-line classes with that standard input and returns its standard output.
func (d Distribution) Tool(ctx context.Context, input []byte, class string, args ...string) ([]byte, error) {
	return d.java(ctx, bytes.NewReader(input), d.Libs(), class, args...)
}

// java runs a class, or a program in one source file, and returns its standard output.
func (d Distribution) java(ctx context.Context, input io.Reader, classPath, class string, args ...string) ([]byte, error) {
	java := append(append([]string{}, jvmFlags(128)...), d.loggingFlag("tools-"), "-cp", classPath, class)
	cmd := exec.Command("java", append(java, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &stdout, &stderr
	done := make(chan struct{})
	if err := StartTied(cmd, func() { close(done) }); err != nil {
		return nil, fmt.Errorf("running %s: %w", class, err)
	}
	select {
	case <-done:
	case <-ctx.Done():
		_ = cmd.Process.Kill() // it may have ended at this moment
		<-done
		return stdout.Bytes(), fmt.Errorf("running %s: %w", class, ctx.Err())
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		return stdout.Bytes(), fmt.Errorf("running %s %q: exit code %d: %s%s", class, args, code, bytes.TrimSpace(stdout.Bytes()), bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// jvmFlags make a JVM start fast and stay small: one core's worth of compiler and collector.
func jvmFlags(heapMiB int) []string {
	return []string{fmt.Sprintf("-Xmx%dm", heapMiB), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto"}
}

// start starts all processes at once and waits until each answers; if one does not, it kills them all.
func start(ctx context.Context, processes []*Process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := closeAll(processes, func(p *Process) error { return p.Start(ctx) }); err != nil {
		_ = closeAll(processes, (*Process).Kill) // the error above is the one to tell
		return err
	}
	return nil
}

// writeProperties writes a Java properties file, in a stable order.
func writeProperties(file string, properties map[string]string) error {
	var out bytes.Buffer
	for _, key := range sortedKeys(properties) {
		fmt.Fprintf(&out, "%s=%s\n", key, properties[key])
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", file, err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing properties: %w", err)
	}
	return nil
}
