package roll_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// TestOrder: each roll is followed to its end on a cluster on which every restart succeeds at once.
func TestOrder(t *testing.T) {
	dedicated := func(n int32) []roll.Node {
		var nodes []roll.Node
		for id := range n {
			nodes = append(nodes, outdated("c"+string('0'+id), 3000+id, roll.Controller))
		}
		return nodes
	}
	combined := func(n int32) []roll.Node {
		var nodes []roll.Node
		for id := range n {
			nodes = append(nodes, outdated("n"+string('0'+id), id, roll.Broker|roll.Controller))
		}
		return nodes
	}
	ensemble := func(n int32) []roll.Node {
		var nodes []roll.Node
		for id := range n {
			nodes = append(nodes, outdated("z"+string('1'+id), id+1, roll.ZooKeeper))
		}
		return nodes
	}
	for _, c := range []struct {
		name string
		s    *roll.Snapshot
		want string
	}{
		{"dedicated controllers before brokers, the active one last", &roll.Snapshot{Nodes: append(brokers(3, outdated), dedicated(3)...),
			Quorum: healthy(3000, 3000, 3001, 3002)}, "c1 c2 c0 b0 b1 b2"},
		{"combined nodes once, the active controller last", &roll.Snapshot{Nodes: combined(3), Quorum: healthy(1, 0, 1, 2)}, "n0 n2 n1"},
		{"combined nodes before brokers", &roll.Snapshot{Nodes: append(combined(3), outdated("b3", 3, roll.Broker), outdated("b4", 4, roll.Broker)),
			Quorum: healthy(0, 0, 1, 2)}, "n1 n2 n0 b3 b4"},
		{"ZooKeeper before brokers, leader and elected controller last", &roll.Snapshot{Nodes: append(brokers(3, outdated), ensemble(3)...),
			Ensemble: &roll.Ensemble{Size: 3, Leader: 1, Following: ids(2, 3)}}, "z2 z3 z1 b0 b2 b1"},
		{"migration: the broker that ZooKeeper elected is one among others", &roll.Snapshot{
			Nodes:    slices.Concat(brokers(3, outdated), dedicated(3), ensemble(3)),
			Ensemble: &roll.Ensemble{Size: 3, Leader: 3, Following: ids(1, 2)}, Quorum: healthy(3002, 3000, 3001, 3002)}, "z1 z2 z3 c0 c1 c2 b0 b1 b2"},
		{"one combined node", &roll.Snapshot{Nodes: combined(1), Quorum: healthy(0, 0)}, "n0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.s.Metadata = metadata(everywhere())
			c.s.Metadata.Controller = 1
			var got []string
			for range 20 {
				d := roll.Next(c.s, roll.Options{}, now)
				c.s.Progress = d.Progress
				if d.Phase != roll.Restarting {
					if d.Phase != roll.Done {
						t.Fatalf("got %+v after %v", d, got)
					}
					break
				}
				if len(got) == 0 {
					if planned := steps(roll.Plan(c.s, roll.Options{}, now)); planned != c.want {
						t.Errorf("planned %s, want %s", planned, c.want)
					}
				}
				if total := len(d.Done) + len(d.InWork) + len(d.Waiting); total != len(c.s.Nodes) || len(d.Done) != len(got) || len(d.InWork) != 1 {
					t.Errorf("after %v: done %v, in work %v, waiting %v", got, d.Done, d.InWork, d.Waiting)
				}
				got = append(got, targets(d)...)
				n := find(c.s, d.Restart[0].Name)
				n.UID, n.Revision, n.Reasons = n.UID+"+", n.Desired, nil
			}
			if order := strings.Join(got, " "); order != c.want {
				t.Errorf("got %s, want %s", order, c.want)
			}
		})
	}
}

// TestLeadersWaitForTheOthers: neither the leader of a stage nor a later stage goes ahead of a node that is denied.
func TestLeadersWaitForTheOthers(t *testing.T) {
	s := &roll.Snapshot{Nodes: brokers(3, outdated), Metadata: metadata(everywhere()), Quorum: healthy(3000, 3000, 3001, 3002)}
	for id := range int32(3) {
		s.Nodes = append(s.Nodes, outdated("c"+string('0'+id), 3000+id, roll.Controller))
	}
	// Voter 3001 may go, since 3000 and 3002 are left; 3002 and the leader may not.
	s.Quorum.Voters[1].LastCaughtUp = now.Add(-time.Minute)
	if d := roll.Next(s, roll.Options{}, now); !slices.Equal(targets(d), []string{"c1"}) {
		t.Fatalf("got %+v", d)
	}
	s.Nodes[4] = node("c1", 3001, roll.Controller)
	if d := roll.Next(s, roll.Options{}, now); d.Cause != roll.Denied || !slices.Equal(d.Nodes, []string{"c2"}) {
		t.Fatalf("got %+v", d)
	}
	// A combined node is denied for its partitions; the active controller, which has none of them, waits for it.
	combined := &roll.Snapshot{Quorum: healthy(1, 0, 1, 2), Metadata: metadata(topic("b", 1, partition(ids(0, 3), ids(0)))), Nodes: []roll.Node{
		outdated("n0", 0, roll.Broker|roll.Controller), outdated("n1", 1, roll.Broker|roll.Controller), node("n2", 2, roll.Broker|roll.Controller)}}
	if d := roll.Next(combined, roll.Options{}, now); d.Cause != roll.Denied || !slices.Equal(d.Nodes, []string{"n0"}) {
		t.Fatalf("got %+v", d)
	}
	// Without 3002 among those to restart it is the leader's turn, and it is denied for the same voter.
	s.Nodes[5] = node("c2", 3002, roll.Controller)
	if d := roll.Next(s, roll.Options{}, now); d.Cause != roll.Denied || !slices.Equal(d.Nodes, []string{"c0"}) {
		t.Fatalf("got %+v", d)
	}
}
