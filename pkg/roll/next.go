package roll

import (
	"fmt"
	"slices"
	"time"
)

// pass is one look at a roll.
type pass struct {
	*Availability
	o   Options
	now time.Time
	// progress is that of the snapshot as it goes on.
	progress Progress
	// waiting have to be restarted, underWay were and are not back.
	waiting, underWay []*Node
}

// Next decides what a roll does now. The checks come in an order in which each that holds the roll is made before anything that it
// holds: what is down and mended by a restart, what is stuck, what was restarted and is not back, what else is not ready, maintenance
// windows, and then whether one of the nodes that are next may be taken away.
func Next(s *Snapshot, o Options, now time.Time) Decision {
	return newPass(s, Assess(s), o, now).decide()
}

func newPass(s *Snapshot, a *Availability, o Options, now time.Time) *pass {
	p := &pass{Availability: a, o: o, now: now, progress: s.Progress, waiting: a.waiting(o.Only)}
	p.progress.Restarts = nil
	for i := range s.Nodes {
		n := &s.Nodes[i]
		r := s.Progress.restart(n)
		if r == nil {
			continue
		}
		kept := *r
		if a.underWay(n, r) {
			p.underWay = append(p.underWay, n)
		} else if n.UID != r.UID {
			kept.Back = true
		}
		if n.UID != "" && n.UID != r.UID {
			kept.Reasons = without(r.Reasons, without(r.Reasons, n.Reasons))
		}
		p.progress.Restarts = append(p.progress.Restarts, kept)
	}
	a.sort(p.underWay)
	if p.progress.Began.IsZero() {
		p.progress.Began, p.progress.Offline = now, -1
	}
	if s.Metadata != nil && (p.progress.Offline < 0 || a.Offline.Count < p.progress.Offline) {
		p.progress.Offline = a.Offline.Count
	}
	return p
}

func (p *pass) decide() Decision {
	if len(p.waiting) == 0 && len(p.underWay) == 0 {
		d := p.decision(Done, nil)
		d.Progress = Progress{Restarts: slices.DeleteFunc(slices.Clone(p.progress.Restarts), func(r Restart) bool { return len(r.Reasons) == 0 })}
		return d
	}
	if p.o.Paused && len(p.waiting) > 0 {
		return p.wait(Paused, "", p.waiting, "the cluster is paused", 0)
	}
	for _, check := range []func() (Decision, bool){p.mend, p.stuck, p.notBack, p.away, p.unseen, p.window} {
		if d, decided := check(); decided {
			return d
		}
	}
	if len(p.underWay) > 0 {
		// They need another restart, or they would have held the roll. Until they are back, it is about them.
		return p.restartOneOf(p.underWay)
	}
	return p.restartOneOf(p.next(p.o.permitted(p.waiting)))
}

// mend restarts what is down and takes nothing along. It does not wait for what is under way: members of a quorum that all fail to start
// need each other to come up.
func (p *pass) mend() (Decision, bool) {
	for _, n := range p.waiting {
		if p.mendable(n) {
			return p.restart([]*Node{n}), true
		}
	}
	return Decision{}, false
}

// stuck stops the roll at a pod of the current revision that cannot start. One of an earlier revision is here only when it is not
// among those to restart.
func (p *pass) stuck() (Decision, bool) {
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		if !n.isStuck() {
			continue
		}
		message := fmt.Sprintf("pod %s cannot start: %s", n.Name, n.Stuck)
		if n.outdated() {
			return p.wait(Blocked, Stuck, []*Node{n}, message, recheckHeld), true
		}
		return p.wait(Failed, Stuck, []*Node{n}, message, recheckHeld), true
	}
	return Decision{}, false
}

// unseen holds the roll at nodes whose deletion was decided on a moment ago and does not show yet: what the caller reads may be behind, or
// it may have stopped before the deletion. They are decided on again, unless it is no longer their turn.
func (p *pass) unseen() (Decision, bool) {
	var nodes []*Node
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		r := p.s.Progress.restart(n)
		if r != nil && r.UID == n.UID && p.now.Before(r.At.Add(deletionTimeout)) {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 {
		return Decision{}, false
	}
	p.sort(nodes)
	turn := p.next(p.o.permitted(p.waiting))
	again := slices.DeleteFunc(slices.Clone(nodes), func(n *Node) bool { return !slices.Contains(turn, n) })
	if len(again) == 0 {
		message := fmt.Sprintf("the deletion of pod %s was decided on and does not show yet", nodes[0].Name)
		return p.wait(WaitingFor, Terminating, nodes, message, recheckSoon), true
	}
	return p.restartOneOf(again), true
}

// window holds what is not urgent.
func (p *pass) window() (Decision, bool) {
	if len(p.o.permitted(p.waiting)) > 0 {
		return Decision{}, false
	}
	return p.wait(WaitingFor, OutsideWindow, p.waiting, "no maintenance window is open, and no restart is urgent", recheckHeld), true
}

// restartOneOf restarts the first of the nodes that may be taken away, and others with it where that is asked for. A node that may not
// is passed over, since it may be the restart of another that makes the difference; not so one that is down, because two would be away.
func (p *pass) restartOneOf(nodes []*Node) Decision {
	var first Verdict
	for i, n := range nodes {
		verdict := p.verdict(n)
		if verdict.Allowed {
			return p.restart(p.together(n, nodes[i:]))
		}
		if i == 0 {
			first = verdict
		}
		if !n.serves() {
			break
		}
	}
	n := nodes[0]
	d := p.wait(WaitingFor, Denied, []*Node{n}, fmt.Sprintf("%s cannot be restarted: %s", n.Name, first.Message()), 0)
	d.Partitions = first.Partitions()
	waited := p.now.Sub(d.Since)
	d.Recheck = backOff(waited)
	if waited >= deniedTimeout {
		d.Phase, d.Recheck = Blocked, recheckHeld
	}
	return d
}

// verdict is Availability.Node with what a roll asks for beyond: no partition went offline since it began, and a node whose pod is
// ready and that does not answer is left in peace for as long as a denied one, and unless all others are well.
func (p *pass) verdict(n *Node) Verdict {
	v := p.Node(n)
	if n.serves() && p.Offline.Count > p.progress.Offline {
		v = v.and(deny("partitions went offline during the roll: "+p.Offline.String(), p.Offline))
	}
	if !n.serves() || n.UnreachableSince.IsZero() {
		return v
	}
	if p.now.Before(n.UnreachableSince.Add(deniedTimeout)) {
		v = v.and(deny("it does not answer, and may do so again", Partitions{}))
	}
	for i := range p.s.Nodes {
		if other := &p.s.Nodes[i]; other.Name != n.Name && !other.responds() {
			v = v.and(deny(fmt.Sprintf("neither it nor %s answers", other.Name), Partitions{}))
			break
		}
	}
	return v
}

// restart notes the restarts, so that they are stored before the pods are deleted.
func (p *pass) restart(nodes []*Node) Decision {
	targets := make([]Target, 0, len(nodes))
	for _, n := range nodes {
		t := Target{Name: n.Name, UID: n.UID, ID: n.ID, Reasons: n.Reasons}
		if n.isStuck() {
			t.Stuck = n.Stuck
		} else {
			t.Warnings = p.Node(n).Warnings
		}
		if len(t.Reasons) == 0 {
			t.Reasons = []Reason{PodStuck}
		}
		targets = append(targets, t)
		p.progress.Restarts = slices.DeleteFunc(p.progress.Restarts, func(r Restart) bool { return r.Name == n.Name })
		p.progress.Restarts = append(p.progress.Restarts, Restart{Name: n.Name, UID: n.UID, At: p.now, Reasons: n.Reasons})
	}
	d := p.decision(Restarting, nodes)
	d.Restart, d.Since, d.Recheck = targets, p.now, recheckSoon
	d.Progress.Waiting = Waiting{}
	return d
}

// wait is a decision to restart nothing, for a cause that lasts since the last pass that had another.
func (p *pass) wait(phase Phase, cause Cause, nodes []*Node, message string, recheck time.Duration) Decision {
	d := p.decision(phase, nil)
	d.Cause, d.Nodes, d.Message, d.Recheck, d.Since = cause, names(nodes), message, recheck, p.since(cause)
	d.Progress.Waiting = Waiting{Cause: cause, Since: d.Since}
	return d
}

// since is since when the cause has been waited for.
func (p *pass) since(cause Cause) time.Time {
	if w := p.s.Progress.Waiting; w.Cause == cause && !w.Since.IsZero() {
		return w.Since
	}
	return p.now
}

// decision counts the nodes. Those that are restarted now are in work.
func (p *pass) decision(phase Phase, now []*Node) Decision {
	d := Decision{Phase: phase, Progress: p.progress}
	inWork := slices.Concat(p.underWay, now)
	p.sort(inWork)
	d.InWork = slices.Compact(names(inWork))
	for _, n := range p.waiting {
		if !slices.Contains(d.InWork, n.Name) {
			d.Waiting = append(d.Waiting, n.Name)
		}
	}
	for i := range p.s.Nodes {
		n := &p.s.Nodes[i]
		r := p.progress.restart(n)
		if r != nil && r.Back && !r.At.Before(p.progress.Began) && !slices.Contains(d.InWork, n.Name) && !slices.Contains(d.Waiting, n.Name) {
			d.Done = append(d.Done, n.Name)
		}
	}
	return d
}
