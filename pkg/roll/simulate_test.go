package roll_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/roll"
)

// simulated is a cluster whose nodes take their time, fall behind and crash as its random source says, with a roll on it. It judges the
// decisions by what it is itself, with none of the package's code.
type simulated struct {
	r    *rand.Rand
	now  time.Time
	o    roll.Options
	zk   bool
	hard bool

	nodes    []*process
	topics   []roll.Topic
	leader   int32
	progress roll.Progress
	// calm stops crashes and delays that are not due to restarts, so that a roll can come to its end.
	calm bool
	// restarts counts by node.
	restarts map[string]int
	// changes counts changes of the specification, bad is one with which no pod starts.
	changes  int
	bad      bool
	violated []string
}

// process is a node that is up, or will be.
type process struct {
	roll.Node
	generation int
	// goes, comes and catchesUp are when it ends, is ready again, and has caught up; zero when it has.
	goes, comes, catchesUp time.Time
	// hidden pods were deleted and do not show it yet.
	hidden time.Time
	shown  roll.Node
}

func (p *process) up() bool { return p.goes.IsZero() && p.comes.IsZero() }

func newSimulated(seed uint64, hard bool) *simulated {
	s := &simulated{r: rand.New(rand.NewPCG(seed, 1)), now: now, hard: hard, restarts: map[string]int{}}
	brokers := int32(1 + s.r.IntN(7))
	add := func(name string, id int32, roles roll.Role) {
		n := outdated(name, id, roles)
		n.Rack = fmt.Sprintf("r%d", int(id)%3)
		s.nodes = append(s.nodes, &process{Node: n})
	}
	controllers := []int32{1, 3, 5}[s.r.IntN(3)]
	switch s.r.IntN(3) {
	case 0:
		for id := range brokers {
			roles := roll.Broker
			if id < controllers {
				roles |= roll.Controller
			}
			add(fmt.Sprintf("n%d", id), id, roles)
		}
	case 1:
		for id := range brokers {
			add(fmt.Sprintf("b%d", id), id, roll.Broker)
		}
		for id := range controllers {
			add(fmt.Sprintf("c%d", id), 3000+id, roll.Controller)
		}
	default:
		s.zk = true
		for id := range brokers {
			add(fmt.Sprintf("b%d", id), id, roll.Broker)
		}
		for id := range controllers {
			add(fmt.Sprintf("z%d", id+1), id+1, roll.ZooKeeper)
		}
	}
	if s.r.IntN(2) == 0 {
		s.o.Parallel = roll.Rack
	}
	for t := range s.r.IntN(12) {
		replicas := 1 + s.r.IntN(min(4, int(brokers)))
		topic := roll.Topic{Name: fmt.Sprintf("t%d", t), MinISR: int32(1 + s.r.IntN(3))}
		for p := range 1 + s.r.IntN(6) {
			var ids []int32
			for _, id := range s.r.Perm(int(brokers))[:replicas] {
				ids = append(ids, int32(id))
			}
			topic.Partitions = append(topic.Partitions, roll.Partition{ID: int32(p), Leader: ids[0], Replicas: ids, ISR: slices.Clone(ids)})
		}
		s.topics = append(s.topics, topic)
	}
	s.elect()
	return s
}

// of are the nodes of a role.
func (s *simulated) of(role roll.Role) []*process {
	var out []*process
	for _, n := range s.nodes {
		if n.Roles&role != 0 {
			out = append(out, n)
		}
	}
	return out
}

// keepers are the nodes that keep the metadata.
func (s *simulated) keepers() []*process {
	if s.zk {
		return s.of(roll.ZooKeeper)
	}
	return s.of(roll.Controller)
}

// elect gives the quorum a leader when a majority is up, and partitions theirs when the quorum has one.
func (s *simulated) elect() {
	keepers := s.keepers()
	var alive []*process
	for _, k := range keepers {
		if k.up() {
			alive = append(alive, k)
		}
	}
	if led := slices.ContainsFunc(alive, func(k *process) bool { return k.ID == s.leader }); !led {
		s.leader = -1
	}
	if len(alive) < len(keepers)/2+1 {
		s.leader = -1
	}
	if s.leader < 0 && len(alive) >= len(keepers)/2+1 {
		k := alive[s.r.IntN(len(alive))]
		s.leader, k.catchesUp = k.ID, time.Time{}
	}
	up := map[int32]bool{}
	current := map[int32]bool{}
	for _, b := range s.of(roll.Broker) {
		up[b.ID] = b.up()
		current[b.ID] = b.up() && b.catchesUp.IsZero()
	}
	for t := range s.topics {
		for i := range s.topics[t].Partitions {
			p := &s.topics[t].Partitions[i]
			if s.leader < 0 {
				if !up[p.Leader] {
					p.Leader = -1
				}
				continue
			}
			// The last one stays in sync although it is down.
			isr := slices.DeleteFunc(slices.Clone(p.ISR), func(id int32) bool { return !up[id] })
			if len(isr) == 0 {
				p.Leader = -1
				continue
			}
			for _, id := range p.Replicas {
				if current[id] && !slices.Contains(isr, id) {
					isr = append(isr, id)
				}
			}
			p.ISR = isr
			if !slices.Contains(isr, p.Leader) {
				p.Leader = isr[0]
			}
		}
	}
}

// behind takes a broker out of sync where others are.
func (s *simulated) behind(b *process) {
	for t := range s.topics {
		for i := range s.topics[t].Partitions {
			p := &s.topics[t].Partitions[i]
			if len(p.ISR) > 1 && p.Leader != b.ID {
				p.ISR = slices.DeleteFunc(slices.Clone(p.ISR), func(id int32) bool { return id == b.ID })
			}
		}
	}
}

func (s *simulated) seconds(n int) time.Duration { return time.Duration(1+s.r.IntN(n)) * time.Second }

// tick moves everything on to a later time.
func (s *simulated) tick(step time.Duration) {
	s.now = s.now.Add(step)
	if s.hard && !s.calm && s.r.IntN(500) == 0 {
		s.change(s.r.IntN(2) == 0)
	}
	for _, n := range s.nodes {
		switch {
		case !n.goes.IsZero() && !s.now.Before(n.goes):
			// The old pod is gone, the new one is there.
			n.goes, n.comes = time.Time{}, s.now.Add(s.seconds(120))
			n.generation++
			n.UID, n.Terminating, n.Since = fmt.Sprintf("%s-%d", n.Name, n.generation), false, s.now
			n.Revision, n.Reasons = n.Desired, nil
			if s.bad {
				n.Stuck, n.comes = "CrashLoopBackOff", n.comes.Add(1000*time.Hour)
			}
		case !n.comes.IsZero() && !s.now.Before(n.comes):
			n.comes, n.Ready, n.Recovering, n.Since = time.Time{}, true, false, s.now
			n.catchesUp = s.now.Add(s.seconds(90))
		case !n.catchesUp.IsZero() && !s.now.Before(n.catchesUp):
			n.catchesUp = time.Time{}
		}
		if s.hard && !s.calm && (n.up() || n.Stuck != "") && s.r.IntN(300) == 0 {
			switch s.r.IntN(3) {
			case 0:
				if n.Stuck != "" {
					break
				}
				// Its process crashes, and comes back in the same pod.
				n.Ready, n.Since, n.comes = false, s.now, s.now.Add(s.seconds(600))
				n.Recovering = s.r.IntN(3) == 0
			case 1:
				// Somebody else deletes its pod.
				s.remove(n, 0)
			default:
				if n.up() && (n.Roles&(roll.Controller|roll.ZooKeeper) == 0 || n.ID != s.leader) {
					// Nobody is ahead of the leader.
					n.catchesUp = s.now.Add(s.seconds(200))
				}
				if n.Roles&roll.Broker != 0 {
					s.behind(n)
				}
			}
		}
	}
	s.elect()
}

// change is a change of the specification, after which all nodes have to be restarted.
func (s *simulated) change(bad bool) {
	s.changes++
	s.bad = bad
	for _, n := range s.nodes {
		n.Desired, n.Reasons = fmt.Sprintf("new-%d", s.changes), []roll.Reason{roll.ConfigChanged}
	}
}

// remove deletes a pod. What is read of it is behind for a while.
func (s *simulated) remove(n *process, behind time.Duration) {
	n.shown, n.hidden = n.Node, s.now.Add(behind)
	n.Terminating, n.Ready, n.Since, n.goes = true, false, s.now, s.now.Add(s.seconds(60))
	n.Stuck, n.Recovering, n.comes, n.catchesUp = "", false, time.Time{}, time.Time{}
}

// snapshot is what is read of the cluster.
func (s *simulated) snapshot() *roll.Snapshot {
	snapshot := &roll.Snapshot{Progress: s.progress}
	for _, n := range s.nodes {
		read := n.Node
		if s.now.Before(n.hidden) {
			read = n.shown
		}
		snapshot.Nodes = append(snapshot.Nodes, read)
	}
	if slices.ContainsFunc(s.of(roll.Broker), (*process).up) && (!s.hard || s.r.IntN(20) > 0) {
		snapshot.Metadata = &roll.Metadata{Controller: 0}
		for _, t := range s.topics {
			t.Partitions = slices.Clone(t.Partitions)
			snapshot.Metadata.Topics = append(snapshot.Metadata.Topics, t)
		}
	}
	if s.leader < 0 {
		return snapshot
	}
	if s.zk {
		snapshot.Ensemble = &roll.Ensemble{Size: len(s.keepers()), Leader: s.leader}
	} else {
		snapshot.Quorum = &roll.Quorum{Leader: s.leader}
	}
	for _, k := range s.keepers() {
		current := k.up() && k.catchesUp.IsZero()
		if s.zk {
			if current && k.ID != s.leader {
				snapshot.Ensemble.Following = append(snapshot.Ensemble.Following, k.ID)
			}
			continue
		}
		voter := roll.Voter{ID: k.ID, LastCaughtUp: s.now, Lag: -1}
		if !current {
			voter.LastCaughtUp = s.now.Add(-time.Minute)
		}
		snapshot.Quorum.Voters = append(snapshot.Quorum.Voters, voter)
	}
	return snapshot
}

// step makes one decision, judges it, and carries it out.
func (s *simulated) step() roll.Decision {
	d := roll.Next(s.snapshot(), s.o, s.now)
	s.progress = d.Progress
	var nodes []*process
	for _, target := range d.Restart {
		i := slices.IndexFunc(s.nodes, func(n *process) bool { return n.Name == target.Name })
		// A deletion has the UID as its precondition, and does nothing to a pod that is being deleted.
		if n := s.nodes[i]; n.UID == target.UID && !n.Terminating {
			nodes = append(nodes, n)
		}
	}
	s.judge(nodes)
	for _, n := range nodes {
		s.restarts[n.Name]++
		switch {
		case !s.hard:
			s.remove(n, 0)
		case s.r.IntN(10) > 0:
			s.remove(n, time.Duration(s.r.IntN(5))*time.Second)
		}
		// Otherwise we crash before the deletion.
	}
	return d
}
