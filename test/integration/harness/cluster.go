//go:build integration

package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"

	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// Cluster is everything that the tests of a package share.
type Cluster struct {
	Host *Host
	// Server is the kafka-apiserver behind the host's aggregation layer, and Binary its program.
	Server *Aggregated
	Binary string
	// Kafka has three KRaft nodes and belongs to all tests: nobody may stop it. ZooKeeper runs one broker of Kafka 3.9.
	Kafka     *kafkaproc.Cluster
	ZooKeeper *kafkaproc.Cluster
	fragile   *kafkaproc.Cluster
	// Clients of the host, and of the group through its aggregation layer.
	Kubernetes  kubernetes.Interface
	Aggregation aggregator.Interface
	Client      versioned.Interface
	// Programs are the binaries of Kubernetes by name.
	Programs map[string]string
	// Root is the folder of the checkout.
	Root string

	dir, logs  string
	mu         sync.Mutex
	breaking   sync.Mutex
	namespaces int
}

// Start starts everything. What it started is gone after Close.
func Start(ctx context.Context) (*Cluster, error) {
	_, file, _, _ := runtime.Caller(0)
	c := &Cluster{Root: filepath.Join(filepath.Dir(file), "..", "..", "..")}
	if _, err := os.Stat(filepath.Join(c.Root, "go.mod")); err != nil {
		// Built with -trimpath, the file's name is no path; go test runs in the package's folder.
		if c.Root, err = moduleRoot(); err != nil {
			return nil, err
		}
	}
	var err error
	if c.dir, err = os.MkdirTemp("", "integration-"); err != nil {
		return nil, err
	}
	c.logs = filepath.Join(c.dir, "logs")
	if err := c.start(ctx); err != nil {
		c.Close(true)
		return nil, err
	}
	return c, nil
}

// Close ends everything. The logs stay after a failure, and it says where.
func (c *Cluster) Close(failed bool) {
	if c.Server != nil {
		c.Server.Kill()
	}
	if c.Host != nil {
		c.Host.kill()
	}
	for _, kafka := range []*kafkaproc.Cluster{c.Kafka, c.ZooKeeper, c.fragile} {
		if kafka != nil {
			_ = kafka.Kill()
		}
	}
	if failed {
		fmt.Fprintf(os.Stderr, "logs are in %s\n", c.dir)
		return
	}
	_ = os.RemoveAll(c.dir)
}

func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, 4)
	wg.Go(func() { errs[0] = c.startServers(ctx) })
	wg.Go(func() {
		c.Kafka, errs[1] = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: filepath.Join(c.dir, "kafka"), Nodes: 3, HeapMiB: 256})
	})
	wg.Go(func() {
		c.ZooKeeper, errs[2] = kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Dir: filepath.Join(c.dir, "zookeeper"), Servers: 1, Brokers: 1, HeapMiB: 256})
	})
	wg.Go(func() {
		c.fragile, errs[3] = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Dir: filepath.Join(c.dir, "fragile"), HeapMiB: 256})
	})
	wg.Wait()
	return errors.Join(errs...)
}

// Fragile is a Kafka of one node that the test may stop; it has it for itself until it ends.
func (c *Cluster) Fragile(t *testing.T) *kafkaproc.Cluster {
	t.Helper()
	c.breaking.Lock()
	t.Cleanup(func() {
		defer c.breaking.Unlock()
		broker := c.fragile.Broker(0)
		_ = broker.Resume() // an error says that it does not run
		if err := broker.Start(context.Background()); err != nil {
			t.Errorf("the broker does not come back: %v", err)
		}
	})
	return c.fragile
}

func (c *Cluster) startServers(ctx context.Context) error {
	if err := c.build(ctx); err != nil {
		return err
	}
	return c.serve(ctx)
}

// serve starts a host, whose kube-apiserver has some flags besides those of all hosts, and kafka-apiserver behind it.
func (c *Cluster) serve(ctx context.Context, flags ...string) error {
	var err error
	if c.Host, err = startHost(ctx, c.dir, c.Programs, flags...); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.Host.AdminKubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	if c.Kubernetes, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if c.Aggregation, err = aggregator.NewForConfig(config); err != nil {
		return err
	}
	if c.Client, err = versioned.NewForConfig(config); err != nil {
		return err
	}
	return c.startAggregated(ctx)
}

// Another is a cluster of its own, without brokers, whose kube-apiserver has these flags besides those of all hosts. It ends with the test.
func (c *Cluster) Another(t *testing.T, flags ...string) *Cluster {
	t.Helper()
	other := &Cluster{Root: c.Root, Programs: c.Programs, Binary: c.Binary, dir: t.TempDir()}
	other.logs = filepath.Join(other.dir, "logs")
	t.Cleanup(func() { other.Close(false) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := other.serve(ctx, flags...); err != nil {
		t.Fatal(err)
	}
	return other
}

// build finds the binaries of Kubernetes, which are built once into a cache, and builds our own.
func (c *Cluster) build(ctx context.Context) error {
	out, err := command(ctx, c.Root, "go", "run", "-C", "hack", "./cluster", "binaries", "--control-plane")
	if err != nil {
		return fmt.Errorf("build the binaries of Kubernetes: %w", err)
	}
	c.Programs = map[string]string{}
	for line := range strings.Lines(out) {
		if name, path, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			c.Programs[name] = path
		}
	}
	if len(c.Programs) == 0 {
		return fmt.Errorf("build the binaries of Kubernetes: no name=path in %q", out)
	}
	c.Binary = filepath.Join(c.dir, "kafka-apiserver-binary")
	if _, err := command(ctx, c.Root, "go", "build", "-o", c.Binary, "./cmd/kafka-apiserver"); err != nil {
		return fmt.Errorf("build kafka-apiserver: %w", err)
	}
	return nil
}

func command(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.String(), nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod above the working directory")
		}
	}
}
