//go:build integration

package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/portlock"
)

// serverReady bounds the start of a kafka-apiserver.
const serverReady = 90 * time.Second

// Aggregated is the kafka-apiserver behind the host's aggregation layer.
type Aggregated struct {
	*Process
	Port int
}

// Server is a kafka-apiserver beside it.
type Server struct {
	*Process
	// Kubeconfig reaches the server directly, without the aggregation layer.
	Kubeconfig string

	url    string
	client *http.Client
	args   []string
	log    string
}

// ServerOptions are for servers beside the one that is aggregated.
type ServerOptions struct {
	// Namespace is where the server keeps what belongs to it in the host; it has to exist.
	Namespace string
	// DataDir is for the embedded etcd, and EtcdServers for one of its own.
	DataDir     string
	EtcdServers string
	// Args are further flags.
	Args []string
}

// StartServer starts a server that is not aggregated, and waits until it is ready.
func (c *Cluster) StartServer(t *testing.T, options ServerOptions) *Server {
	t.Helper()
	s := c.LaunchServer(t, options)
	s.WaitReady(t)
	return s
}

// LaunchServer starts a server that is not aggregated: it has a certificate of its own and leaves the APIService alone.
func (c *Cluster) LaunchServer(t *testing.T, options ServerOptions) *Server {
	t.Helper()
	dir := t.TempDir()
	authority, err := writeServing(filepath.Join(dir, "certificates"))
	if err != nil {
		t.Fatal(err)
	}
	ports, err := portlock.Take(1)
	if err != nil {
		t.Fatal(err)
	}
	args := append(c.serveArgs(c.Host.AdminKubeconfig, ports[0]), "--namespace", options.Namespace,
		"--tls-cert-file", filepath.Join(dir, "certificates", "tls.crt"), "--tls-private-key-file", filepath.Join(dir, "certificates", "tls.key"))
	args = append(args, options.Args...)
	if options.DataDir != "" {
		args = append(args, "--data-dir", options.DataDir)
	}
	if options.EtcdServers != "" {
		args = append(args, "--etcd-servers", options.EtcdServers)
	}
	s := &Server{args: args, Kubeconfig: filepath.Join(dir, "kubeconfig"), url: fmt.Sprintf("https://localhost:%d", ports[0]),
		log: filepath.Join(c.logs, fmt.Sprintf("kafka-apiserver-%s-%d.log", options.Namespace, ports[0]))}
	if s.client, err = trusting(authority); err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfig(s.Kubeconfig, s.url, authority, AdminToken); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	return s
}

// Start starts the process, again if it has ended. It does not wait until the server is ready.
func (s *Server) Start(t *testing.T) {
	t.Helper()
	process, err := StartProcess("kafka-apiserver", s.log, s.args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	s.Process = process
}

// WaitReady waits until /readyz says ok.
func (s *Server) WaitReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serverReady)
	defer cancel()
	if err := s.WaitUntil(ctx, func(ctx context.Context) error { return probe(ctx, s.client, s.url+"/readyz", AdminToken) }); err != nil {
		t.Fatal(err)
	}
}

// Probe asks for a path of the server itself as administrator and returns the code and the body; 0 when nobody answers.
func (s *Server) Probe(t *testing.T, path string) (int, string) {
	t.Helper()
	return s.Request(t, path, http.Header{"Authorization": {"Bearer " + AdminToken}})
}

// Request is Probe as whoever the header says.
func (s *Server) Request(t *testing.T, path string, header http.Header) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	if header == nil {
		request.Header = http.Header{}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// Client is a client of the server itself.
func (s *Server) Client(t *testing.T) versioned.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := versioned.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// StartEtcd starts an etcd for servers of the test's own.
func (c *Cluster) StartEtcd(t *testing.T) (endpoint string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), serverReady)
	defer cancel()
	process, endpoint, err := StartEtcd(ctx, c.Programs["etcd"], filepath.Join(t.TempDir(), "etcd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	return endpoint
}

// StartStandalone starts a server without a host, and waits until its kubeconfig works.
func (c *Cluster) StartStandalone(t *testing.T, dataDir, kubeconfig string, bootstrap []string) *Process {
	t.Helper()
	ports, err := portlock.Take(1)
	if err != nil {
		t.Fatal(err)
	}
	// That of an earlier start has another token.
	if err := os.Remove(kubeconfig); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	process, err := StartProcess("kafka-apiserver standalone", filepath.Join(c.logs, "standalone.log"), c.Binary, "standalone", "--data-dir", dataDir,
		"--port", fmt.Sprint(ports[0]), "--kubeconfig-out", kubeconfig, "--bootstrap-servers", strings.Join(bootstrap, ","))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), serverReady)
	defer cancel()
	err = process.WaitUntil(ctx, func(ctx context.Context) error {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		client, err := versioned.NewForConfig(config)
		if err != nil {
			return err
		}
		_, err = client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// StartControllers starts the controllers with the rights that the deployment gives them, until the test ends. They work in all
// namespaces: a test that starts them must not run beside others.
func (c *Cluster) StartControllers(t *testing.T) *Process {
	t.Helper()
	ports, err := portlock.Take(1)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	process, err := StartProcess("kafka-apiserver controllers", filepath.Join(c.logs, fmt.Sprintf("controllers-%d.log", ports[0])), c.Binary, "controllers",
		"--kubeconfig", c.Host.ControllersKubeconfig, "--namespace", "kafka-system", "--leader-elect=false", "--bind-address", address,
		"--allow-external-addresses", loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(process.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), serverReady)
	defer cancel()
	if err := process.WaitUntil(ctx, func(ctx context.Context) error {
		return probe(ctx, http.DefaultClient, "http://"+address+"/readyz", "")
	}); err != nil {
		t.Fatal(err)
	}
	return process
}

// loopback is where the brokers of tests listen.
const loopback = "127.0.0.0/8,::1"

func (c *Cluster) serveArgs(kubeconfig string, port int) []string {
	return []string{c.Binary, "serve", "--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig,
		"--authorization-kubeconfig", kubeconfig, "--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(port), "--v", "2",
		"--allow-external-addresses", loopback}
}

// startAggregated starts the server that the APIService of the host names, with the rights that the deployment gives it.
func (c *Cluster) startAggregated(ctx context.Context) error {
	ports, err := portlock.Take(1)
	if err != nil {
		return err
	}
	if err := c.deploy(ctx, ports[0]); err != nil {
		return err
	}
	dir := filepath.Join(c.dir, "kafka-apiserver")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append(c.serveArgs(c.Host.ServerKubeconfig, ports[0]), "--data-dir", dir)
	process, err := StartProcess("kafka-apiserver", filepath.Join(c.logs, "kafka-apiserver.log"), args...)
	if err != nil {
		return err
	}
	c.Server = &Aggregated{Process: process, Port: ports[0]}
	client, err := trusting(c.Host.Authority)
	if err != nil {
		return err
	}
	return process.WaitUntil(ctx, func(ctx context.Context) error {
		// The host fetches a group's descriptions some time after the group itself.
		return errors.Join(probe(ctx, client, c.Host.URL+"/apis/kafka.openshift.io/v1beta1", AdminToken),
			probe(ctx, client, c.Host.URL+"/openapi/v3/apis/kafka.openshift.io/v1beta1", AdminToken))
	})
}

// Readyz asks the aggregated server itself.
func (a *Aggregated) Readyz(t *testing.T) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/readyz?verbose", a.Port), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Who it is, the aggregation layer verifies.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}
