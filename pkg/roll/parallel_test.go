package roll_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// steps are the names of a plan, those of a batch joined by +.
func steps(plan []roll.Step) string {
	var b strings.Builder
	for i, step := range plan {
		switch {
		case i == 0:
		case step.Batch == plan[i-1].Batch:
			b.WriteByte('+')
		default:
			b.WriteByte(' ')
		}
		b.WriteString(step.Name)
	}
	return b.String()
}

// racks are six outdated brokers on racks r0, r1, r2: 0 and 3, 1 and 4, 2 and 5.
func racks() []roll.Node {
	nodes := brokers(6, outdated)
	for i := range nodes {
		nodes[i].Rack = fmt.Sprintf("r%d", i%3)
	}
	return nodes
}

// TestRackTogether: which brokers are restarted with broker 0.
func TestRackTogether(t *testing.T) {
	spread := topic("a", 2, partition(ids(0, 1, 2), ids(0, 1, 2)), partition(ids(3, 4, 5), ids(3, 4, 5)))
	for _, c := range []struct {
		name   string
		topics []roll.Topic
		change func(*roll.Snapshot, *roll.Options)
		want   []string
		plan   string
	}{
		{name: "spread over racks", topics: []roll.Topic{spread}, want: []string{"b0", "b3"}, plan: "b0+b3 b1+b4 b2+b5"},
		{name: "not asked for", topics: []roll.Topic{spread}, change: func(_ *roll.Snapshot, o *roll.Options) { o.Parallel = roll.None }, want: []string{"b0"},
			plan: "b0 b1 b2 b3 b4 b5"},
		{name: "two replicas in a rack", topics: []roll.Topic{spread, topic("b", 2, partition(ids(3, 0, 1), ids(3, 0, 1)))}, want: []string{"b0"},
			plan: "b0 b1+b4 b2+b5 b3"},
		{name: "two replicas in a rack, and two others", topics: []roll.Topic{spread, topic("b", 2, partition(ids(0, 3, 1, 2), ids(0, 3, 1, 2)))},
			want: []string{"b0", "b3"}, plan: "b0+b3 b1+b4 b2+b5"},
		{name: "all replicas of what cannot be kept in a rack", topics: []roll.Topic{spread, topic("b", 2, partition(ids(3, 0), ids(3, 0)))},
			want: []string{"b0"}, plan: "b0 b1+b4 b2+b5 b3"},
		{name: "a replica of what cannot be kept", topics: []roll.Topic{spread, topic("b", 2, partition(ids(3, 1), ids(3, 1)))},
			want: []string{"b0", "b3"}, plan: "b0+b3 b1+b4 b2+b5"},
		{name: "the other is denied", topics: []roll.Topic{spread, topic("b", 1, partition(ids(3, 4), ids(3)))}, want: []string{"b0"},
			plan: "b0 b1+b4 b2+b5 b3"},
		{name: "the other may be the first to catch up", topics: []roll.Topic{spread, topic("b", 2, partition(ids(3, 4, 5), ids(4)))}, want: []string{"b0"},
			plan: "b0 b1 b2 b3 b4 b5"},
		{name: "one that does not answer is alone", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[3].UnreachableSince = now.Add(-time.Hour)
		}, want: []string{"b3"}, plan: "b3 b0 b1+b4 b2+b5"},
		{name: "no racks", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, _ *roll.Options) {
			for i := range s.Nodes {
				s.Nodes[i].Rack = ""
			}
		}, want: []string{"b0"}, plan: "b0 b1 b2 b3 b4 b5"},
		{name: "combined nodes", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, _ *roll.Options) {
			for i := range 6 {
				s.Nodes[i].Roles |= roll.Controller
			}
			s.Quorum = healthy(3000, 3000)
		}, want: []string{"b0"}, plan: "b0 b1 b2 b3 b4 b5"},
		{name: "one is done", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, _ *roll.Options) { s.Nodes[3].Reasons = nil },
			want: []string{"b0"}, plan: "b0 b1+b4 b2+b5"},
		{name: "the other has a window to wait for", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, o *roll.Options) {
			o.WindowClosed, o.Urgent = true, []roll.Reason{roll.VolumeGrown}
			s.Nodes[0].Reasons = []roll.Reason{roll.VolumeGrown}
		}, want: []string{"b0"}, plan: "b0+b3 b1+b4 b2+b5"},
		{name: "the broker that ZooKeeper elected is alone", topics: []roll.Topic{spread}, change: func(s *roll.Snapshot, _ *roll.Options) {
			s.Nodes[6], s.Quorum = node("z1", 1, roll.ZooKeeper), nil
			s.Ensemble, s.Metadata.Controller = &roll.Ensemble{Size: 1, Leader: 1}, 3
		}, want: []string{"b0"}, plan: "b0 b1+b4 b2+b5 b3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, o := controlled(metadata(c.topics...), racks()...), roll.Options{Parallel: roll.Rack}
			if c.change != nil {
				c.change(s, &o)
			}
			if d := roll.Next(s, o, now); !slices.Equal(targets(d), c.want) {
				t.Errorf("got %+v", d)
			}
			if plan := steps(roll.Plan(s, o, now)); plan != c.plan {
				t.Errorf("planned %s, want %s", plan, c.plan)
			}
		})
	}
}

// TestPlan tells of each node what would forbid its restart now.
func TestPlan(t *testing.T) {
	s := controlled(metadata(everywhere(), topic("b", 1, partition(ids(1, 2), ids(1)))), brokers(6, outdated)...)
	stuck(&s.Nodes[2])
	stuck(&s.Nodes[3])
	s.Nodes[3].Revision = "new"
	s.Nodes[4].Ready, s.Nodes[4].Recovering = false, true
	s.Nodes[5].UID = ""
	find(s, "c0").Reasons = []roll.Reason{roll.Requested}
	plan := roll.Plan(s, roll.Options{WindowClosed: true, Urgent: []roll.Reason{roll.Requested}}, now)
	want := []struct {
		name, denied string
		held         bool
	}{
		{"c0", "", false}, {"b2", "", false}, {"b3", "cannot start", false}, {"b4", "recovers", false}, {"b5", "no pod", false}, {"b0", "", true},
		{"b1", "b-0", true},
	}
	if len(plan) != len(want) {
		t.Fatalf("got %+v", plan)
	}
	for i, w := range want {
		step := plan[i]
		if step.Name != w.name || step.Now.Allowed != (w.denied == "") || !strings.Contains(step.Now.Message(), w.denied) || step.Held != w.held || step.Batch != i {
			t.Errorf("step %d: got %+v, want %+v", i, step, w)
		}
	}
}
