package roll_test

import (
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// TestDisruptionsAllowed: 1 when whichever node of the role may be taken away.
func TestDisruptionsAllowed(t *testing.T) {
	full := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2)))
	short := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1)))
	for _, c := range []struct {
		name                string
		change              func(*roll.Snapshot)
		brokers, controller int
	}{
		{"all is well", func(*roll.Snapshot) {}, 1, 1},
		{"a partition would fall below min ISR", func(s *roll.Snapshot) { s.Metadata = metadata(short) }, 0, 1},
		{"a partition that cannot be kept", func(s *roll.Snapshot) { s.Metadata = metadata(full, topic("b", 1, partition(ids(0), ids(0)))) }, 1, 1},
		{"no metadata", func(s *roll.Snapshot) { s.Metadata = nil }, 0, 1},
		{"a voter is behind", func(s *roll.Snapshot) {
			s.Quorum = quorum(3000, map[int32]time.Duration{3000: 0, 3001: 0, 3002: time.Minute})
		}, 1, 0},
		{"no active controller", func(s *roll.Snapshot) { s.Quorum.Leader = -1 }, 0, 0},
		{"a broker that hosts nothing is down", func(s *roll.Snapshot) { s.Nodes[3].Ready = false }, 1, 1},
		{"a broker is down that may be the first to catch up with others that are not ours", func(s *roll.Snapshot) {
			s.Nodes[3].Ready = false
			s.Metadata = metadata(full, topic("b", 1, offline(ids(3, 7), ids())))
		}, 1, 1},
		{"a broker was restarted and is not ready", func(s *roll.Snapshot) {
			s.Nodes[3].Ready = false
			s.Progress.Restarts = []roll.Restart{{Name: "b3", UID: "before"}}
		}, 0, 0},
		{"a broker was restarted and is back", func(s *roll.Snapshot) {
			s.Progress.Restarts = []roll.Restart{{Name: "b3", UID: "before"}}
		}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &roll.Snapshot{Nodes: brokers(4, node), Metadata: metadata(full), Quorum: healthy(3000, 3000, 3001, 3002)}
			for id := range int32(3) {
				s.Nodes = append(s.Nodes, node("c"+string('0'+id), 3000+id, roll.Controller))
			}
			c.change(s)
			a := roll.Assess(s)
			if b, q := a.DisruptionsAllowed(roll.Broker), a.DisruptionsAllowed(roll.Controller); b != c.brokers || q != c.controller {
				t.Errorf("got %d brokers and %d controllers, want %d and %d", b, q, c.brokers, c.controller)
			}
		})
	}
}

// TestDispensable: a broken pod may go when others have all that it has.
func TestDispensable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*roll.Snapshot)
		want   bool
	}{
		{"others are in sync", func(s *roll.Snapshot) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(1, 2))))
		}, true},
		{"it hosts nothing", func(s *roll.Snapshot) { s.Metadata = metadata() }, true},
		{"it has the only replica", func(s *roll.Snapshot) { s.Metadata = metadata(topic("a", 1, offline(ids(0), ids(0)))) }, false},
		{"two of two replicas are needed, and the other is in sync", func(s *roll.Snapshot) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1), ids(1))))
		}, true},
		{"no replica is in sync", func(s *roll.Snapshot) { s.Metadata = metadata(topic("a", 2, offline(ids(0, 1), ids()))) }, false},
		{"it may be the first to catch up", func(s *roll.Snapshot) {
			s.Metadata = metadata(topic("a", 2, partition(ids(0, 1, 2), ids(1))))
		}, false},
		{"no metadata", func(s *roll.Snapshot) { s.Metadata = nil }, false},
		{"it recovers its logs", func(s *roll.Snapshot) { s.Metadata, s.Nodes[0].Recovering = metadata(), true }, false},
		{"it serves", func(s *roll.Snapshot) { s.Metadata, s.Nodes[0].Ready = metadata(), true }, false},
		{"it is the only controller", func(s *roll.Snapshot) {
			s.Metadata, s.Nodes[0].Roles, s.Nodes[3].Roles, s.Quorum = metadata(), roll.Broker|roll.Controller, roll.Broker, healthy(0, 0)
		}, false},
		{"it is one of three controllers", func(s *roll.Snapshot) {
			s.Metadata, s.Nodes[0].Roles, s.Quorum = metadata(), roll.Broker|roll.Controller, healthy(1, 0, 1, 2)
		}, true},
		{"it is the only member of ZooKeeper", func(s *roll.Snapshot) {
			s.Metadata, s.Nodes[0].Roles, s.Ensemble = metadata(), roll.ZooKeeper, &roll.Ensemble{Size: 1, Leader: -1}
		}, false},
		{"the cluster has never served", func(s *roll.Snapshot) { s.Metadata, s.Quorum, s.Unformed = nil, nil, true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := controlled(nil, brokers(3, node)...)
			s.Nodes[0].Ready = false
			c.change(s)
			if got := roll.Assess(s).Dispensable(&s.Nodes[0]); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestUnhealthyEviction: for a role, when there are broken pods and none of them is needed.
func TestUnhealthyEviction(t *testing.T) {
	s := controlled(metadata(topic("a", 1, partition(ids(0, 1, 2), ids(2))), topic("b", 1, partition(ids(1), ids(1)))), brokers(3, node)...)
	if roll.Assess(s).UnhealthyEviction(roll.Broker) {
		t.Error("no pod is broken")
	}
	s.Nodes[0].Ready = false
	if !roll.Assess(s).UnhealthyEviction(roll.Broker) {
		t.Error("what broker 0 hosts is in sync elsewhere")
	}
	s.Nodes[1].Ready = false
	if roll.Assess(s).UnhealthyEviction(roll.Broker) {
		t.Error("broker 1 has the only replica of b-0")
	}
}

// TestBack: a node is back when it has what it had before, not when its pod is ready.
func TestBack(t *testing.T) {
	full := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2)))
	for _, c := range []struct {
		name   string
		change func(*roll.Snapshot)
		want   bool
	}{
		{"all in sync", func(*roll.Snapshot) {}, true},
		{"not ready", func(s *roll.Snapshot) { s.Nodes[0].Ready = false }, false},
		{"being deleted", func(s *roll.Snapshot) { s.Nodes[0].Terminating = true }, false},
		{"recovering", func(s *roll.Snapshot) { s.Nodes[0].Recovering = true }, false},
		{"one replica behind", func(s *roll.Snapshot) {
			s.Metadata = metadata(full, topic("b", 1, partition(ids(0, 1, 2), ids(1, 2))))
		}, false},
		{"another's replica behind", func(s *roll.Snapshot) {
			s.Metadata = metadata(full, topic("b", 1, partition(ids(0, 1, 2), ids(0, 1))))
		}, true},
		{"the only replica, and no leader yet", func(s *roll.Snapshot) { s.Metadata = metadata(topic("b", 1, offline(ids(0), ids(0)))) }, false},
		{"no metadata", func(s *roll.Snapshot) { s.Metadata = nil }, false},
		{"combined and behind", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Quorum = roll.Broker|roll.Controller, quorum(1, map[int32]time.Duration{0: time.Minute, 1: 0, 2: 0})
		}, false},
		{"combined and caught up", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Quorum = roll.Broker|roll.Controller, healthy(1, 0, 1, 2)
		}, true},
		{"combined without an active controller", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Quorum = roll.Broker|roll.Controller, healthy(-1, 0, 1, 2)
		}, false},
		{"controller whose quorum is silent", func(s *roll.Snapshot) { s.Nodes[0].Roles, s.Quorum = roll.Controller, nil }, false},
		{"ZooKeeper following", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Ensemble = roll.ZooKeeper, &roll.Ensemble{Size: 3, Leader: 1, Following: ids(0, 2)}
		}, true},
		{"ZooKeeper leading", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Ensemble = roll.ZooKeeper, &roll.Ensemble{Size: 3, Leader: 0, Following: ids(1, 2)}
		}, true},
		{"ZooKeeper not following", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Ensemble = roll.ZooKeeper, &roll.Ensemble{Size: 3, Leader: 1, Following: ids(2)}
		}, false},
		{"ZooKeeper without a leader", func(s *roll.Snapshot) {
			s.Nodes[0].Roles, s.Ensemble = roll.ZooKeeper, &roll.Ensemble{Size: 3, Leader: -1, Following: ids(0)}
		}, false},
		{"ZooKeeper silent", func(s *roll.Snapshot) { s.Nodes[0].Roles = roll.ZooKeeper }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := controlled(metadata(full), brokers(3, node)...)
			c.change(s)
			why, got := roll.Assess(s).Back(&s.Nodes[0])
			if got != c.want || got == (why != "") {
				t.Errorf("got %v (%s)", got, why)
			}
		})
	}
}
