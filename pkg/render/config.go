package render

import (
	"maps"
	"strconv"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	logDir = "/var/lib/kafka/data-0/kafka-log"
	// chroot keeps Kafka's nodes apart in an ensemble. It is the same for every Kafka of a name: one that is created again
	// over the claims of its predecessor must find its metadata.
	chroot = "/kafka"

	listenerProtocols = "CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,REPLICATION:PLAINTEXT"
)

// serverConfig is the part of server.properties that all nodes of a role share: defaults below the user's settings below the
// cluster's own. In KRaft the active controller applies the topic defaults and policies, so dedicated controllers get the
// brokers' settings too.
func (r renderer) serverConfig(n nodes) map[string]string {
	settings := defaultConfig(r.mode, r.facts.InitialBrokers)
	maps.Copy(settings, r.kafka.Spec.Brokers.Config)
	maps.Copy(settings, map[string]string{
		"log.dirs":                       logDir,
		"listener.security.protocol.map": listenerProtocols,
	})
	if n.role == Broker {
		settings["inter.broker.listener.name"] = "REPLICATION"
	}
	if r.mode == v1beta1.ModeZooKeeper {
		// controller.listener.names must stay empty here, and the protocol of a listener that nobody has is refused.
		settings["listener.security.protocol.map"] = "PLAIN:PLAINTEXT,REPLICATION:PLAINTEXT"
		settings["zookeeper.connect"] = r.zooKeeperConnect()
		return settings
	}
	settings["controller.listener.names"] = "CONTROLLER"
	settings["controller.quorum.bootstrap.servers"] = bootstrapControllers(r.kafka, r.facts.Quorum)
	return settings
}

// defaultConfig is what a user may override. Factors derive from the number of brokers at creation. min.insync.replicas is one
// below the replication factor: equal to it, no broker could restart without refusing writes.
func defaultConfig(mode v1beta1.ClusterMode, brokers int32) map[string]string {
	factor := min(brokers, 3)
	insync := max(factor-1, 1)
	rf, isr := strconv.Itoa(int(factor)), strconv.Itoa(int(insync))
	settings := map[string]string{
		"auto.create.topics.enable":                "false",
		"default.replication.factor":               rf,
		"min.insync.replicas":                      isr,
		"num.recovery.threads.per.data.dir":        "2",
		"offsets.topic.replication.factor":         rf,
		"transaction.state.log.min.isr":            isr,
		"transaction.state.log.replication.factor": rf,
	}
	if mode == v1beta1.ModeZooKeeper {
		settings["inter.broker.protocol.version"] = "3.9"
		// Brokers start together with the ensemble; those that give up after Kafka's 18 s come back ever later.
		settings["zookeeper.connection.timeout.ms"] = "120000"
		return settings
	}
	settings["share.coordinator.state.topic.replication.factor"] = rf
	settings["share.coordinator.state.topic.min.isr"] = isr
	// Kafka waits 25 ms for more records before it commits metadata; a person waits for each CreateTopics.
	settings["controller.quorum.append.linger.ms"] = "0"
	return settings
}

// nodeConfig is the part of server.properties that differs by node; the start script replaces __ID__ and __FQDN__. voter tells
// whether the node has a vote in the KRaft quorum.
func (r renderer) nodeConfig(n nodes, voter bool) map[string]string {
	broker := n.role == Broker
	var names, roles []string
	if broker {
		names = append(names, "REPLICATION:9091", "PLAIN:9092")
		roles = append(roles, "broker")
	}
	if voter {
		names = append(names, "CONTROLLER:9093")
		roles = append(roles, "controller")
	}
	var listeners, advertised []string
	for _, listener := range names {
		name, port, _ := strings.Cut(listener, ":")
		listeners = append(listeners, name+"://:"+port)
		advertised = append(advertised, name+"://__FQDN__:"+port)
	}
	settings := map[string]string{
		"listeners":            strings.Join(listeners, ","),
		"advertised.listeners": strings.Join(advertised, ","),
	}
	if r.mode == v1beta1.ModeZooKeeper {
		settings["broker.id"] = "__ID__"
		return settings
	}
	settings["node.id"] = "__ID__"
	settings["process.roles"] = strings.Join(roles, ",")
	if voter {
		// A voter that comes back with an empty volume is an observer with a new directory id; with this it asks the quorum
		// to replace its old vote once it has caught up (Kafka 4.2).
		settings["controller.quorum.auto.join.enable"] = "true"
	}
	return settings
}

func (r renderer) zooKeeperConnect() string {
	members := r.nodes(ZooKeeper)
	var parts []string
	for ordinal := range members.replicas {
		host := PodHost(r.kafka.Namespace, r.kafka.Name, ZooKeeper, ordinal)
		parts = append(parts, host+":"+strconv.Itoa(ZooKeeperPort))
	}
	return strings.Join(parts, ",") + chroot
}
