package topics

import (
	"context"
	"fmt"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// waitsForBrokers tells a refusal for want of brokers that come back from one for want of brokers that the cluster does not have. A controller
// answers both with INVALID_REPLICATION_FACTOR. In KRaft mode it counts those that are registered, and refuses what they can host only while all
// of them are fenced or shut down (StripedReplicaPlacer, ReplicationControlManager.createTopic); in ZooKeeper mode it counts those that live
// (AdminUtils.assignReplicasToBrokers). So it is a matter of time where the cluster has as many brokers as replicas are asked for; replicas is
// less than 1 for the brokers' default.
func (c *Topics) waitsForBrokers(ctx context.Context, op, topic string, replicas int, refused error) error {
	if kafkaerr.CodeOf(refused) != kafkaerr.InvalidReplicationFactor {
		return refused
	}
	info, err := c.Describe(ctx)
	if err != nil {
		if err = c.Failed(ctx, op, topic, err); kafkaerr.IsUnreachable(err) {
			// The last of them went meanwhile.
			return err
		}
		return refused
	}
	brokers, serving := map[int32]bool{}, 0
	for _, b := range info.Brokers {
		// Brokers before 4.0 do not tell those that are fenced (KIP-1073).
		if brokers[b.ID] = true; !b.Fenced {
			serving++
		}
	}
	if snapshot, err := c.Snapshot(ctx, metadata.Lately); err == nil {
		// What hosts a replica is of the cluster, too.
		for id, hosts := range snapshot.Hosts {
			if hosts.Replicas > 0 {
				brokers[id] = true
			}
		}
	}
	have := max(len(brokers), c.KnownSize())
	// The controller says so when none serves, whatever was heard of them before.
	noneServes := strings.Contains(refused.Error(), "fenced")
	switch {
	case replicas > have && noneServes:
		// It would be refused with all brokers there, too, in words that say so.
		text := fmt.Sprintf("%d replicas are asked for, and the cluster has %s", replicas, plural.Of(have, "broker", "brokers"))
		return kafkaerr.New(op, topic, kafkaerr.InvalidReplicationFactor, &text, 0)
	case replicas > have:
		return refused
	case noneServes:
		serving = 0
	case replicas < 1 && serving >= have:
		// The brokers' default is not told. Brokers that are away may be what it wants.
		return refused
	}
	return &kafkaerr.TooFewBrokersError{Op: op, Object: topic, Serving: serving, Brokers: have, Err: refused}
}
