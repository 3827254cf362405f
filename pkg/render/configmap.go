package render

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	configMount = "/etc/kafka-cluster"

	startScript  = "start.sh"
	readyScript  = "ready.sh"
	jvmFile      = "jvm.options"
	securityFile = "java.security"
	log4j1File   = "log4j.properties"
	log4j2File   = "log4j2.properties"
	// environmentFile has a ConfigMap of its own, which changes while nodes run: Formed in it only matters to empty volumes.
	environmentFile = "cluster.env"
)

//go:embed files
var files embed.FS

func file(name string) string {
	content, err := files.ReadFile("files/" + name)
	if err != nil {
		// Cannot happen: the name is a constant of this package and the file is compiled in.
		panic(err)
	}
	return string(content)
}

// configMaps render what the nodes of a role are started with. The first is immutable and named by the hash of its content, so that a container
// that is started again gets what its pod had, whatever has changed since. The other tells what is known of the cluster.
func (r renderer) configMaps(n nodes) (config, environment *corev1ac.ConfigMapApplyConfiguration, hash string) {
	data := map[string]string{
		jvmFile:      arguments(jvmArguments(n.role, r.kafka.Spec.Version, n.resources, n.jvm)),
		securityFile: file("java.security"),
	}
	if usesLog4j1(r.kafka.Spec.Version) {
		data[log4j1File] = file("log4j.properties")
	} else {
		data[log4j2File] = file("log4j2.properties")
	}
	if n.role == ZooKeeper {
		data[startScript] = file("start-zookeeper.sh")
		data[readyScript] = file("zookeeper-ready.sh")
		data["zoo.cfg"] = file("zoo.cfg")
	} else {
		data[startScript] = file("start-kafka.sh")
		data["server.properties"] = properties(r.serverConfig(n))
		if r.hasVoters(n) {
			data["voter.properties"] = properties(r.nodeConfig(n, true))
		}
		if n.role == Broker {
			data["node.properties"] = properties(r.nodeConfig(n, false))
		}
	}
	hash = hashOf(data)
	of := func(name string) *corev1ac.ConfigMapApplyConfiguration {
		return corev1ac.ConfigMap(name, r.kafka.Namespace).WithLabels(r.labels(n)).WithOwnerReferences(r.owner())
	}
	config = of(ConfigName(r.kafka.Name, n.role, hash)).WithImmutable(true).WithData(data)
	environment = of(r.name(n)).WithData(map[string]string{environmentFile: r.environment(n)})
	return config, environment, hash
}

// hasVoters tells whether some of a role's nodes vote in the KRaft quorum.
func (r renderer) hasVoters(n nodes) bool {
	return n.role == Controller || n.role == Broker && r.mode == v1beta1.ModeCombined
}

// environment is what the start scripts source. All values are ours and checked: ids, numbers and DNS names.
func (r renderer) environment(n nodes) string {
	var formed []int32
	if n.persistent() || r.nodes(Broker).persistent() {
		formed = r.facts.Formed
	}
	// Otherwise all is ephemeral: an emptyDir is empty whenever its pod is new, and a node votes again with what it has. A cluster
	// that must survive the loss of nodes needs claims. Ephemeral voters below brokers with claims are no such case: brokers
	// delete the logs that an empty quorum does not know.
	var lines []string
	add := func(key, value string) { lines = append(lines, key+"='"+value+"'\n") }
	switch {
	case n.role == ZooKeeper:
		members := make([]int32, 0, n.replicas)
		for ordinal := range n.replicas {
			members = append(members, ordinal+1)
		}
		add("MEMBERS", strings.ReplaceAll(FormatIDs(members), ",", " "))
		add("FORMED", FormatIDs(formed))
	case r.mode == v1beta1.ModeZooKeeper:
		add("MODE", "zookeeper")
		add("VOTERS", "")
	default:
		add("MODE", "kraft")
		add("CLUSTER_ID", r.facts.ClusterID)
		add("LOGGING", formatLogging(r.kafka.Spec.Version))
		voters := ""
		if r.hasVoters(n) {
			voters = FormatIDs(voterIDs(r.facts.Quorum))
		}
		add("VOTERS", voters)
		add("INITIAL_CONTROLLERS", initialControllers(r.kafka, r.facts.Quorum))
		add("FORMED", FormatIDs(formed))
	}
	return strings.Join(lines, "")
}

func hashOf(data map[string]string) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		// The lengths are not needed: no key holds a zero byte, and neither does any text file.
		h.Write([]byte(key + "\x00" + data[key] + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
