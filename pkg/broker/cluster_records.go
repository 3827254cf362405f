package broker

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// Offsets asks the leaders, all at once, for the first and the end offset of each partition of a topic. A partition whose leader
// does not answer, or that has none, has its Err set; the call fails when there is no such topic or no broker to ask.
func (c *Cluster) Offsets(ctx context.Context, topic string, isolation Isolation) (map[int32]PartitionOffsets, error) {
	return c.offsets.Offsets(ctx, topic, isolation)
}

// OffsetsOf is Offsets for a topic whose metadata the caller has just read, without reading it again unless a leader has changed.
func (c *Cluster) OffsetsOf(ctx context.Context, topic Topic, isolation Isolation) (map[int32]PartitionOffsets, error) {
	return c.offsets.OffsetsOf(ctx, topic, isolation)
}

// NeverUsed tells whether no partition of a topic ever held a record.
func (c *Cluster) NeverUsed(ctx context.Context, topic Topic) (bool, error) {
	return c.offsets.NeverUsed(ctx, topic)
}

// OffsetsAt asks the leaders, all at once, where each partition of a topic reaches a time. The caller has just read the topic's
// metadata; it is read again only for partitions whose leader has changed. A partition that could not be asked has its Err set.
func (c *Cluster) OffsetsAt(ctx context.Context, topic Topic, at time.Time) (map[int32]OffsetAt, error) {
	return c.offsets.OffsetsAt(ctx, topic, at)
}

// Read hands over the committed records of a topic's partitions, in order within each partition, and takes turns between them.
// Records of aborted transactions are left out, and those of open ones wait. It holds connections of its own, so that a sink that
// blocks for hours delays nobody else. In memory is one answer of a broker at a time: a megabyte or a single larger batch, and
// one record out of it. Leaders that move are followed.
func (c *Cluster) Read(ctx context.Context, topic Topic, what Reading, sink Sink) error {
	return c.records.Read(ctx, topic, what, sink)
}

// Produce writes records to a topic whose metadata the caller has just read, and returns when all replicas in sync have them. What
// became of each is in the answer, in the same order; an error means that nothing was sent, and is a *RecordError when one of the
// records is the reason. With validateOnly nothing is sent, and the answer tells the partitions.
//
// Records of a partition keep their order, and one that fails stops those behind it. A record is never written twice: each is sent
// again, until the context ends, under the same producer id and sequence number, by which brokers know it.
func (c *Cluster) Produce(ctx context.Context, topic Topic, records []kafkarecord.NewRecord, validateOnly bool) ([]WrittenRecord, error) {
	return c.records.Produce(ctx, topic, records, validateOnly)
}

// DeleteRecords deletes the records before an offset from partitions of a topic whose metadata the caller has just read, for good. The
// map has an entry for each. Offsets are the first that stay, never Kafka's -1 for "all": so a request whose answer was lost can be sent
// again, and compared with.
func (c *Cluster) DeleteRecords(ctx context.Context, topic Topic, before map[int32]int64) (map[int32]Truncation, error) {
	return c.records.DeleteRecords(ctx, topic, before)
}

// Groups asks each broker for the groups that it coordinates: those of consumers, which kafka-consumer-groups lists, share groups and streams
// groups. Classic groups of something else than consumers (such as the workers of Kafka Connect) are none of them. Concurrent callers share the
// question. It fails when no broker answers.
func (c *Cluster) Groups(ctx context.Context) (GroupList, error) {
	return c.groups.Groups(ctx)
}

// Group asks the coordinator for a consumer group and its members; false means that there is none of that id. A group of another
// kind (see Groups) is none.
func (c *Cluster) Group(ctx context.Context, id string) (Group, bool, error) {
	return c.groups.Group(ctx, id)
}

// GroupOfAnyKind is Group for who only looks: a share group or a streams group is found, too.
func (c *Cluster) GroupOfAnyKind(ctx context.Context, id string) (Group, bool, error) {
	return c.groups.GroupOfAnyKind(ctx, id)
}

// ShareOffsets asks the coordinator from where on a share group has not done with the records of partitions, and how many these are, as far as
// it counts them (KIP-1226). What has not begun yet is left out.
func (c *Cluster) ShareOffsets(ctx context.Context, group string) (map[TopicPartition]CommittedOffset, error) {
	return c.groups.ShareOffsets(ctx, group)
}

// CommittedOffsets asks the coordinator for all offsets that a group has committed, those of deleted topics included. A group that
// does not exist has none.
func (c *Cluster) CommittedOffsets(ctx context.Context, group string) (map[TopicPartition]CommittedOffset, error) {
	return c.groups.CommittedOffsets(ctx, group)
}

// CommitOffsets writes offsets for a group without members, which makes the group if there is none. It tells how many it has written:
// those of one request are written together, and a refusal of some is an error that joins those of the partitions. A group that has
// members refuses with a conflict.
func (c *Cluster) CommitOffsets(ctx context.Context, group string, offsets map[TopicPartition]int64) (int, error) {
	return c.groups.CommitOffsets(ctx, group, offsets)
}
