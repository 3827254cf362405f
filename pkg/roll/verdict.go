package roll

import (
	"fmt"
	"strings"
)

// Denial is one thing that forbids a restart.
type Denial struct {
	// Message says what it is, with the partitions.
	Message string
	// Partitions are those that forbid it; none where it is a quorum that does.
	Partitions Partitions
}

// Verdict tells whether a node may be restarted now.
type Verdict struct {
	Allowed bool
	Denials []Denial
	// Warnings are what a restart that is allowed does all the same.
	Warnings []string
}

// Message says what forbids the restart; empty when nothing does.
func (v Verdict) Message() string {
	messages := make([]string, 0, len(v.Denials))
	for _, d := range v.Denials {
		messages = append(messages, d.Message)
	}
	return strings.Join(messages, "; ")
}

// Partitions are those of the first denial that has any.
func (v Verdict) Partitions() Partitions {
	for _, d := range v.Denials {
		if d.Partitions.Count > 0 {
			return d.Partitions
		}
	}
	return Partitions{}
}

func (v Verdict) and(other Verdict) Verdict {
	return Verdict{
		Allowed: v.Allowed && other.Allowed, Denials: append(v.Denials, other.Denials...), Warnings: append(v.Warnings, other.Warnings...),
	}
}

func deny(message string, partitions Partitions) Verdict {
	return Verdict{Denials: []Denial{{Message: message, Partitions: partitions}}}
}

func warn(message string) Verdict { return Verdict{Allowed: true, Warnings: []string{message}} }

// Node tells whether a node may be taken away now, in all its roles.
func (a *Availability) Node(n *Node) Verdict {
	v := Verdict{Allowed: true}
	if n.Roles&ZooKeeper != 0 {
		v = v.and(a.canRollZooKeeper(n))
	}
	if n.Roles&Controller != 0 {
		v = v.and(a.canRollController(n))
	}
	if n.Roles&Broker != 0 {
		v = v.and(a.canRollBroker(n))
		if n.Roles&Controller == 0 {
			v = v.and(a.controlled())
		}
	}
	return v
}

// controlled denies the restart of a broker while nobody can elect leaders: the partitions that it leads would get no other, and it
// could not register again.
func (a *Availability) controlled() Verdict {
	s := a.s
	switch {
	case s.Unformed:
	case s.has(Controller):
		if s.Quorum == nil {
			return deny("the metadata quorum does not answer", Partitions{})
		}
		if s.Quorum.Leader < 0 {
			return deny("the metadata quorum has no active controller", Partitions{})
		}
	case s.has(ZooKeeper):
		if s.Ensemble == nil {
			return deny("ZooKeeper does not answer", Partitions{})
		}
		if s.Ensemble.Leader < 0 {
			return deny("ZooKeeper has no leader", Partitions{})
		}
	}
	return Verdict{Allowed: true}
}

// Back tells whether a node has everything that it had before a restart, and if not, what it lacks.
func (a *Availability) Back(n *Node) (why string, back bool) {
	if !n.serves() {
		return "its pod is not ready", false
	}
	if n.Roles&ZooKeeper != 0 {
		if why, back := a.memberBack(n); !back {
			return why, false
		}
	}
	if n.Roles&Controller != 0 {
		if why, back := a.controllerBack(n); !back {
			return why, false
		}
	}
	if n.Roles&Broker != 0 {
		if a.s.Metadata == nil {
			return "no broker tells whether its replicas are in sync", false
		}
		if h := a.brokers[n.ID]; h.notInSync.Count > 0 {
			return fmt.Sprintf("replicas are not in sync: %s", h.notInSync), false
		}
	}
	return "", true
}

// underWay tells whether a node was restarted and is not back.
func (a *Availability) underWay(n *Node, r *Restart) bool {
	if r == nil || r.Back || n.UID == r.UID && !n.Terminating {
		return false
	}
	_, back := a.Back(n)
	return !back
}

// NotInSync are the partitions whose replicas on a broker are not in sync.
func (a *Availability) NotInSync(n *Node) Partitions {
	if h := a.brokers[n.ID]; h != nil && n.Roles&Broker != 0 {
		return h.notInSync
	}
	return Partitions{}
}

// DisruptionsAllowed is how many nodes of a role, 0 or 1, may be taken away now, whichever of them it is. While a restart of the roll is
// under way it is 0: one node at a time is away by our doing. Nodes that do not serve cannot be taken away, so they do not count.
func (a *Availability) DisruptionsAllowed(role Role) int {
	for i := range a.s.Nodes {
		n := &a.s.Nodes[i]
		if a.underWay(n, a.s.Progress.restart(n)) || n.Roles&role != 0 && n.serves() && !a.Node(n).Allowed {
			return 0
		}
	}
	return 1
}

// Dispensable tells whether a node that does not serve has nothing that others lack: all partitions that it hosts have another replica in
// sync, and the quorum its majority. Its pod may then be evicted as it is.
func (a *Availability) Dispensable(n *Node) bool {
	if n.serves() || n.Recovering || !a.Node(n).Allowed {
		return false
	}
	if a.s.Unformed {
		return true
	}
	// What may be restarted for being the only one has what nobody else has.
	if n.Roles&ZooKeeper != 0 && (a.s.Ensemble == nil || a.s.Ensemble.Size < 2) ||
		n.Roles&Controller != 0 && (a.s.Quorum == nil || len(a.s.Quorum.Voters) < 2) {
		return false
	}
	return n.Roles&Broker == 0 || a.s.Metadata != nil && a.brokers[n.ID].alone == 0
}

// UnhealthyEviction tells whether a disruption budget of a role may let broken pods be evicted whatever it allows otherwise
// (unhealthyPodEvictionPolicy AlwaysAllow): there are some, and others have everything that they have.
func (a *Availability) UnhealthyEviction(role Role) bool {
	broken := false
	for i := range a.s.Nodes {
		n := &a.s.Nodes[i]
		if n.Roles&role == 0 || n.serves() {
			continue
		}
		if !a.Dispensable(n) {
			return false
		}
		broken = true
	}
	return broken
}
