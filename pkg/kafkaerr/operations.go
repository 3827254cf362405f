package kafkaerr

import (
	"math"
	"strings"
)

// Operations are what an account may do with a resource: a bit for each operation, by its code in org.apache.kafka.common.acl.AclOperation.
type Operations int32

// The operations that brokers know of a cluster (org.apache.kafka.common.acl.AclOperation).
const (
	MayCreate          Operations = 1 << 5
	MayAlter           Operations = 1 << 7
	MayDescribe        Operations = 1 << 8
	MayDescribeConfigs Operations = 1 << 10
	MayIdempotentWrite Operations = 1 << 12
)

// OperationsNotTold is in the answers of brokers that were not asked for operations, or do not tell them (Int.MinValue in Kafka's schema).
const OperationsNotTold Operations = math.MinInt32

// clusterRights are the rights on a cluster that this API makes use of, and what for. Create on the cluster is not among them: Create on the
// topics stands for it.
var clusterRights = []struct {
	operation Operations
	name, use string
}{
	{MayDescribe, "Describe", "sizes on disk, moves under way, growing topics of which a replica is out of sync, the metadata quorum, lists of all consumer groups"},
	{MayDescribeConfigs, "DescribeConfigs", "telling before a delete that the brokers delete no topics"},
	{MayAlter, "Alter", "electing leaders, moving partitions"},
	{MayIdempotentWrite, "IdempotentWrite", "writing records, of brokers before 2.8"},
}

// LacksOnCluster says which of the rights on a cluster that are made use of an account lacks, and what each is for; "" when it has them all.
// Brokers tell an account without Describe nothing of the others (kafka.server.AuthHelper), and those since 2.8 do not need IdempotentWrite
// of who may write to some topic (KIP-679).
func LacksOnCluster(may Operations, before28 bool) string {
	var lacks []string
	for _, right := range clusterRights {
		if may&right.operation == 0 && (before28 || right.operation != MayIdempotentWrite) {
			lacks = append(lacks, right.name+" ("+right.use+")")
		}
		if may == 0 {
			return lacks[0] + ", without which brokers do not tell which others it has"
		}
	}
	return strings.Join(lacks, "; ")
}
