// Package kafkaconfig knows which of Apache Kafka's settings belong to the cluster and not to its user, which texts are the same value
// of a setting, what settings the brokers of a release have, and which names a cluster can have. It is pure; it never looks at a cluster.
package kafkaconfig

import (
	"slices"
	"strings"
)

// MaxClusterName is the longest name of a Kafka that is run here, in characters. A StatefulSet stamps its pods with the label
// controller-revision-hash=<statefulset>-<10 characters>, label values end at 63, and the longest suffix is "-controller".
const MaxClusterName = 63 - 11 - len("-controller")

// managed are the settings that are the cluster's own: identity, listeners, quorum, disks, and all security, which belongs to
// fields of the Kafka (a setting accepted here today could not be taken over by a field tomorrow).
var managed = []string{
	"allow.everyone.if.no.acl.found",
	"broker.id",
	"broker.id.generation.enable",
	"broker.rack",
	"control.plane.listener.name",
	"controller.listener.names",
	"controller.quorum.auto.join.enable",
	"controller.quorum.bootstrap.servers",
	"controller.quorum.voters",
	"early.start.listeners",
	"inter.broker.listener.name",
	"listeners",
	"log.dir",
	"log.dirs",
	"metadata.log.dir",
	"node.id",
	"port",
	"host.name",
	"principal.builder.class",
	"process.roles",
	"reserved.broker.max.id",
	"super.users",
	"zookeeper.clientCnxnSocket",
	"zookeeper.connect",
	"zookeeper.metadata.migration.enable",
	"zookeeper.set.acl",
}

// managedPrefixes end in a dot, or name a family of settings.
var managedPrefixes = []string{
	"advertised.",
	"authorizer.",
	"listener.name.",
	"listener.security.",
	"sasl.",
	"security.",
	"ssl.",
	"zookeeper.ssl.",
}

// ManagedKeys lists the settings that a Kafka's spec.brokers.config must not hold, sorted; an entry that ends in ".*" stands for
// all settings that begin so.
func ManagedKeys() []string {
	out := slices.Clone(managed)
	for _, prefix := range managedPrefixes {
		out = append(out, prefix+"*")
	}
	slices.Sort(out)
	return out
}

// IsManaged tells whether a setting belongs to the cluster itself.
func IsManaged(key string) bool {
	if slices.Contains(managed, key) {
		return true
	}
	return slices.ContainsFunc(managedPrefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// throttles are the settings of a topic that belong to reassignments (org.apache.kafka.server.config.QuotaConfig): who moves replicas
// sets them on the topic when a throttled move begins, and removes them when it has ended.
var throttles = []string{"follower.replication.throttled.replicas", "leader.replication.throttled.replicas"}

// IsReassignmentThrottle tells whether a setting of a topic belongs to its reassignments, so that neither a user's spec nor a
// comparison with one has a say in it.
func IsReassignmentThrottle(key string) bool { return slices.Contains(throttles, key) }
