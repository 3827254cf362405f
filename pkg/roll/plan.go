package roll

import "time"

// Step is the restart of one node in a Plan.
type Step struct {
	Name    string
	ID      int32
	Roles   Role
	Reasons []Reason
	// Batch counts from 0. Nodes of one batch are restarted together, as far as can be told now.
	Batch int
	// Now tells whether the node could be restarted now if it were its turn.
	Now Verdict
	// Held nodes wait for a maintenance window.
	Held bool
}

// Plan is the order in which a roll would restart the nodes that have to be, and what would forbid each restart now.
func Plan(s *Snapshot, o Options, now time.Time) []Step {
	p := newPass(s, Assess(s), o, now)
	permitted := map[string]bool{}
	for _, n := range o.permitted(p.waiting) {
		permitted[n.Name] = true
	}
	steps := make([]Step, 0, len(p.waiting))
	planned := map[string]bool{}
	batch := 0
	for i, n := range p.waiting {
		if planned[n.Name] {
			continue
		}
		nodes := []*Node{n}
		verdict := p.planned(n)
		if verdict.Allowed {
			nodes = p.together(n, unplanned(p.waiting[i:], planned))
		}
		for _, n := range nodes {
			planned[n.Name] = true
			reasons := n.Reasons
			if len(reasons) == 0 {
				reasons = []Reason{PodStuck}
			}
			steps = append(steps, Step{Name: n.Name, ID: n.ID, Roles: n.Roles, Reasons: reasons, Batch: batch, Now: p.planned(n),
				Held: !permitted[n.Name]})
		}
		batch++
	}
	return steps
}

// planned is the verdict on a node: nothing forbids the restart of one that a restart can only mend, and what recovers is never
// restarted.
func (p *pass) planned(n *Node) Verdict {
	switch {
	case p.mendable(n):
		return Verdict{Allowed: true}
	case n.isStuck():
		return deny("its pod cannot start, and is of the current revision: "+n.Stuck, Partitions{})
	case n.Recovering:
		return deny("it recovers its logs", Partitions{})
	case n.UID == "" || n.Terminating:
		return deny("it has no pod, or one that is being deleted", Partitions{})
	}
	return p.verdict(n)
}

func unplanned(nodes []*Node, planned map[string]bool) []*Node {
	var out []*Node
	for _, n := range nodes {
		if !planned[n.Name] {
			out = append(out, n)
		}
	}
	return out
}
