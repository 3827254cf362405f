//go:build integration

package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"kafka.openshift.io/kafka-apiserver/test/kafkaproc/portlock"
)

// AdminToken is that of a static user who may do everything.
const (
	AdminToken       = "admin-token"
	apiserverToken   = "kafka-apiserver-token"
	controllersToken = "kafka-controllers-token"
)

// Host is a Kubernetes without nodes: etcd, kube-apiserver and kube-controller-manager.
type Host struct {
	Dir string
	// URL of kube-apiserver, and the file of the authority to trust.
	URL       string
	Authority string
	// AdminKubeconfig may do everything; ServerKubeconfig and ControllersKubeconfig are the service accounts of kafka-apiserver
	// and of the controllers.
	AdminKubeconfig       string
	ServerKubeconfig      string
	ControllersKubeconfig string

	programs map[string]string
	// flags are kube-apiserver's, besides those of all hosts.
	flags     []string
	processes []*Process
}

func startHost(ctx context.Context, dir string, programs map[string]string, flags ...string) (*Host, error) {
	h := &Host{Dir: dir, programs: programs, flags: flags}
	if err := h.start(ctx); err != nil {
		h.kill()
		return nil, fmt.Errorf("start a Kubernetes: %w", err)
	}
	return h, nil
}

func (h *Host) kill() {
	for i := len(h.processes) - 1; i >= 0; i-- {
		h.processes[i].Kill()
	}
}

func (h *Host) start(ctx context.Context) error {
	etcd, endpoint, err := StartEtcd(ctx, h.programs["etcd"], filepath.Join(h.Dir, "host-etcd"))
	if err != nil {
		return err
	}
	h.processes = append(h.processes, etcd)
	if err := h.startAPIServer(ctx, endpoint); err != nil {
		return err
	}
	return h.startControllerManager(ctx)
}

// StartEtcd starts an etcd of one member and returns its endpoint.
func StartEtcd(ctx context.Context, program, dir string) (*Process, string, error) {
	ports, err := portlock.Take(2)
	if err != nil {
		return nil, "", err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	process, err := StartProcess("etcd", dir+".log", program, "--data-dir", dir, "--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	if err != nil {
		return nil, "", err
	}
	return process, client, process.WaitUntil(ctx, func(ctx context.Context) error { return probe(ctx, http.DefaultClient, client+"/readyz", "") })
}

func (h *Host) startAPIServer(ctx context.Context, etcd string) error {
	keys := filepath.Join(h.Dir, "keys")
	if err := os.MkdirAll(keys, 0o755); err != nil {
		return err
	}
	if err := errors.Join(writeFrontProxy(keys), writeServiceAccountKey(keys)); err != nil {
		return err
	}
	tokens := AdminToken + ",admin,admin,system:masters\n" +
		apiserverToken + `,system:serviceaccount:kafka-system:kafka-apiserver,kafka-apiserver,"system:serviceaccounts,system:serviceaccounts:kafka-system"` + "\n" +
		controllersToken + `,system:serviceaccount:kafka-system:kafka-controllers,kafka-controllers,"system:serviceaccounts,system:serviceaccounts:kafka-system"` + "\n"
	if err := os.WriteFile(filepath.Join(keys, "tokens.csv"), []byte(tokens), 0o600); err != nil {
		return err
	}
	ports, err := portlock.Take(1)
	if err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(keys, name) }
	args := append([]string{h.programs["kube-apiserver"],
		"--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", fmt.Sprint(ports[0]),
		// Without a certificate of its own it makes one for its address.
		"--cert-dir", keys,
		// Endpoints on loopback are not valid, and nobody here uses the Service named kubernetes.
		"--endpoint-reconciler-type", "none",
		"--service-cluster-ip-range", "10.96.0.0/16",
		"--token-auth-file", in("tokens.csv"), "--authorization-mode", "RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", in("service-accounts.key"),
		"--service-account-signing-key-file", in("service-accounts.key"),
		"--requestheader-client-ca-file", in("front-proxy-ca.crt"), "--requestheader-allowed-names", "front-proxy",
		"--requestheader-username-headers", "X-Remote-User", "--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--proxy-client-cert-file", in("front-proxy.crt"), "--proxy-client-key-file", in("front-proxy.key")}, h.flags...)
	process, err := StartProcess("kube-apiserver", filepath.Join(h.Dir, "kube-apiserver.log"), args...)
	if err != nil {
		return err
	}
	h.processes = append(h.processes, process)
	h.URL, h.Authority = fmt.Sprintf("https://127.0.0.1:%d", ports[0]), in("apiserver.crt")
	err = process.WaitUntil(ctx, func(ctx context.Context) error {
		client, err := trusting(h.Authority)
		if err != nil {
			return err
		}
		return probe(ctx, client, h.URL+"/readyz", AdminToken)
	})
	if err != nil {
		return err
	}
	h.AdminKubeconfig, h.ServerKubeconfig = filepath.Join(h.Dir, "admin.kubeconfig"), filepath.Join(h.Dir, "kafka-apiserver.kubeconfig")
	h.ControllersKubeconfig = filepath.Join(h.Dir, "kafka-controllers.kubeconfig")
	return errors.Join(writeKubeconfig(h.AdminKubeconfig, h.URL, h.Authority, AdminToken),
		writeKubeconfig(h.ServerKubeconfig, h.URL, h.Authority, apiserverToken),
		writeKubeconfig(h.ControllersKubeconfig, h.URL, h.Authority, controllersToken))
}

func (h *Host) startControllerManager(ctx context.Context) error {
	ports, err := portlock.Take(1)
	if err != nil {
		return err
	}
	process, err := StartProcess("kube-controller-manager", filepath.Join(h.Dir, "kube-controller-manager.log"), h.programs["kube-controller-manager"],
		"--kubeconfig", h.AdminKubeconfig, "--bind-address", "127.0.0.1", "--secure-port", fmt.Sprint(ports[0]),
		"--service-account-private-key-file", filepath.Join(h.Dir, "keys", "service-accounts.key"),
		"--use-service-account-credentials", "--leader-elect=false", "--cert-dir", filepath.Join(h.Dir, "kcm"),
		// The default of five minutes is how long a new kind is counted by nobody; the log is for when it is not.
		"--resource-quota-sync-period", "5s", "--v", "2")
	if err != nil {
		return err
	}
	h.processes = append(h.processes, process)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	return process.WaitUntil(ctx, func(ctx context.Context) error {
		return probe(ctx, client, fmt.Sprintf("https://127.0.0.1:%d/healthz", ports[0]), "")
	})
}

// writeKubeconfig names a server, whom to trust, and who comes.
func writeKubeconfig(file, url, authority, token string) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["host"] = &clientcmdapi.Cluster{Server: url, CertificateAuthority: authority}
	config.AuthInfos["user"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["host"] = &clientcmdapi.Context{Cluster: "host", AuthInfo: "user"}
	config.CurrentContext = "host"
	return clientcmd.WriteToFile(*config, file)
}

func trusting(authority string) (*http.Client, error) {
	content, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("no certificate in %s", authority)
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}, nil
}

func probe(ctx context.Context, client *http.Client, url, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
