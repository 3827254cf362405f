package roll

import "slices"

// Availability is what the nodes of a Snapshot are needed for. It is made in one pass over the partitions.
type Availability struct {
	// UnderReplicated partitions have a replica that is not in sync.
	UnderReplicated Partitions
	// UnderMinISR partitions have fewer replicas in sync than min.insync.replicas; producers with acks=all fail.
	UnderMinISR Partitions
	// Offline partitions have no leader.
	Offline Partitions

	s       *Snapshot
	brokers map[int32]*hosted
}

// hosted is what depends on one broker.
type hosted struct {
	// below are under min.insync.replicas, needed would be without this broker.
	below, needed Partitions
	// unavoidable partitions have no more replicas than min.insync.replicas: any restart takes them below it.
	unavoidable Partitions
	// sole are those of unavoidable of which no other replica is in sync, soleOffline those of them that nobody leads.
	sole, soleOffline Partitions
	// notInSync are partitions of which the broker's replica is not in sync, or which wait for a leader that it could be.
	notInSync Partitions
	// alone counts partitions of which no other replica is in sync.
	alone int
}

// Assess finds out what the nodes are needed for. The Snapshot must not change afterwards.
func Assess(s *Snapshot) *Availability {
	a := &Availability{s: s, brokers: make(map[int32]*hosted, len(s.Nodes))}
	all := make([]hosted, len(s.Nodes))
	for i := range s.Nodes {
		if s.Nodes[i].Roles&Broker != 0 {
			a.brokers[s.Nodes[i].ID] = &all[i]
		}
	}
	if s.Metadata == nil {
		return a
	}
	for t := range s.Metadata.Topics {
		topic := &s.Metadata.Topics[t]
		for p := range topic.Partitions {
			a.assess(topic, &topic.Partitions[p])
		}
	}
	return a
}

// Known tells whether the brokers have told of their partitions. Otherwise the counts are zero and say nothing.
func (a *Availability) Known() bool { return a.s.Metadata != nil }

func (a *Availability) assess(topic *Topic, p *Partition) {
	inSync, required := len(p.ISR), minISR(topic, p)
	if inSync < len(p.Replicas) {
		a.UnderReplicated.add(topic.Name, p.ID)
	}
	if inSync < required {
		a.UnderMinISR.add(topic.Name, p.ID)
	}
	if p.Leader < 0 {
		a.Offline.add(topic.Name, p.ID)
	}
	for _, id := range p.Replicas {
		h := a.brokers[id]
		if h == nil {
			continue
		}
		in := slices.Contains(p.ISR, id)
		if !in || p.Leader < 0 {
			h.notInSync.add(topic.Name, p.ID)
		}
		if inSync == 0 || in && inSync == 1 {
			h.alone++
		}
		switch {
		case len(p.Replicas) <= required:
			h.unavoidable.add(topic.Name, p.ID)
			if in && inSync == 1 {
				h.sole.add(topic.Name, p.ID)
				if p.Leader < 0 {
					h.soleOffline.add(topic.Name, p.ID)
				}
			}
		case inSync < required:
			// Also when the replica is not in sync: it may be the first to catch up.
			h.below.add(topic.Name, p.ID)
		case inSync == required && in:
			h.needed.add(topic.Name, p.ID)
		}
	}
}

// minISR is how many replicas in sync a partition has to keep.
func minISR(topic *Topic, p *Partition) int {
	if topic.MinISR > 0 {
		return int(topic.MinISR)
	}
	return max(1, len(p.Replicas)-1)
}

// canRollBroker follows Strimzi's KafkaAvailability: a partition with r replicas, i of them in sync, and m = min.insync.replicas allows
// the restart of a broker with one of its replicas when r ≤ m, since nothing can be done about it; denies it when i < m, or when i = m
// and the broker is in sync; and allows it otherwise.
//
// One rule is added. A broker that is alone in sync with a partition is not restarted while that partition waits for its leader, or
// while other partitions are offline because another broker is away. A broker that is not ready is itself the cause.
func (a *Availability) canRollBroker(n *Node) Verdict {
	h := a.brokers[n.ID]
	if a.s.Unformed || h == nil {
		return Verdict{Allowed: true}
	}
	if a.s.Metadata == nil {
		if a.s.count(Broker) == 1 {
			return warn("it is the only broker: nothing is served while it restarts")
		}
		return deny("no broker tells which partitions would lose a replica", Partitions{})
	}
	v := Verdict{Allowed: true}
	if h.below.Count > 0 {
		v = v.and(deny("below min.insync.replicas already: "+h.below.String(), h.below))
	}
	if h.needed.Count > 0 {
		v = v.and(deny("would fall below min.insync.replicas: "+h.needed.String(), h.needed))
	}
	switch {
	case h.soleOffline.Count > 0 && n.serves():
		v = v.and(deny("have no leader, and no other replica in sync: "+h.soleOffline.String(), h.soleOffline))
	case h.sole.Count > 0 && a.Offline.Count > 0 && a.anotherIsAway(n):
		v = v.and(deny("have no other replica in sync while another broker is away: "+h.sole.String(), h.sole))
	}
	if h.unavoidable.Count > 0 {
		v = v.and(warn("have no more replicas than min.insync.replicas: " + h.unavoidable.String()))
	}
	return v
}

// anotherIsAway tells whether a broker other than n does not serve.
func (a *Availability) anotherIsAway(n *Node) bool {
	return slices.ContainsFunc(a.s.Nodes, func(other Node) bool {
		return other.Roles&Broker != 0 && other.ID != n.ID && !other.serves()
	})
}
