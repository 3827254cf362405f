package roll

import (
	"fmt"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/plural"
)

// defaultFetchTimeout is Kafka's default of controller.quorum.fetch.timeout.ms.
const defaultFetchTimeout = 2 * time.Second

// canRollController follows Strimzi's KafkaQuorumCheck: there is an active controller, and without the node (n+2)/2 of the n voters have
// caught up with it. Of two voters the other one has to; a single one is restarted in spite of the outage.
func (a *Availability) canRollController(n *Node) Verdict {
	q := a.s.Quorum
	switch {
	case a.s.Unformed:
		return Verdict{Allowed: true}
	case q == nil && a.s.count(Controller) == 1, q != nil && len(q.Voters) == 1 && q.Voters[0].ID == n.ID:
		// It is the only one that could tell of the quorum, or lead it.
		return warn("it is the only controller: no metadata can be changed while it restarts")
	case q == nil:
		return deny("the metadata quorum does not answer", Partitions{})
	case q.Leader < 0:
		return deny("the metadata quorum has no active controller", Partitions{})
	case !slices.ContainsFunc(q.Voters, func(v Voter) bool { return v.ID == n.ID }):
		return Verdict{Allowed: true}
	}
	voters, caughtUp := len(q.Voters), 0
	var behind []int32
	for _, voter := range q.Voters {
		switch {
		case voter.ID == n.ID:
		case q.caughtUp(voter):
			caughtUp++
		default:
			behind = append(behind, voter.ID)
		}
	}
	// Integer division as there: 2 of 3, 3 of 4 and of 5. For two voters it would ask for both of the one that is left.
	need := (voters + 2) / 2
	if voters == 2 {
		need = 1
	}
	if caughtUp >= need {
		return Verdict{Allowed: true}
	}
	slices.Sort(behind)
	return deny(fmt.Sprintf("the metadata quorum would have %s of %d left that have caught up, and needs %d; behind: %s",
		plural.Of(caughtUp, "voter", "voters"), voters, need, formatIDs(behind)), Partitions{})
}

// caughtUp tells whether a voter has everything that the leader has, give or take a fetch.
func (q *Quorum) caughtUp(voter Voter) bool {
	if voter.ID == q.Leader {
		return true
	}
	var leader time.Time
	for _, v := range q.Voters {
		if v.ID == q.Leader {
			leader = v.LastCaughtUp
		}
	}
	if leader.IsZero() || voter.LastCaughtUp.IsZero() {
		// Not known is not caught up, unless the log of the voter ends where the leader's does.
		return leader.IsZero() && voter.LastCaughtUp.IsZero() && voter.Lag == 0
	}
	timeout := q.FetchTimeout
	if timeout <= 0 {
		timeout = defaultFetchTimeout
	}
	return leader.Sub(voter.LastCaughtUp) < timeout
}

// controllerBack tells whether a controller has caught up after its restart. One that does not vote has nothing to catch up with.
func (a *Availability) controllerBack(n *Node) (why string, back bool) {
	q := a.s.Quorum
	if q == nil {
		return "the metadata quorum does not answer", false
	}
	if q.Leader < 0 {
		return "the metadata quorum has no active controller", false
	}
	for _, voter := range q.Voters {
		if voter.ID == n.ID && !q.caughtUp(voter) {
			return "it has not caught up with the active controller", false
		}
	}
	return "", true
}

// active tells whether a node is the active controller.
func (a *Availability) active(n *Node) bool {
	return n.Roles&Controller != 0 && a.s.Quorum != nil && a.s.Quorum.Leader == n.ID
}
