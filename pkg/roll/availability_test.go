package roll_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// TestBrokerRules: the rules of KafkaAvailability for a restart of broker 0, r replicas, i in sync, m = min.insync.replicas.
func TestBrokerRules(t *testing.T) {
	for _, c := range []struct {
		name   string
		topic  roll.Topic
		change func(s *roll.Snapshot)
		denied string
		warned bool
	}{
		{name: "i > m", topic: topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2)))},
		{name: "i > m with one of several behind", topic: topic("a", 1, partition(ids(0, 1, 2), ids(0, 1)))},
		{name: "i = m and in sync", topic: topic("a", 2, partition(ids(0, 1, 2), ids(1, 0))), denied: "would fall below min.insync.replicas: a-0"},
		{name: "i = m and not in sync", topic: topic("a", 2, partition(ids(0, 1, 2), ids(1, 2)))},
		{name: "i < m and in sync", topic: topic("a", 2, partition(ids(0, 1, 2), ids(0))), denied: "below min.insync.replicas already: a-0"},
		{name: "i < m and not in sync", topic: topic("a", 2, partition(ids(0, 1, 2), ids(1))), denied: "below min.insync.replicas already: a-0"},
		{name: "i = 0", topic: topic("a", 2, offline(ids(0, 1, 2), ids())), denied: "below min.insync.replicas already: a-0"},
		{name: "r = m", topic: topic("a", 3, partition(ids(0, 1, 2), ids(0, 1, 2))), warned: true},
		{name: "r < m", topic: topic("a", 2, partition(ids(0), ids(0))), warned: true},
		{name: "r = m and i < m", topic: topic("a", 3, partition(ids(0, 1, 2), ids(1))), warned: true},
		{name: "r = m = 1", topic: topic("a", 1, partition(ids(0), ids(0))), warned: true},
		{name: "i = m = 1 of two", topic: topic("a", 1, partition(ids(0, 1), ids(0))), denied: "would fall below"},
		{name: "no replica on it", topic: topic("a", 2, partition(ids(1, 2, 3), ids(1)))},
		{name: "m not known, all in sync", topic: topic("a", 0, partition(ids(0, 1, 2), ids(0, 1, 2)))},
		{name: "m not known, one behind", topic: topic("a", 0, partition(ids(0, 1, 2), ids(0, 1))), denied: "would fall below"},
		{name: "m not known, one replica", topic: topic("a", 0, partition(ids(0), ids(0))), warned: true},
		{name: "alone in sync and waiting for a leader", topic: topic("a", 1, offline(ids(0), ids(0))), denied: "no leader, and no other replica in sync: a-0", warned: true},
		{name: "alone in sync and without a leader because it is itself away", topic: topic("a", 1, offline(ids(0), ids(0))),
			change: func(s *roll.Snapshot) { s.Nodes[0].Ready = false }, warned: true},
		{name: "alone in sync while another's partition is offline because it is away",
			topic: topic("a", 1, partition(ids(0), ids(0)), offline(ids(1), ids(1))),
			change: func(s *roll.Snapshot) {
				s.Nodes[1].Ready = false
			}, denied: "no other replica in sync while another broker is away: a-0", warned: true},
		{name: "alone in sync while another's partition is offline for good", topic: topic("a", 1, partition(ids(0), ids(0)), offline(ids(1), ids(1))), warned: true},
		{name: "no metadata", change: func(s *roll.Snapshot) { s.Metadata = nil }, denied: "no broker tells"},
		{name: "no metadata of the only broker", change: func(s *roll.Snapshot) {
			s.Metadata, s.Nodes = nil, append(s.Nodes[:1], s.Nodes[3:]...)
		}, warned: true},
		{name: "no metadata of a cluster that never served", change: func(s *roll.Snapshot) { s.Metadata, s.Quorum, s.Unformed = nil, nil, true }},
		{name: "nobody can elect leaders", change: func(s *roll.Snapshot) { s.Quorum.Leader = -1 }, denied: "no active controller"},
		{name: "the quorum is silent", change: func(s *roll.Snapshot) { s.Quorum = nil }, denied: "quorum does not answer"},
		{name: "ZooKeeper is silent", change: func(s *roll.Snapshot) {
			s.Nodes[3] = node("z1", 1, roll.ZooKeeper)
			s.Quorum = nil
		}, denied: "ZooKeeper does not answer"},
		{name: "ZooKeeper has no leader", change: func(s *roll.Snapshot) {
			s.Nodes[3] = node("z1", 1, roll.ZooKeeper)
			s.Quorum, s.Ensemble = nil, &roll.Ensemble{Size: 3, Leader: -1}
		}, denied: "ZooKeeper has no leader"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := controlled(metadata(c.topic), brokers(3, node)...)
			if c.change != nil {
				c.change(s)
			}
			v := roll.Assess(s).Node(&s.Nodes[0])
			if v.Allowed != (c.denied == "") || !strings.Contains(v.Message(), c.denied) {
				t.Errorf("got %+v, want denied %q", v, c.denied)
			}
			if (len(v.Warnings) > 0) != c.warned {
				t.Errorf("got warnings %q, want any: %v", v.Warnings, c.warned)
			}
			if v.Allowed == (len(v.Denials) > 0) {
				t.Errorf("allowed %v with denials %v", v.Allowed, v.Denials)
			}
		})
	}
}

// TestPartitionsAreCountedAndTenNamed, in the order of their names whatever the order of the metadata.
func TestPartitionsAreCountedAndTenNamed(t *testing.T) {
	var topics []roll.Topic
	for i := 30; i >= 0; i-- {
		topics = append(topics, topic(fmt.Sprintf("t%02d", i), 2, partition(ids(0, 1, 2), ids(0, 1)), offline(ids(1, 2, 3), ids(1))))
	}
	topics = append(topics, topic("a", 1, partition(ids(0, 1, 2), ids(0, 1, 2))))
	s := controlled(metadata(topics...), brokers(4, node)...)
	a := roll.Assess(s)
	if a.UnderReplicated.Count != 62 || a.UnderMinISR.Count != 31 || a.Offline.Count != 31 {
		t.Errorf("got %d under-replicated, %d under min ISR, %d offline", a.UnderReplicated.Count, a.UnderMinISR.Count, a.Offline.Count)
	}
	want := "t00-0, t00-1, t01-0, t01-1, t02-0, t02-1, t03-0, t03-1, t04-0, t04-1 and 52 more"
	if got := a.UnderReplicated.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	v := a.Node(&s.Nodes[0])
	if p := v.Partitions(); v.Allowed || p.Count != 31 || len(p.First) != 10 || p.First[9].String() != "t09-0" {
		t.Errorf("got %+v", v)
	}
	topics[0], topics[5], topics[30] = topics[30], topics[0], topics[5]
	if again := roll.Assess(controlled(metadata(topics...), brokers(4, node)...)); !reflect.DeepEqual(again.Offline, a.Offline) {
		t.Errorf("another order of topics: %v, want %v", again.Offline, a.Offline)
	}
}

// TestControllerRules: KafkaQuorumCheck for a restart of voter 0.
func TestControllerRules(t *testing.T) {
	const late = 2 * time.Second
	for _, c := range []struct {
		name    string
		quorum  *roll.Quorum
		change  func(*roll.Quorum)
		allowed bool
		warned  bool
	}{
		{name: "one voter", quorum: healthy(0, 0), allowed: true, warned: true},
		{name: "one voter that does not lead", quorum: healthy(-1, 0), allowed: true, warned: true},
		{name: "unknown"},
		{name: "no leader", quorum: healthy(-1, 0, 1, 2)},
		{name: "two, the other caught up", quorum: healthy(0, 0, 1), allowed: true},
		{name: "two, the other behind", quorum: quorum(0, map[int32]time.Duration{0: 0, 1: late})},
		{name: "two, the other leads", quorum: quorum(1, map[int32]time.Duration{0: time.Hour, 1: 0}), allowed: true},
		{name: "three, all caught up", quorum: healthy(1, 0, 1, 2), allowed: true},
		{name: "three, one other behind", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: late})},
		{name: "three, one other just within the timeout", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: late - time.Millisecond}), allowed: true},
		{name: "three, itself behind", quorum: quorum(1, map[int32]time.Duration{0: time.Hour, 1: 0, 2: 0}), allowed: true},
		{name: "four, one other behind", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: 0, 3: late})},
		{name: "five, one other behind", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: 0, 3: 0, 4: late}), allowed: true},
		{name: "five, two others behind", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: 0, 3: late, 4: late})},
		{name: "three, a longer fetch timeout", quorum: quorum(1, map[int32]time.Duration{0: 0, 1: 0, 2: late}),
			change: func(q *roll.Quorum) { q.FetchTimeout = 3 * time.Second }, allowed: true},
		{name: "three, one never seen", quorum: healthy(1, 0, 1, 2), change: func(q *roll.Quorum) { q.Voters[2].LastCaughtUp = time.Time{} }},
		{name: "three, times not known and no lag", quorum: healthy(1, 0, 1, 2), change: func(q *roll.Quorum) {
			for i := range q.Voters {
				q.Voters[i].LastCaughtUp, q.Voters[i].Lag = time.Time{}, 0
			}
		}, allowed: true},
		{name: "three, times not known and a lag", quorum: healthy(1, 0, 1, 2), change: func(q *roll.Quorum) {
			for i := range q.Voters {
				q.Voters[i].LastCaughtUp, q.Voters[i].Lag = time.Time{}, 1
			}
		}},
		{name: "three, times not known, and no lag of those that are not the leader", quorum: healthy(1, 0, 1, 2), change: func(q *roll.Quorum) {
			for i := range q.Voters {
				q.Voters[i].LastCaughtUp, q.Voters[i].Lag = time.Time{}, 0
			}
			q.Voters[1].Lag = -1
		}, allowed: true},
		{name: "three, one never seen whose log is as long", quorum: healthy(1, 0, 1, 2), change: func(q *roll.Quorum) {
			q.Voters[2].LastCaughtUp, q.Voters[2].Lag = time.Time{}, 0
		}},
		{name: "it does not vote", quorum: healthy(1, 1, 2), allowed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(c.quorum)
			}
			s := &roll.Snapshot{Quorum: c.quorum}
			for id := range int32(5) {
				s.Nodes = append(s.Nodes, node(fmt.Sprintf("c%d", id), id, roll.Controller))
			}
			v := roll.Assess(s).Node(&s.Nodes[0])
			if v.Allowed != c.allowed || (len(v.Warnings) > 0) != c.warned {
				t.Errorf("got %+v", v)
			}
		})
	}
	t.Run("unknown, and it is the only one", func(t *testing.T) {
		s := &roll.Snapshot{Nodes: []roll.Node{node("c0", 0, roll.Controller)}}
		if v := roll.Assess(s).Node(&s.Nodes[0]); !v.Allowed || len(v.Warnings) != 1 {
			t.Errorf("got %+v", v)
		}
	})
}

// TestZooKeeperRules: all others follow, and a majority of the ensemble is left without member 1.
func TestZooKeeperRules(t *testing.T) {
	for _, c := range []struct {
		name     string
		members  int32
		ensemble *roll.Ensemble
		denied   string
		warned   bool
	}{
		{name: "all in sync", members: 3, ensemble: &roll.Ensemble{Size: 3, Leader: 3, Following: ids(1, 2)}},
		{name: "it leads", members: 3, ensemble: &roll.Ensemble{Size: 3, Leader: 1, Following: ids(2, 3)}},
		{name: "itself behind", members: 3, ensemble: &roll.Ensemble{Size: 3, Leader: 3, Following: ids(2)}},
		{name: "another behind", members: 3, ensemble: &roll.Ensemble{Size: 3, Leader: 3, Following: ids(1)}, denied: "do not follow its leader: 2"},
		{name: "another of five behind", members: 5, ensemble: &roll.Ensemble{Size: 5, Leader: 3, Following: ids(1, 2, 4)}, denied: "do not follow its leader: 5"},
		{name: "no leader", members: 3, ensemble: &roll.Ensemble{Size: 3, Leader: -1, Following: ids(1, 2, 3)}, denied: "no leader"},
		{name: "unknown", members: 3, denied: "does not answer"},
		{name: "unknown and alone", members: 1, warned: true},
		{name: "alone", members: 1, ensemble: &roll.Ensemble{Size: 1, Leader: 1}, warned: true},
		{name: "two", members: 2, ensemble: &roll.Ensemble{Size: 2, Leader: 1, Following: ids(2)}, denied: "1 member of 2 left, and needs 2"},
		{name: "members that are not ours do not follow", members: 2, ensemble: &roll.Ensemble{Size: 3, Leader: 1, Following: ids(2)}, denied: "needs 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &roll.Snapshot{Ensemble: c.ensemble}
			for id := range c.members {
				s.Nodes = append(s.Nodes, node(fmt.Sprintf("z%d", id+1), id+1, roll.ZooKeeper))
			}
			v := roll.Assess(s).Node(&s.Nodes[0])
			if v.Allowed != (c.denied == "") || !strings.Contains(v.Message(), c.denied) || (len(v.Warnings) > 0) != c.warned {
				t.Errorf("got %+v", v)
			}
		})
	}
}

// TestCombinedNodesNeedBothVerdicts.
func TestCombinedNodesNeedBothVerdicts(t *testing.T) {
	full := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2)))
	short := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1)))
	behind := map[int32]time.Duration{0: 0, 1: 0, 2: time.Minute}
	for _, c := range []struct {
		name   string
		topic  roll.Topic
		quorum *roll.Quorum
		denied []string
	}{
		{"both allow", full, healthy(1, 0, 1, 2), nil},
		{"partitions deny", short, healthy(1, 0, 1, 2), []string{"min.insync.replicas"}},
		{"quorum denies", full, quorum(1, behind), []string{"metadata quorum"}},
		{"both deny", short, quorum(1, behind), []string{"metadata quorum", "min.insync.replicas"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &roll.Snapshot{Metadata: metadata(c.topic), Quorum: c.quorum}
			for id := range int32(3) {
				s.Nodes = append(s.Nodes, node(fmt.Sprintf("n%d", id), id, roll.Broker|roll.Controller))
			}
			v := roll.Assess(s).Node(&s.Nodes[0])
			if v.Allowed != (c.denied == nil) || len(v.Denials) != len(c.denied) {
				t.Fatalf("got %+v", v)
			}
			for i, want := range c.denied {
				if !strings.Contains(v.Denials[i].Message, want) {
					t.Errorf("denial %d is %q, want %q", i, v.Denials[i].Message, want)
				}
			}
		})
	}
}
