package brokers

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func newQuorumInfo(p kmsg.DescribeQuorumResponseTopicPartition, nodes []kmsg.DescribeQuorumResponseNode) QuorumInfo {
	info := QuorumInfo{LeaderID: p.LeaderID, LeaderEpoch: p.LeaderEpoch, HighWatermark: p.HighWatermark}
	end := int64(-1)
	for _, v := range p.CurrentVoters {
		if v.ReplicaID == p.LeaderID {
			end = v.LogEndOffset
		}
	}
	info.Voters = quorumReplicas(p.CurrentVoters, end)
	info.Observers = quorumReplicas(p.Observers, end)
	for _, n := range nodes {
		node := QuorumNode{ID: n.NodeID}
		for _, l := range n.Listeners {
			node.Listeners = append(node.Listeners, QuorumListener{Name: l.Name, Host: l.Host, Port: l.Port})
		}
		info.Nodes = append(info.Nodes, node)
	}
	return info
}

func quorumReplicas(states []kmsg.DescribeQuorumResponseTopicPartitionReplicaState, leaderEnd int64) []QuorumReplica {
	replicas := make([]QuorumReplica, 0, len(states))
	for _, s := range states {
		r := QuorumReplica{ID: s.ReplicaID, DirectoryID: DirectoryID(s.ReplicaDirectoryID), LogEndOffset: s.LogEndOffset, Lag: -1,
			LastFetch: millisTime(s.LastFetchTimestamp), LastCaughtUp: millisTime(s.LastCaughtUpTimestamp)}
		if leaderEnd >= 0 && s.LogEndOffset >= 0 {
			r.Lag = max(0, leaderEnd-s.LogEndOffset)
		}
		replicas = append(replicas, r)
	}
	return replicas
}

// millisTime reads Kafka's milliseconds since 1970; what is not known is -1 or, before version 1 of the answer, 0.
func millisTime(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
