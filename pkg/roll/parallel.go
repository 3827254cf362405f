package roll

import "slices"

// together is a node that may be restarted, and those brokers of its rack that may be at the same time. The nodes are in the order of
// the roll, and of two that exclude each other the earlier one stays.
func (p *pass) together(first *Node, nodes []*Node) []*Node {
	alone := []*Node{first}
	alike := func(n *Node) bool {
		return n.Roles == Broker && n.responds() && !p.leads(n) && n.Rack == first.Rack
	}
	if p.o.Parallel != Rack || p.s.Metadata == nil || first.Rack == "" || !alike(first) {
		return alone
	}
	for _, n := range nodes {
		if n != first && alike(n) && p.verdict(n).Allowed {
			alone = append(alone, n)
		}
	}
	return p.compatible(alone)
}

// compatible drops brokers until each partition that can keep min.insync.replicas does so without all that are left, and each other one
// loses one replica at most. Dropping a broker never forbids what was allowed with it, so that one pass over the partitions is enough.
func (a *Availability) compatible(nodes []*Node) []*Node {
	position := make(map[int32]int, len(nodes))
	for i, n := range nodes {
		position[n.ID] = i
	}
	dropped := make([]bool, len(nodes))
	var taken []int
	for t := range a.s.Metadata.Topics {
		topic := &a.s.Metadata.Topics[t]
		for i := range topic.Partitions {
			partition := &topic.Partitions[i]
			required := minISR(topic, partition)
			spare, from := len(partition.ISR)-required, partition.ISR
			if len(partition.Replicas) <= required {
				spare, from = 1, partition.Replicas
			}
			taken = taken[:0]
			for _, id := range from {
				if at, in := position[id]; in && !dropped[at] {
					taken = append(taken, at)
				}
			}
			if len(taken) <= spare {
				continue
			}
			slices.Sort(taken)
			for _, at := range taken[max(spare, 0):] {
				dropped[at] = true
			}
		}
	}
	kept := nodes[:0]
	for i, n := range nodes {
		if !dropped[i] {
			kept = append(kept, n)
		}
	}
	return kept
}
