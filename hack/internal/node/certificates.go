package node

import (
	"time"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
	"kafka.openshift.io/kafka-apiserver/hack/internal/pki"
)

const (
	authority           = "ca"
	frontProxyAuthority = "front-proxy-ca"
	serviceAccounts     = "service-accounts"
	admin               = "admin"
	frontProxy          = "front-proxy-client"
	// serviceIP is the first address of the Service range, where pods find the API.
	serviceIP = "10.96.0.1"
)

// subjects are the certificates signed by the cluster's authority, by name. Who has a kubeconfig is in kubeconfigs.
var subjects = map[string]pki.Subject{
	"kube-apiserver": {CommonName: "kube-apiserver", IPs: []string{"127.0.0.1", serviceIP, netns.NodeIP},
		DNSNames: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}},
	"kubelet-client":          {CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}},
	"kubelet":                 {CommonName: "system:node:" + Name, Organizations: []string{"system:nodes"}, DNSNames: []string{Name}, IPs: []string{netns.NodeIP}},
	admin:                     {CommonName: admin, Organizations: []string{"system:masters"}},
	"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
	"kube-scheduler":          {CommonName: "system:kube-scheduler"},
	"kube-proxy":              {CommonName: "system:kube-proxy"},
	"coredns":                 {CommonName: "system:coredns"},
	"provisioner":             {CommonName: "system:local-volume-provisioner"},
}

// kubeconfigs are the subjects that call the API server.
var kubeconfigs = []string{admin, "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "provisioner"}

// writePKI makes what is missing of the authorities, certificates, keys and kubeconfigs.
func (l Layout) writePKI() error {
	dir := pki.Dir{Path: l.pki(), Now: time.Now}
	ca, err := dir.Authority(authority)
	if err != nil {
		return err
	}
	for name, subject := range subjects {
		if err := ca.Issue(name, subject); err != nil {
			return err
		}
	}
	proxyCA, err := dir.Authority(frontProxyAuthority)
	if err != nil {
		return err
	}
	if err := proxyCA.Issue(frontProxy, pki.Subject{CommonName: frontProxy}); err != nil {
		return err
	}
	if err := dir.KeyPair(serviceAccounts); err != nil {
		return err
	}
	for _, who := range kubeconfigs {
		if err := dir.Kubeconfig(l.kubeconfig(who), Network, APIServer, authority, who); err != nil {
			return err
		}
	}
	return dir.Kubeconfig(l.Kubeconfig, Network, APIServer, authority, admin)
}
