// Package brokertest makes for tests what brokers would tell.
package brokertest

import "kafka.openshift.io/kafka-apiserver/pkg/broker"

// Snapshot is what a gateway keeps of all topics of a cluster, by name.
func Snapshot(topics map[string]broker.Topic) broker.Snapshot {
	s := broker.Snapshot{Topics: map[string]broker.TopicCounts{}, Hosts: map[int32]broker.BrokerCounts{}}
	for name, topic := range topics {
		s.Topics[name] = Counts(topic)
		for _, p := range topic.Partitions {
			for _, id := range p.Replicas {
				host := s.Hosts[id]
				host.Replicas++
				s.Hosts[id] = host
			}
			if p.Leader >= 0 {
				host := s.Hosts[p.Leader]
				host.Leaders++
				s.Hosts[p.Leader] = host
			}
		}
	}
	return s
}

// Counts is what a Snapshot has of a topic.
func Counts(topic broker.Topic) broker.TopicCounts {
	counts := broker.TopicCounts{ID: topic.ID, Internal: topic.Internal, Partitions: int32(len(topic.Partitions)), Replicas: int32(topic.ReplicationFactor()),
		LastBroker: -1}
	for _, p := range topic.Partitions {
		if len(p.ISR) < len(p.Replicas) {
			counts.UnderReplicated++
		}
		if p.Leader < 0 {
			counts.WithoutLeader++
		}
		for _, id := range p.Replicas {
			counts.LastBroker = max(counts.LastBroker, id)
		}
	}
	return counts
}
