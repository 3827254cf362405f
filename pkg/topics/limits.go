package topics

import (
	"fmt"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// MaxAdded is the number of partitions that one request may add. A KRaft controller writes a record for each, and no operation of a
// user may write more (org.apache.kafka.controller.QuorumController.MAX_RECORDS_PER_USER_OP). A new topic has a record of its own, and
// one for each of its settings, and one that clears the eligible leader replicas where it sets min.insync.replicas. Brokers of 4.3 refuse
// more only after they have made room for all of them in memory, which two billion end.
const MaxAdded = 10_000

const minInSyncReplicas = "min.insync.replicas"

// TooManyAtOnce says why a topic cannot grow from have partitions, 0 for a topic that is to be made with a configuration, to want; "" when
// it can.
func TooManyAtOnce(have, want int32, config map[string]string) string {
	if have == 0 {
		most := MaxAdded - 1 - len(config)
		if _, set := config[minInSyncReplicas]; set {
			most--
		}
		switch {
		case int(want) <= max(most, 1):
			return ""
		case len(config) > 0:
			return fmt.Sprintf("a topic with these settings can be created with at most %d partitions, and grow afterwards", most)
		}
		return fmt.Sprintf("a topic can be created with at most %d partitions, and grow afterwards", most)
	}
	if int64(want)-int64(have) <= MaxAdded {
		return ""
	}
	return fmt.Sprintf("at most %d partitions can be added at once, so that the topic can have %d now", MaxAdded, int64(have)+MaxAdded)
}

// DefaultReplicasPerBroker is how many replicas of partitions a cluster takes for each of its brokers, unless it is told otherwise: the
// 4,000 of a broker that Kafka's maintainers advise (KIP-578).
const DefaultReplicasPerBroker = 4_000

// ReplicasPerBrokerUsage is the text of the flag --replicas-per-broker.
const ReplicasPerBrokerUsage = "How many replicas of partitions a Kafka takes for each of its brokers; a create or a growth that would exceed it is refused. " +
	"0 for any number. Give the API server and the controllers the same: these carry out what was stored while brokers were away."

// Load is what a cluster holds.
type Load struct {
	// Brokers counts those that are alive or that host a replica, so that the restart of one does not change what fits.
	Brokers int
	// Replicas counts those of all partitions.
	Replicas int
}

// LoadOf counts what a snapshot shows.
func LoadOf(snapshot *broker.Snapshot) Load {
	load := Load{}
	brokers := make(map[int32]struct{}, len(snapshot.Brokers))
	for id := range snapshot.Brokers {
		brokers[id] = struct{}{}
	}
	for id, hosts := range snapshot.Hosts {
		if hosts.Replicas > 0 {
			load.Replicas += hosts.Replicas
			brokers[id] = struct{}{}
		}
	}
	load.Brokers = len(brokers)
	return load
}

// TooMany says why a cluster does not take some more partitions of some replicas each; "" when it does. perBroker is how many replicas a
// broker is to hold at most, 0 or less for any number.
func (l Load) TooMany(partitions, replicas int32, perBroker int) string {
	n := l.adds(partitions, replicas)
	if l.holds(n, perBroker) {
		return ""
	}
	return fmt.Sprintf("the cluster has %s of partitions on %s and takes at most %d, which is %d a broker, as whoever runs kafka-apiserver has set by --replicas-per-broker; this would add %d",
		plural.Of(l.Replicas, "replica", "replicas"), plural.Of(l.Brokers, "broker", "brokers"), int64(l.Brokers)*int64(perBroker), perBroker, n)
}

// holds tells whether so many more replicas fit.
func (l Load) holds(added int64, perBroker int) bool {
	return perBroker <= 0 || added == 0 || int64(l.Replicas)+added <= int64(l.Brokers)*int64(perBroker)
}

// maxOpenReplicas is how many replicas a partition counts as at most whose number is left to the brokers. It is what their default is
// usually, and what it is for brokers that are run here (see docs/decisions/0008-broker-defaults.md).
const maxOpenReplicas = 3

// adds is how many replicas some partitions have. What is left to the brokers is not known before it is made: of partitions it counts as one,
// as Kafka's default is, and of replicas as many as there are brokers, three at most.
func (l Load) adds(partitions, replicas int32) int64 {
	open := int32(maxOpenReplicas)
	if l.Brokers > 0 {
		open = min(open, int32(l.Brokers))
	}
	if replicas > 0 {
		open = replicas
	}
	return int64(max(partitions, 1)) * int64(open)
}

// largeRequest is from how many replicas on a request is large: what any broker carries is below it. A large request whose outcome is
// unknown may have ended the brokers. A smaller one only was under way when they ended, and is sent again.
const largeRequest = 100

// Large tells whether a request that adds so many partitions is large. Numbers that are left to the brokers count as 1.
func Large(partitions, replicas int32) bool {
	return int64(max(partitions, 1))*int64(max(replicas, 1)) > largeRequest
}
