package views

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// sizesWait is how long a view waits for brokers that walk their folders; without their answer it goes on.
const sizesWait = 500 * time.Millisecond

// movesWait is how long a view waits for the controller, which alone knows of moves. While there is none, who looks at partitions needs the rest.
const movesWait = 4 * time.Second

var errNoController = errors.New("no controller answers")

// ShowPartitions asks for everything at once, as far as one answer does not need another: it takes as long as Metadata and the slowest of
// the others. Only where the partitions are must be known; what else is not told is left out, and told of.
func ShowPartitions(ctx context.Context, r *resolver.Resolver, t resolver.Target) (*kafka.KafkaTopicPartitions, error) {
	// What is found of it comes while this is asked.
	cluster, name := t.Cluster, t.Topic.TopicName()
	eligible := ask(func() (map[int32]broker.EligibleLeaders, error) { return cluster.EligibleLeaders(ctx, name) })
	var err error
	if t, err = r.Ask(ctx, t); err != nil {
		return nil, err
	}
	sizes := ask(func() (broker.LogDirs, error) { return t.Cluster.LogDirsWithin(ctx, sizesWait, t.Have.Name) })
	offsets := ask(func() (map[int32]broker.PartitionOffsets, error) {
		return t.Cluster.OffsetsOf(ctx, t.Have, broker.ReadUncommitted)
	})
	view := assignment(t, nil)
	asking, cancel := context.WithTimeout(ctx, movesWait)
	defer cancel()
	moving, err := t.Cluster.ReassignmentsOf(asking, t.Have)
	switch {
	case err == nil:
		view = assignment(t, moving[t.Have.Name])
	case asking.Err() != nil && len(kafkaerr.Refusals(err)) == 0:
		live.Warn(ctx, "moves are not known", errNoController)
	default:
		live.Warn(ctx, "moves are not known", err)
	}
	if ranges, err := offsets(); err != nil {
		live.Warn(ctx, "offsets are not known", err)
	} else {
		showOffsets(view, ranges)
	}
	// Brokers before Kafka 3.8, and all with ZooKeeper, have no such replicas.
	if elr, err := eligible(); err == nil {
		showEligible(view, elr)
	} else if !kafkaerr.IsNotSupported(err) {
		live.Warn(ctx, "eligible leader replicas are not known", err)
	}
	dirs, err := sizes()
	if err != nil {
		dirs = unanswered(t.Have, err)
	}
	showLogs(view, t.Have, dirs)
	return view, nil
}

// unanswered is what brokers say that did not tell their sizes. Each replica says so: most who look at partitions are not shown sizes, and a
// warning would be about nothing that they see.
func unanswered(have broker.Topic, err error) broker.LogDirs {
	dirs := broker.LogDirs{Brokers: map[int32]broker.BrokerLogDirs{}}
	for _, p := range have.Partitions {
		for _, id := range p.Replicas {
			dirs.Brokers[id] = broker.BrokerLogDirs{Err: err}
		}
	}
	return dirs
}

// ask starts a question and returns what waits for its answer.
func ask[T any](question func() (T, error)) func() (T, error) {
	var value T
	done := make(chan error, 1)
	crash.Go(func() (err error) {
		value, err = question()
		return err
	}, func(err error) { done <- err })
	return func() (T, error) {
		err := <-done
		return value, err
	}
}

// Assignment is where the partitions of a topic are and where they move.
func Assignment(ctx context.Context, t resolver.Target) (*kafka.KafkaTopicPartitions, error) {
	have := t.Have
	moving, err := t.Cluster.ReassignmentsOf(ctx, have)
	if err != nil {
		return nil, resolver.Refusal(err, t.Topic)
	}
	return assignment(t, moving[have.Name]), nil
}

// assignment is where the partitions are that move as they are said to.
func assignment(t resolver.Target, moves map[int32]broker.Reassignment) *kafka.KafkaTopicPartitions {
	have := t.Have
	view := &kafka.KafkaTopicPartitions{ObjectMeta: t.Meta()}
	view.Status.TopicName = have.Name
	if !have.ID.IsZero() {
		view.Status.TopicID = have.ID.String()
	}
	view.ResourceVersion = assignmentHash(have, moves)
	for _, p := range have.Partitions {
		status := kafka.PartitionStatus{Partition: p.ID, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR, Offline: p.Offline}
		replicas := p.Replicas
		if move, moving := moves[p.ID]; moving {
			// What the assignment should be is where the move leads.
			replicas = move.Target()
			status.Adding, status.Removing = move.Adding, move.Removing
		}
		view.Spec.Partitions = append(view.Spec.Partitions, kafka.PartitionAssignment{Partition: p.ID, Replicas: replicas})
		view.Status.Partitions = append(view.Status.Partitions, status)
	}
	return view
}

// assignmentHash is the resourceVersion of a topic's assignment: it changes with the topic's identity, its partitions,
// their replicas, and the moves under way, and with nothing that changes by itself such as leaders and offsets.
func assignmentHash(have broker.Topic, moves map[int32]broker.Reassignment) string {
	hash := fnv.New64a()
	write := func(n int32) { _ = binary.Write(hash, binary.BigEndian, n) }
	list := func(ids []int32) {
		write(int32(len(ids)))
		for _, id := range ids {
			write(id)
		}
	}
	_, _ = hash.Write(have.ID[:])
	write(int32(len(have.Partitions)))
	for _, p := range have.Partitions {
		move := moves[p.ID]
		write(p.ID)
		list(p.Replicas)
		list(move.Adding)
		list(move.Removing)
	}
	// Clients may compare resourceVersions as numbers, and 0 means "any".
	return strconv.FormatUint(max(hash.Sum64(), 1), 10)
}

func showOffsets(view *kafka.KafkaTopicPartitions, ranges map[int32]broker.PartitionOffsets) {
	for i := range view.Status.Partitions {
		status := &view.Status.Partitions[i]
		if at, known := ranges[status.Partition]; known && at.Err == nil {
			status.StartOffset, status.EndOffset = ptr.To(at.Start), ptr.To(at.End)
		}
	}
}

func showEligible(view *kafka.KafkaTopicPartitions, eligible map[int32]broker.EligibleLeaders) {
	for i := range view.Status.Partitions {
		status := &view.Status.Partitions[i]
		status.ELR, status.LastKnownELR = eligible[status.Partition].ELR, eligible[status.Partition].LastKnown
	}
}

// showLogs adds the logs in the order of the replicas, those of a move under way included.
func showLogs(view *kafka.KafkaTopicPartitions, have broker.Topic, dirs broker.LogDirs) {
	type place struct{ partition, broker int32 }
	logs := map[place][]broker.ReplicaLog{}
	for id, b := range dirs.Brokers {
		for _, log := range b.Replicas {
			logs[place{log.Partition, id}] = append(logs[place{log.Partition, id}], log)
		}
	}
	for i, p := range have.Partitions {
		for _, id := range p.Replicas {
			found := logs[place{p.ID, id}]
			if len(found) == 0 {
				replica := kafka.ReplicaStatus{Broker: id}
				if err := dirs.Brokers[id].Err; err != nil {
					replica.Problem = live.Line(err)
				}
				view.Status.Partitions[i].Replicas = append(view.Status.Partitions[i].Replicas, replica)
			}
			for _, log := range found {
				view.Status.Partitions[i].Replicas = append(view.Status.Partitions[i].Replicas, kafka.ReplicaStatus{Broker: id, LogDir: log.Dir,
					SizeBytes: ptr.To(log.SizeBytes), OffsetLag: ptr.To(log.OffsetLag), Future: log.IsFuture})
			}
		}
	}
}
