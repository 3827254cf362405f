package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"k8s.io/client-go/tools/clientcmd"
	// The requests of the controllers are counted by code.
	"k8s.io/component-base/metrics/legacyregistry"
	_ "k8s.io/component-base/metrics/prometheus/restclient"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/cmd/standalone"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/external"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
)

// environment names the variable that makes this program a part.
const environment = "KAFKA_BENCH_PART"

// The parts.
const (
	apiServer   = "apiserver"
	controllers = "controllers"
)

// part is what a process should be.
type part struct {
	Name string `json:"name"`
	// Dir is the folder that the API server keeps everything in.
	Dir string `json:"dir"`
}

func kubeconfigIn(dir string) string { return filepath.Join(dir, "kubeconfig") }

// address is the file that tells where the controllers serve their metrics.
func (p part) address() string { return filepath.Join(p.Dir, "controllers.address") }

// StorageIn is the folder of the etcd of an API server on a folder, and the prefix of what is in it.
func StorageIn(dir string) (etcd, prefix string) {
	return filepath.Join(dir, standalone.EtcdFolder), apiserver.EtcdPrefix
}

// Main runs a part and ends the process, if it was started as one. A program that uses this package calls it first.
func Main() {
	encoded := os.Getenv(environment)
	if encoded == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, encoded)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, encoded string) error {
	var p part
	if err := json.Unmarshal([]byte(encoded), &p); err != nil {
		return fmt.Errorf("read $%s: %w", environment, err)
	}
	switch p.Name {
	case apiServer:
		return standalone.Run(ctx, &standalone.Options{DataDir: p.Dir, KubeconfigOut: kubeconfigIn(p.Dir)})
	case controllers:
		return p.runControllers(ctx)
	}
	return fmt.Errorf("there is no part %q", p.Name)
}

// runControllers is what the command "controllers" does, less all that needs a Kubernetes.
func (p part) runControllers(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfigIn(p.Dir))
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return err
	}
	loops, err := apiserver.RegisterMetrics()
	if err != nil {
		return err
	}
	gateway := broker.New(broker.Options{ClientID: "kafka-controllers"})
	topics, err := topic.New(topic.Config{
		Kafka: client, Connect: func(t broker.Target) topic.Cluster { return gateway.Cluster(t) }, Metrics: loops,
	})
	if err != nil {
		return err
	}
	kafkas, err := external.New(external.Config{
		Kafka: client, Connect: func(t broker.Target) external.Cluster { return gateway.Cluster(t) }, Disconnect: gateway.Forget, Metrics: loops,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", legacyregistry.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	server := &http.Server{Handler: mux}
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	tuner := heap.Tuner{Headroom: 24 << 20, Clock: clock.RealClock{}}
	for _, run := range []func(context.Context){gateway.Run, topics.Run, kafkas.Run, tuner.Run} {
		running.Go(func() { run(ctx) })
	}
	if err := writeWhole(p.address(), listener.Addr().String()); err != nil {
		return err
	}
	<-ctx.Done()
	err = server.Close()
	running.Wait()
	return err
}

// writeWhole writes a file that nobody sees half of.
func writeWhole(file, content string) error {
	if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
