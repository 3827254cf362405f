package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"kafka.openshift.io/kafka-apiserver/hack/internal/netns"
)

// configs are the configuration files of the node's parts, by name.
var configs = map[string]*template.Template{
	"containerd.toml": parse(`version = 2
root = "{{.Path "containerd/root"}}"
state = "{{.Path "containerd/state"}}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{{.Socket}}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.PauseImage}}"
  # Without CAP_SYS_RESOURCE in all of this machine's namespaces, lowering a score fails and with it every sandbox.
  restrict_oom_score_adj = true
  # The default, /run/netns, would outlive a cluster that was killed.
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{{.Path "config/cni"}}"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = "{{.Path "runc"}}"
`),
	// A bridge suffices on one node. Its reservations live with the cluster's state, not in /var/lib/cni.
	"cni/10-bridge.conflist": parse(`{
  "cniVersion": "0.4.0",
  "name": "{{.Network}}",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "dataDir": "{{.Path "cni"}}",
        "ranges": [[{"subnet": "{{.PodCIDR}}", "rangeStart": "10.244.0.2"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`),
	"kubelet.yaml": parse(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /{{.Cgroup}}
localStorageCapacityIsolation: false
evictionHard: {}
imageGCHighThresholdPercent: 100
containerRuntimeEndpoint: unix://{{.Socket}}
clusterDNS: ["{{.NodeIP}}"]
clusterDomain: cluster.local
resolvConf: {{.Path "config/resolv.conf"}}
podLogsDir: {{.PodLogs}}
volumePluginDir: {{.Path "kubelet/volume-plugins"}}
authentication:
  x509: {clientCAFile: {{.PKI}}/ca.crt}
  anonymous: {enabled: false}
  webhook: {enabled: true}
authorization: {mode: Webhook}
tlsCertFile: {{.PKI}}/kubelet.crt
tlsPrivateKeyFile: {{.PKI}}/kubelet.key
rotateCertificates: false
failSwapOn: false
healthzBindAddress: 127.0.0.1
healthzPort: 10248
`),
	"Corefile": parse(`{{.Node}} cluster.local in-addr.arpa {
  bind {{.NodeIP}}
  errors
  health 127.0.0.1:8181
  ready 127.0.0.1:8182
  hosts {
    {{.NodeIP}} {{.Node}}
    fallthrough
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig {{.Kubeconfig "coredns"}} {{.Network}}
    pods insecure
    ttl 5
  }
  loadbalance
}

# Nothing lies outside: a name that the cluster does not know does not exist, and a pod learns so at once. This is a block
# of its own because the template plugin would answer before the others, whatever their order here.
. {
  bind {{.NodeIP}}
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`),
	"resolv.conf": parse("nameserver {{.NodeIP}}\n"),
}

func parse(text string) *template.Template { return template.Must(template.New("").Parse(text)) }

// configValues is what the configuration files are rendered from.
type configValues struct {
	layout                                                                   Layout
	NodeIP, PodCIDR, Network, Node, Cgroup, PauseImage, Socket, PKI, PodLogs string
}

func (v configValues) Path(p string) string         { return v.layout.path(filepath.FromSlash(p)) }
func (v configValues) Kubeconfig(who string) string { return v.layout.kubeconfig(who) }

// renderConfigs returns the content of every configuration file, by name.
func renderConfigs(l Layout) (map[string][]byte, error) {
	values := configValues{layout: l, NodeIP: netns.NodeIP, PodCIDR: netns.PodCIDR, Network: Network, Node: Name, Cgroup: cgroup,
		PauseImage: PauseImage, Socket: l.socket(), PKI: l.pki(), PodLogs: l.podLogs()}
	rendered := map[string][]byte{}
	for name, t := range configs {
		var out bytes.Buffer
		if err := t.Execute(&out, values); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", name, err)
		}
		rendered[name] = out.Bytes()
	}
	return rendered, nil
}

func (l Layout) writeConfigs() error {
	rendered, err := renderConfigs(l)
	if err != nil {
		return err
	}
	for name, content := range rendered {
		file := l.config(filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("making the folder of %s: %w", name, err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return fmt.Errorf("writing configuration: %w", err)
		}
	}
	return nil
}
