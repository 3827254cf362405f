package kafka

import (
	"fmt"
	"slices"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// scaling is how many broker pods to run, and why not fewer.
type scaling struct {
	// Brokers is the number of pods.
	Brokers int32
	// Blocked says why there are more than the spec asks for; "" when there are not.
	Blocked string
}

// decideScale is how many broker pods to run. desired is the spec's number and current the StatefulSet's, 0 without one; voters
// are the ids that vote in a combined cluster. formed tells whether a broker has ever served: none hosts anything before.
//
// More brokers start at once. Fewer never go past one that hosts a replica or votes: the API server has refused that already,
// but a replica may have moved there since. hosts is who hosts how many replicas; nil when the brokers could not be asked, and
// then nobody goes. A broker that went although it hosted something (a replica placed on it while it stopped) is started again.
func decideScale(desired, current int32, voters []int32, formed bool, hosts map[int32]int) scaling {
	keep, blocked := desired, ""
	for _, id := range voters {
		if id >= keep {
			keep = id + 1
			blocked = fmt.Sprintf("broker %d votes in the metadata quorum", id)
		}
	}
	if hosts == nil {
		if formed && keep < current {
			return scaling{current, "no broker answers what the brokers that would go host"}
		}
		return scaling{keep, blocked}
	}
	var holders []string
	for _, id := range sortedIDs(hosts) {
		if id >= desired && hosts[id] > 0 {
			holders = append(holders, fmt.Sprintf("broker %d hosts %d replicas", id, hosts[id]))
			keep = max(keep, id+1)
		}
	}
	if len(holders) > 0 {
		blocked = strings.Join(holders, ", ")
	}
	return scaling{keep, blocked}
}

// hosting counts the replicas that each broker hosts, the most where brokers see it differently; nil when that is not known of all topics.
func hosting(snapshots ...*broker.Snapshot) map[int32]int {
	most := map[int32]int{}
	for _, snapshot := range snapshots {
		if len(snapshot.Unread()) > 0 {
			return nil
		}
		for id, hosts := range snapshot.Hosts {
			most[id] = max(most[id], hosts.Replicas)
		}
	}
	return most
}

// left are the brokers to unregister: fenced, above what runs, with no pod. Kafka's controller would forget a broker that hosts
// replicas or is only restarting just as readily, so all of it is checked here.
func left(info broker.ClusterInfo, running int32, pods []int32, hosts map[int32]int) []int32 {
	if !info.KRaft || hosts == nil {
		return nil
	}
	var ids []int32
	for _, b := range info.Brokers {
		if b.ID >= running && b.Fenced && hosts[b.ID] == 0 && !slices.Contains(pods, b.ID) {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// brokerVoters are the voters that are brokers.
func brokerVoters(r record) []int32 {
	if r.Mode != v1beta1.ModeCombined {
		return nil
	}
	var ids []int32
	for _, voter := range r.Quorum {
		ids = append(ids, voter.ID)
	}
	return ids
}

func sortedIDs(m map[int32]int) []int32 {
	ids := make([]int32, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
