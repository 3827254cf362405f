package roll

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// canRollZooKeeper asks for a leader, and that all other members are in sync with it and a majority of the ensemble. A single member is
// restarted in spite of the outage; two have no majority without each other, and are only had while an ensemble grows.
func (a *Availability) canRollZooKeeper(n *Node) Verdict {
	e := a.s.Ensemble
	switch {
	case a.s.Unformed:
		return Verdict{Allowed: true}
	case a.s.count(ZooKeeper) == 1 && (e == nil || e.Size <= 1):
		return warn("it is the only member of ZooKeeper: no metadata can be changed while it restarts")
	case e == nil:
		return deny("ZooKeeper does not answer", Partitions{})
	case e.Leader < 0:
		return deny("ZooKeeper has no leader", Partitions{})
	}
	inSync := 0
	var behind []int32
	for i := range a.s.Nodes {
		switch other := &a.s.Nodes[i]; {
		case other.Roles&ZooKeeper == 0 || other.ID == n.ID:
		case e.inSync(other.ID):
			inSync++
		default:
			behind = append(behind, other.ID)
		}
	}
	slices.Sort(behind)
	if len(behind) > 0 {
		return deny("members of ZooKeeper do not follow its leader: "+formatIDs(behind), Partitions{})
	}
	if majority := e.Size/2 + 1; inSync < majority {
		return deny(fmt.Sprintf("ZooKeeper would have %s of %d left, and needs %d",
			plural.Of(inSync, "member", "members"), e.Size, majority), Partitions{})
	}
	return Verdict{Allowed: true}
}

func (e *Ensemble) inSync(id int32) bool { return id == e.Leader || slices.Contains(e.Following, id) }

// memberBack tells whether a member of ZooKeeper follows, or leads, after its restart.
func (a *Availability) memberBack(n *Node) (why string, back bool) {
	e := a.s.Ensemble
	switch {
	case e == nil:
		return "ZooKeeper does not answer", false
	case e.Leader < 0:
		return "ZooKeeper has no leader", false
	case !e.inSync(n.ID):
		return "it does not follow the leader of ZooKeeper", false
	}
	return "", true
}

func formatIDs(ids []int32) string {
	parts := make([]string, 0, len(ids))
	for _, id := range ids {
		parts = append(parts, strconv.Itoa(int(id)))
	}
	return strings.Join(parts, ", ")
}
