package kafkatopic

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// sizesWait is how long a view waits for brokers that walk their folders; without their answer it goes on.
const sizesWait = 500 * time.Millisecond

// Get implements rest.Getter. Everything is asked for at once, as far as one answer does not need another: it takes as long as Metadata and
// the slowest of the others. Only where the partitions are must be known; what else is not told is left out, with a warning.
func (r *PartitionsREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, err := r.plane.reach(ctx, name)
	if err != nil {
		return nil, err
	}
	eligible := ask(func() (map[int32]broker.EligibleLeaders, error) {
		return cluster.EligibleLeaders(ctx, topic.TopicName())
	})
	have, err := r.plane.onBrokers(ctx, cluster, topic)
	if err != nil {
		return nil, err
	}
	sizes := ask(func() (broker.LogDirs, error) { return cluster.LogDirsWithin(ctx, sizesWait, have.Name) })
	offsets := ask(func() (map[int32]broker.PartitionOffsets, error) {
		return cluster.OffsetsOf(ctx, have, broker.ReadUncommitted)
	})
	view, err := r.assignment(ctx, topic, cluster, have)
	if err != nil {
		return nil, err
	}
	if ranges, err := offsets(); err != nil {
		live.Warn(ctx, "offsets are not known", err)
	} else {
		showOffsets(view, ranges)
	}
	// Brokers before Kafka 3.8, and all with ZooKeeper, have no such replicas.
	if elr, err := eligible(); err == nil {
		showEligible(view, elr)
	} else if !broker.IsNotSupported(err) {
		live.Warn(ctx, "eligible leader replicas are not known", err)
	}
	if dirs, err := sizes(); err != nil {
		live.Warn(ctx, "sizes on disk are not known", err)
	} else {
		showLogs(view, have, dirs)
	}
	return view, nil
}

// ask starts a question and returns what waits for its answer.
func ask[T any](question func() (T, error)) func() (T, error) {
	var value T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer crash.Recover(&err)
		value, err = question()
	}()
	return func() (T, error) {
		<-done
		return value, err
	}
}

// assignment is where the partitions are and where they move.
func (r *PartitionsREST) assignment(ctx context.Context, topic *kafka.KafkaTopic, cluster *broker.Cluster, have broker.Topic) (*kafka.KafkaTopicPartitions, error) {
	moving, err := cluster.ReassignmentsOf(ctx, have)
	if err != nil {
		return nil, refusal(err, topic)
	}
	moves := moving[have.Name]
	view := &kafka.KafkaTopicPartitions{ObjectMeta: metaOf(topic)}
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
	return view, nil
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
