package roll_test

import (
	"fmt"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// lacks tells whether a node has not caught up with what it is to have.
func (s *simulated) lacks(n *process) bool {
	if n.Roles&(roll.Controller|roll.ZooKeeper) != 0 && !n.catchesUp.IsZero() {
		return true
	}
	for _, t := range s.topics {
		for _, p := range t.Partitions {
			if n.Roles&roll.Broker != 0 && slices.Contains(p.Replicas, n.ID) && !slices.Contains(p.ISR, n.ID) {
				return true
			}
		}
	}
	return false
}

// judge notes what is wrong with taking the nodes away.
func (s *simulated) judge(nodes []*process) {
	// What cannot start has nothing to lose.
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n *process) bool { return n.Stuck != "" && n.Revision != n.Desired })
	if len(nodes) == 0 {
		return
	}
	wrong := func(format string, args ...any) {
		s.violated = append(s.violated, fmt.Sprintf("%s: ", s.now.Format(time.TimeOnly))+fmt.Sprintf(format, args...))
	}
	taken := map[int32]bool{}
	for _, n := range nodes {
		if n.Recovering {
			wrong("%s recovers", n.Name)
		}
		if n.Roles&roll.Broker != 0 {
			taken[n.ID] = true
		}
		if len(nodes) > 1 && (n.Roles != roll.Broker || s.o.Parallel != roll.Rack || n.Rack != nodes[0].Rack) {
			wrong("%s is taken together with others", n.Name)
		}
		for _, other := range s.nodes {
			// One that was restarted and does not come up has its turn at once.
			if n.Ready && other.Roles != n.Roles && len(other.Reasons) > 0 && other.Roles&(roll.Controller|roll.ZooKeeper) != 0 && n.Roles == roll.Broker {
				wrong("broker %s before %s", n.Name, other.Name)
			}
			if n.ID == s.leader && n.Roles == other.Roles && other != n && n.Roles&(roll.Controller|roll.ZooKeeper) != 0 && len(other.Reasons) > 0 {
				wrong("%s, which leads, before %s", n.Name, other.Name)
			}
			if other == n || slices.Contains(nodes, other) {
				continue
			}
			if other.Stuck != "" {
				wrong("%s while %s cannot start", n.Name, other.Name)
			}
			if !other.up() && len(other.Reasons) == 0 {
				wrong("%s while %s is away", n.Name, other.Name)
			}
			if !s.hard && s.lacks(other) {
				wrong("%s while %s is not back", n.Name, other.Name)
			}
		}
	}
	for _, t := range s.topics {
		for _, p := range t.Partitions {
			hosts := slices.ContainsFunc(p.Replicas, func(id int32) bool { return taken[id] })
			if !hosts || len(p.Replicas) <= int(t.MinISR) {
				continue
			}
			left := 0
			for _, id := range p.ISR {
				if !taken[id] {
					left++
				}
			}
			if left < int(t.MinISR) {
				wrong("%s-%d (%v in sync, min %d) loses %v", t.Name, p.ID, p.ISR, t.MinISR, taken)
			}
		}
	}
	keepers, left := s.keepers(), 0
	takes := false
	for _, k := range keepers {
		switch {
		case slices.Contains(nodes, k):
			takes = true
		case k.up() && k.catchesUp.IsZero():
			left++
		}
	}
	if takes && len(keepers) > 1 && left < len(keepers)/2+1 && len(keepers) != 2 {
		wrong("the quorum keeps %d of %d without %s", left, len(keepers), nodes[0].Name)
	}
}
