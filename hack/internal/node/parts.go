package node

import (
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
	"kafka.openshift.io/kafka-apiserver/hack/internal/pki"
	"kafka.openshift.io/kafka-apiserver/hack/internal/proc"
)

// A part is one process of the cluster.
type part struct {
	spec  proc.Spec
	grace time.Duration // what it gets to end by itself
	check check
}

// Programs are the paths of the programs that the parts run.
type Programs struct {
	Etcd, APIServer, ControllerManager, Scheduler, Kubelet, Proxy, CoreDNS, Kubectl string
	// Self is this program, which is the provisioner too.
	Self string
}

const (
	etcdURL     = "http://127.0.0.1:2379"
	etcdPeerURL = "http://127.0.0.1:2380"
	// ProvisionerAddress is where the provisioner answers /healthz, inside the namespace.
	ProvisionerAddress = "127.0.0.1:8183"
)

// stages returns the parts in the order in which they start; the parts of one stage start together.
func stages(l Layout, p Programs) [][]part {
	return [][]part{
		{etcd(l, p), containerd(l)},
		{apiServer(l, p)},
		{controllerManager(l, p), scheduler(l, p), kubelet(l, p), proxy(l, p), coreDNS(l, p), provisioner(l, p)},
	}
}

func newPart(l Layout, name string, grace time.Duration, c check, args []string, inputs ...string) part {
	return part{
		spec:  proc.Spec{Name: name, Args: netns.Wrap(args...), Dir: l.path("run"), Log: l.logFile(name), Inputs: inputs},
		grace: grace,
		check: c,
	}
}

func etcd(l Layout, p Programs) part {
	return newPart(l, "etcd", 5*time.Second, httpCheck("http://127.0.0.1:2379/readyz"), []string{p.Etcd,
		"--data-dir", l.path("etcd"),
		"--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL,
		"--listen-peer-urls", etcdPeerURL, "--initial-advertise-peer-urls", etcdPeerURL,
		"--initial-cluster", "default=" + etcdPeerURL,
		// A crash of the machine may lose this test bed's objects; in return writes do not wait for its disk.
		"--unsafe-no-fsync",
	})
}

func apiServer(l Layout, p Programs) part {
	keys := pki.Dir{Path: l.pki()}
	return newPart(l, "kube-apiserver", 10*time.Second, tlsCheck(l, APIServer+"/readyz"), []string{p.APIServer,
		"--etcd-servers", etcdURL,
		"--advertise-address", netns.NodeIP, "--secure-port", "6443",
		"--service-cluster-ip-range", netns.ServiceCIDR,
		"--tls-cert-file", keys.Cert("kube-apiserver"), "--tls-private-key-file", keys.Key("kube-apiserver"),
		"--client-ca-file", keys.Cert(authority),
		"--service-account-key-file", keys.Public(serviceAccounts),
		"--service-account-signing-key-file", keys.Key(serviceAccounts),
		"--service-account-issuer", "https://kubernetes.default.svc.cluster.local",
		"--authorization-mode", "Node,RBAC",
		"--enable-admission-plugins", "NodeRestriction",
		"--allow-privileged",
		// An aggregated API server is called at its pods' addresses: this process sees no Service addresses in a
		// namespace whose packet filter it shares only by chance.
		"--enable-aggregator-routing",
		"--requestheader-client-ca-file", keys.Cert(frontProxyAuthority),
		"--requestheader-allowed-names", frontProxy,
		"--requestheader-extra-headers-prefix", "X-Remote-Extra-",
		"--requestheader-group-headers", "X-Remote-Group",
		"--requestheader-username-headers", "X-Remote-User",
		"--proxy-client-cert-file", keys.Cert(frontProxy), "--proxy-client-key-file", keys.Key(frontProxy),
		"--kubelet-client-certificate", keys.Cert("kubelet-client"), "--kubelet-client-key", keys.Key("kubelet-client"),
		"--kubelet-certificate-authority", keys.Cert(authority),
		// The node's name resolves nowhere outside its own DNS.
		"--kubelet-preferred-address-types", "InternalIP",
	}, keys.Cert("kube-apiserver"), keys.Cert(authority), keys.Cert(frontProxyAuthority), keys.Cert(frontProxy), keys.Public(serviceAccounts))
}

func controllerManager(l Layout, p Programs) part {
	keys := pki.Dir{Path: l.pki()}
	kubeconfig := l.kubeconfig("kube-controller-manager")
	return newPart(l, "kube-controller-manager", 5*time.Second, httpCheck("https://127.0.0.1:10257/healthz"), []string{p.ControllerManager,
		"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--bind-address", "127.0.0.1",
		"--service-account-private-key-file", keys.Key(serviceAccounts),
		"--root-ca-file", keys.Cert(authority),
		"--cluster-signing-cert-file", keys.Cert(authority), "--cluster-signing-key-file", keys.Key(authority),
		"--use-service-account-credentials",
		"--leader-elect=false",
	}, kubeconfig, keys.Public(serviceAccounts))
}

func scheduler(l Layout, p Programs) part {
	kubeconfig := l.kubeconfig("kube-scheduler")
	return newPart(l, "kube-scheduler", 5*time.Second, httpCheck("https://127.0.0.1:10259/healthz"), []string{p.Scheduler,
		"--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig,
		"--bind-address", "127.0.0.1",
		"--leader-elect=false",
	}, kubeconfig)
}

func containerd(l Layout) part {
	return newPart(l, "containerd", 5*time.Second, commandCheck("ctr", "--address", l.socket(), "version"),
		[]string{"containerd", "--config", l.config("containerd.toml")}, l.config("containerd.toml"))
}

func kubelet(l Layout, p Programs) part {
	keys := pki.Dir{Path: l.pki()}
	return newPart(l, "kubelet", 5*time.Second, httpCheck("http://127.0.0.1:10248/healthz"), []string{p.Kubelet,
		"--config", l.config("kubelet.yaml"),
		"--kubeconfig", l.kubeconfig("kubelet"),
		"--hostname-override", Name, "--node-ip", netns.NodeIP,
		"--root-dir", l.path("kubelet"), "--cert-dir", l.path("kubelet", "pki"),
	}, l.config("kubelet.yaml"), l.kubeconfig("kubelet"), keys.Cert("kubelet"), keys.Cert(authority))
}

func proxy(l Layout, p Programs) part {
	return newPart(l, "kube-proxy", 5*time.Second, httpCheck("http://127.0.0.1:10256/healthz"), []string{p.Proxy,
		"--kubeconfig", l.kubeconfig("kube-proxy"),
		"--hostname-override", Name,
		"--proxy-mode", "iptables", "--cluster-cidr", netns.PodCIDR,
		"--healthz-bind-address", "127.0.0.1:10256", "--metrics-bind-address", "127.0.0.1:10249",
		// These are the whole machine's and not for a test bed to change.
		"--conntrack-max-per-core", "0", "--conntrack-tcp-timeout-established", "0", "--conntrack-tcp-timeout-close-wait", "0",
	}, l.kubeconfig("kube-proxy"))
}

func coreDNS(l Layout, p Programs) part {
	return newPart(l, "coredns", 5*time.Second, httpCheck("http://127.0.0.1:8182/ready"),
		[]string{p.CoreDNS, "-conf", l.config("Corefile")}, l.config("Corefile"), l.kubeconfig("coredns"))
}

func provisioner(l Layout, p Programs) part {
	return newPart(l, "provisioner", 5*time.Second, httpCheck("http://"+ProvisionerAddress+"/healthz"), []string{p.Self, "provisioner",
		"--kubeconfig", l.kubeconfig("provisioner"), "--folder", l.volumes(), "--listen", ProvisionerAddress,
	}, p.Self, l.kubeconfig("provisioner"))
}
