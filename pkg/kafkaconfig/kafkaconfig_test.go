package kafkaconfig

import (
	"slices"
	"strings"
	"testing"
)

func TestIsManaged(t *testing.T) {
	for key, want := range map[string]bool{
		"node.id":                                     true,
		"broker.id":                                   true,
		"listeners":                                   true,
		"advertised.listeners":                        true,
		"listener.security.protocol.map":              true,
		"listener.name.plain.max.connections":         true,
		"log.dirs":                                    true,
		"controller.quorum.voters":                    true,
		"zookeeper.connect":                           true,
		"zookeeper.ssl.client.enable":                 true,
		"ssl.keystore.location":                       true,
		"security.inter.broker.protocol":              true,
		"authorizer.class.name":                       true,
		"log.retention.hours":                         false,
		"log.dirs.extra":                              false,
		"min.insync.replicas":                         false,
		"controller.quorum.append.linger.ms":          false,
		"controller.quorum.election.timeout.ms":       false,
		"zookeeper.session.timeout.ms":                false,
		"inter.broker.protocol.version":               false,
		"auto.create.topics.enable":                   false,
		"offsets.topic.replication.factor":            false,
		"group.coordinator.rebalance.protocols":       false,
		"transaction.state.log.replication.factor":    false,
		"remote.log.storage.system.enable":            false,
		"metadata.log.max.record.bytes.between.snaps": false,
	} {
		if got := IsManaged(key); got != want {
			t.Errorf("IsManaged(%q) = %v, want %v", key, got, want)
		}
	}
}

func TestManagedKeysListsEveryRule(t *testing.T) {
	keys := ManagedKeys()
	if !slices.IsSorted(keys) {
		t.Errorf("not sorted: %v", keys)
	}
	for _, key := range keys {
		if probe := strings.TrimSuffix(key, "*"); !IsManaged(probe) && !IsManaged(probe+"x") {
			t.Errorf("%q is listed but not managed", key)
		}
	}
}

func TestMaxClusterNameLeavesRoomForTheRevisionLabel(t *testing.T) {
	label := strings.Repeat("n", MaxClusterName) + "-controller" + "-" + "5d8f7c9b6d"
	if len(label) != 63 {
		t.Errorf("revision label of the longest name has %d characters, want 63", len(label))
	}
}

func TestThrottlesBelongToReassignments(t *testing.T) {
	for key, want := range map[string]bool{
		"leader.replication.throttled.replicas":   true,
		"follower.replication.throttled.replicas": true,
		"retention.ms": false,
		"":             false,
	} {
		if got := IsReassignmentThrottle(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
	}
}
