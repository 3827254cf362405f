package roll_test

import (
	"fmt"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// node is a healthy node that has run for an hour and needs nothing.
func node(name string, id int32, roles roll.Role) roll.Node {
	return roll.Node{Name: name, ID: id, Roles: roles, UID: name + "-pod-1", Ready: true, Since: now.Add(-time.Hour), Revision: "old", Desired: "old"}
}

// outdated is a node whose configuration has changed.
func outdated(name string, id int32, roles roll.Role) roll.Node {
	n := node(name, id, roles)
	n.Desired, n.Reasons = "new", []roll.Reason{roll.ConfigChanged}
	return n
}

// with returns the node as change makes it.
func with(n roll.Node, change func(*roll.Node)) roll.Node {
	change(&n)
	return n
}

func notReady(since time.Duration) func(*roll.Node) {
	return func(n *roll.Node) { n.Ready, n.Since = false, now.Add(-since) }
}

func stuck(n *roll.Node) {
	n.Ready, n.Stuck, n.Since = false, "CrashLoopBackOff", now.Add(-time.Hour)
}

// brokers are n of them as make makes them, named b0 and so on.
func brokers(n int32, make func(string, int32, roll.Role) roll.Node) []roll.Node {
	var nodes []roll.Node
	for id := range n {
		nodes = append(nodes, make(fmt.Sprintf("b%d", id), id, roll.Broker))
	}
	return nodes
}

func ids(s ...int32) []int32 { return s }

// topic has partitions numbered from 0.
func topic(name string, minISR int32, partitions ...roll.Partition) roll.Topic {
	for i := range partitions {
		partitions[i].ID = int32(i)
	}
	return roll.Topic{Name: name, MinISR: minISR, Partitions: partitions}
}

// partition is led by the first that is in sync, if any.
func partition(replicas, isr []int32) roll.Partition {
	leader := int32(-1)
	if len(isr) > 0 {
		leader = isr[0]
	}
	return roll.Partition{Leader: leader, Replicas: replicas, ISR: isr}
}

func offline(replicas, isr []int32) roll.Partition {
	return roll.Partition{Leader: -1, Replicas: replicas, ISR: isr}
}

func metadata(topics ...roll.Topic) *roll.Metadata {
	return &roll.Metadata{Topics: topics, Controller: -1}
}

// quorum has voters that are behind the leader by so much.
func quorum(leader int32, behind map[int32]time.Duration) *roll.Quorum {
	q := &roll.Quorum{Leader: leader}
	for id := range int32(4000) {
		if lag, votes := behind[id]; votes {
			q.Voters = append(q.Voters, roll.Voter{ID: id, LastCaughtUp: now.Add(-lag), Lag: -1})
		}
	}
	return q
}

// healthy is a quorum of voters that have all caught up.
func healthy(leader int32, voters ...int32) *roll.Quorum {
	behind := map[int32]time.Duration{}
	for _, id := range voters {
		behind[id] = 0
	}
	return quorum(leader, behind)
}

// controlled is a snapshot of brokers with one dedicated controller that is well.
func controlled(m *roll.Metadata, nodes ...roll.Node) *roll.Snapshot {
	return &roll.Snapshot{Nodes: append(nodes, node("c0", 3000, roll.Controller)), Metadata: m, Quorum: healthy(3000, 3000)}
}

// find is the node of a name.
func find(s *roll.Snapshot, name string) *roll.Node {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	panic("no node " + name)
}

func targets(d roll.Decision) []string {
	names := []string{}
	for _, t := range d.Restart {
		names = append(names, t.Name)
	}
	return names
}
