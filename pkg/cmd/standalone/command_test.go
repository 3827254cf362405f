package standalone

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"

	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/heap"
)

// It serves whom it wrote the kubeconfig for, nobody else, and only on loopback.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	const container = 3 << 30
	options := &Options{DataDir: filepath.Join(dir, "data"), KubeconfigOut: filepath.Join(dir, "kubeconfig"),
		BootstrapServers: []string{"127.0.0.1:1"}, Controllers: true,
		Machine: fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte(strconv.Itoa(container))}}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, options) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}()

	var client versioned.Interface
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for ready := false; !ready; {
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("it ended before it was ready: %v", err)
		case <-deadline:
			t.Fatal("it is not ready after a minute")
		}
		config, err := clientcmd.BuildConfigFromFlags("", options.KubeconfigOut)
		if err != nil {
			continue
		}
		if client, err = versioned.NewForConfig(config); err != nil {
			t.Fatal(err)
		}
		_, err = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		ready = err == nil
	}
	if limit := heap.Limit(); limit != container/100*80 {
		t.Errorf("the garbage collector's limit is %d", limit)
	}
	k, err := client.KafkaV1beta1().Kafkas("default").Get(ctx, "local", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if k.Spec.External == nil || len(k.Spec.External.BootstrapServers) != 1 || k.Spec.External.BootstrapServers[0] != "127.0.0.1:1" {
		t.Errorf("the Kafka is %+v", k.Spec)
	}
	for _, of := range []string{"external", "topic-patrol"} {
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			metrics, err := client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
			return strings.Contains(string(metrics), `kafka_apiserver_controller_syncs_total{controller="`+of+`"`), err
		})
		if err != nil {
			t.Errorf("the syncs of %s are not counted: %v", of, err)
		}
	}
	info, err := os.Stat(options.KubeconfigOut)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig has mode %o, and a token in it", info.Mode().Perm())
	}

	config, err := clientcmd.BuildConfigFromFlags("", options.KubeconfigOut)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(config.Host, "https://127.0.0.1:") {
		t.Errorf("the kubeconfig names %s", config.Host)
	}
	for _, token := range []string{"", "wrong"} {
		config.BearerToken = token
		stranger, err := versioned.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stranger.KafkaV1beta1().Kafkas("default").List(ctx, metav1.ListOptions{}); err == nil {
			t.Errorf("whoever comes with the token %q is served", token)
		}
	}
}

// Whoever starts a second one is told at once, and nothing is made for it.
func TestAPortThatIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	options := &Options{DataDir: filepath.Join(t.TempDir(), "data"), Port: port}
	if err := Run(t.Context(), options); err == nil || !strings.Contains(err.Error(), "--port "+strconv.Itoa(port)) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("it ended with %v, want the flag and that the port is in use", err)
	}
	if _, err := os.Stat(options.DataDir); !os.IsNotExist(err) {
		t.Errorf("a data folder was made: %v", err)
	}
}
