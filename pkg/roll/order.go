package roll

import (
	"cmp"
	"slices"
	"strings"
)

// stage is when a node's turn is: ZooKeeper, controllers (with combined nodes), brokers.
func stage(n *Node) int {
	switch {
	case n.Roles&ZooKeeper != 0:
		return 0
	case n.Roles&Controller != 0:
		return 1
	}
	return 2
}

// leads tells whether a node is the one that goes last of its stage: the leader of ZooKeeper, the active controller, the broker that
// ZooKeeper elected as controller. Each restart of it moves leadership to one of the others, so they are to have had theirs.
func (a *Availability) leads(n *Node) bool {
	s := a.s
	switch stage(n) {
	case 0:
		return s.Ensemble != nil && s.Ensemble.Leader == n.ID
	case 1:
		return a.active(n)
	}
	return s.Metadata != nil && s.has(ZooKeeper) && !s.has(Controller) && s.Metadata.Controller == n.ID
}

// sort puts nodes into the order of a roll: by stage, the leader last, what does not serve first, by id.
func (a *Availability) sort(nodes []*Node) {
	rank := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	slices.SortFunc(nodes, func(x, y *Node) int {
		return cmp.Or(
			cmp.Compare(stage(x), stage(y)),
			cmp.Compare(rank(a.leads(x)), rank(a.leads(y))),
			cmp.Compare(rank(x.responds()), rank(y.responds())),
			cmp.Compare(x.ID, y.ID),
			strings.Compare(x.Name, y.Name),
		)
	})
}

// responds tells whether a node serves, and answers.
func (n *Node) responds() bool { return n.serves() && n.UnreachableSince.IsZero() }

// mendable tells whether a new pod may start where the pod of today does not, and nothing is lost with it: what cannot start serves
// nothing, nor does a node of a cluster that has never served.
func (a *Availability) mendable(n *Node) bool {
	return n.outdated() && (n.isStuck() || a.s.Unformed && !n.Ready && !n.Terminating && !n.Recovering)
}

// wants tells whether a node has to be restarted. One that was is restarted once more when it runs an earlier revision again, or for a
// reason that is new: one that a restart does not remove would ask for another for ever.
func (a *Availability) wants(n *Node) bool {
	if a.mendable(n) {
		return true
	}
	if len(n.Reasons) == 0 {
		return false
	}
	if r := a.s.Progress.restart(n); r != nil && (n.UID != r.UID || n.Terminating) {
		return !n.Terminating && (n.outdated() || len(without(n.Reasons, r.Reasons)) > 0)
	}
	return true
}

// waiting are the nodes that have to be restarted, in the order of a roll.
func (a *Availability) waiting(only Selection) []*Node {
	var nodes []*Node
	for i := range a.s.Nodes {
		if n := &a.s.Nodes[i]; only.has(n) && a.wants(n) {
			nodes = append(nodes, n)
		}
	}
	a.sort(nodes)
	return nodes
}

// permitted are those of the nodes that are to be restarted now that no maintenance window is open. One that is urgent takes along
// those that have to have the new version before it.
func (o Options) permitted(nodes []*Node) []*Node {
	if !o.WindowClosed {
		return nodes
	}
	urgent := func(n *Node) bool {
		return !n.serves() || slices.ContainsFunc(n.Reasons, func(r Reason) bool { return slices.Contains(o.Urgent, r) })
	}
	upgrades := func(n *Node) bool { return slices.Contains(n.Reasons, VersionChanged) }
	upTo := -1
	for _, n := range nodes {
		if urgent(n) && upgrades(n) {
			upTo = max(upTo, stage(n))
		}
	}
	var permitted []*Node
	for _, n := range nodes {
		if urgent(n) || upgrades(n) && stage(n) < upTo {
			permitted = append(permitted, n)
		}
	}
	return permitted
}

// next are those of the nodes, which are in the order of a roll, that may be next: one stage at a time, and its leader when it is the
// only one left.
func (a *Availability) next(nodes []*Node) []*Node {
	if len(nodes) == 0 {
		return nil
	}
	end := 1
	for end < len(nodes) && stage(nodes[end]) == stage(nodes[0]) && !a.leads(nodes[end]) {
		end++
	}
	return nodes[:end]
}

// without are the reasons that are not among the others.
func without(reasons, others []Reason) []Reason {
	return slices.DeleteFunc(slices.Clone(reasons), func(r Reason) bool { return slices.Contains(others, r) })
}

func names(nodes []*Node) []string {
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, n.Name)
	}
	return out
}
