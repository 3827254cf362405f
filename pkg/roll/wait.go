package roll

import (
	"fmt"
	"time"
)

// hold is what one node makes a roll wait for.
type hold struct {
	phase      Phase
	cause      Cause
	message    string
	since      time.Time
	partitions Partitions
	recheck    time.Duration
}

// severity orders what several nodes make a roll wait for: the worst is told.
func (h hold) severity() int {
	switch h.phase {
	case Failed:
		return 3
	case Blocked:
		return 2
	}
	return 1
}

// notBack holds the roll until what was restarted is back.
func (p *pass) notBack() (Decision, bool) {
	return p.held(p.underWay, func(n *Node) (hold, bool) {
		r := p.s.Progress.restart(n)
		if n.serves() {
			return p.inSync(n, later(r.At, n.Since)), true
		}
		h, timedOut := p.notReady(n, later(r.At, n.Since))
		if !timedOut {
			return h, true
		}
		if p.replaceable(n) {
			// It runs an earlier revision again: the restart that it needs may be what mends it.
			return hold{}, false
		}
		h.phase = Failed
		return h, true
	})
}

// away holds the roll while other nodes are not ready. Those that a restart may mend have the time to become ready by themselves, too.
func (p *pass) away() (Decision, bool) {
	var nodes []*Node
	for i := range p.s.Nodes {
		if n := &p.s.Nodes[i]; !n.serves() {
			nodes = append(nodes, n)
		}
	}
	p.sort(nodes)
	return p.held(nodes, func(n *Node) (hold, bool) {
		h, timedOut := p.notReady(n, n.Since)
		if !timedOut {
			return h, true
		}
		h.phase = Blocked
		return h, !p.replaceable(n)
	})
}

// replaceable tells whether a pod that is not ready can be restarted, because it has to be anyway.
func (p *pass) replaceable(n *Node) bool {
	return n.UID != "" && !n.Terminating && !n.Recovering && p.o.Only.has(n) && p.wants(n)
}

// notReady is for a node that does not serve. timedOut tells whether it has not for too long.
func (p *pass) notReady(n *Node, since time.Time) (h hold, timedOut bool) {
	h = hold{phase: WaitingFor, recheck: recheckSoon}
	timeout := readyTimeout
	switch {
	case n.Terminating:
		h.cause, timeout, h.message = Terminating, terminationTimeout, fmt.Sprintf("pod %s is being deleted", n.Name)
	case n.UID == "":
		h.cause, timeout, h.message = Terminating, terminationTimeout, fmt.Sprintf("pod %s has not been made", n.Name)
	case n.Recovering:
		h.cause, h.message = Recovering, fmt.Sprintf("%s recovers its logs", n.Name)
	default:
		h.cause, h.message = NotReady, fmt.Sprintf("pod %s is not ready", n.Name)
	}
	if since.IsZero() {
		since = p.since(h.cause)
	}
	h.since = since
	timedOut = h.cause != Recovering && p.now.Sub(since) >= timeout
	if timedOut {
		h.recheck = recheckHeld
	}
	return h, timedOut
}

// inSync is for a node whose pod is ready again and that lacks something.
func (p *pass) inSync(n *Node, since time.Time) hold {
	why, _ := p.Back(n)
	h := hold{phase: WaitingFor, cause: NotInSync, message: fmt.Sprintf("%s is not back: %s", n.Name, why), since: since,
		partitions: p.NotInSync(n), recheck: recheckSoon}
	switch waited := p.now.Sub(since); {
	case waited >= syncTimeout:
		h.phase, h.recheck = Blocked, recheckHeld
	case waited >= time.Minute:
		h.recheck = recheckLater
	}
	return h
}

// held decides to wait for the worst of what nodes make the roll wait for, the first of those that are alike.
func (p *pass) held(nodes []*Node, by func(*Node) (hold, bool)) (Decision, bool) {
	var worst hold
	var who *Node
	for _, n := range nodes {
		if h, holds := by(n); holds && (who == nil || h.severity() > worst.severity()) {
			worst, who = h, n
		}
	}
	if who == nil {
		return Decision{}, false
	}
	d := p.wait(worst.phase, worst.cause, []*Node{who}, worst.message, worst.recheck)
	d.Since, d.Partitions = worst.since, worst.partitions
	return d, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
