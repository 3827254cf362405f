package records

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// WrittenRecord is what became of a record.
type WrittenRecord struct {
	Partition int32
	// Offset is -1 when the record was not written, and when the brokers had it already and do not remember where.
	Offset    int64
	Timestamp time.Time
	// Err tells why the record was not written. With an *kafkaerr.UnknownOutcomeError it may have been.
	Err error
}

// RecordError says which record of a call was refused.
type RecordError struct {
	// Index is the record's, from 0.
	Index int
	// Partition tells that the record's partition is at fault.
	Partition bool
	Err       error
}

func (e *RecordError) Error() string { return fmt.Sprintf("record %d: %v", e.Index, e.Err) }
func (e *RecordError) Unwrap() error { return e.Err }

const (
	// maxBatchBytes is what records that travel together may take, if the topic allows as much.
	maxBatchBytes = 1 << 20
	// maxProduces bounds the batches in flight of one cluster. They wait for replicas, and must leave room for everything else.
	maxProduces = 16
)

// Produce is that of broker.Cluster.
func (c *Records) Produce(ctx context.Context, topic metadata.Topic, records []kafkarecord.NewRecord, validateOnly bool) ([]WrittenRecord, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	limit, err := c.maxMessageBytes(ctx, topic.Name)
	if err != nil {
		return nil, err
	}
	batches, written, err := batchesOf(topic, records, limit)
	if err != nil || validateOnly {
		return written, err
	}
	p, err := c.takeProducer(ctx)
	if err != nil {
		return nil, err
	}
	defer c.GiveProducer(p)
	transport.Parallel(ctx, batches, func(ctx context.Context, batches []*kafkarecord.Builder) struct{} {
		w := &producing{c: c, topic: topic, partition: batches[0].Partition, producer: p, written: written}
		w.all(ctx, batches)
		return struct{}{}
	})
	return written, nil
}

// maxMessageBytes is the topic's own limit on a batch. When brokers do not tell it they judge themselves.
func (c *Records) maxMessageBytes(ctx context.Context, topic string) (int, error) {
	configs, err := c.TopicConfigs(ctx, topic)
	if err != nil && !wire.Answered(err) {
		return 0, err
	}
	for _, entry := range configs[topic] {
		if entry.Name == "max.message.bytes" {
			if n, err := strconv.Atoi(entry.Value); err == nil {
				return n, nil
			}
		}
	}
	return math.MaxInt32, nil
}

// batchesOf puts records into batches, a list for each partition. Records without a key stay together until a batch is full, as
// Kafka's own producer does it.
func batchesOf(topic metadata.Topic, records []kafkarecord.NewRecord, limit int) ([][]*kafkarecord.Builder, []WrittenRecord, error) {
	if len(topic.Partitions) == 0 {
		return nil, nil, kafkaerr.New(kafkaerr.OpProduce, topic.Name, kafkaerr.LeaderNotAvailable, nil, 0)
	}
	batches := map[int32][]*kafkarecord.Builder{}
	written := make([]WrittenRecord, len(records))
	sticky := int32(-1)
	for i, r := range records {
		if size := kafkarecord.SizeAlone(r); size > limit {
			text := fmt.Sprintf("it takes %d bytes in a batch, and the topic's max.message.bytes is %d", size, limit)
			return nil, nil, &RecordError{Index: i, Err: kafkaerr.New(kafkaerr.OpProduce, topic.Name, kafkaerr.MessageTooLarge, &text, 0)}
		}
		partition := r.Partition
		keyless := partition < 0 && r.Key == nil
		switch {
		case keyless && sticky < 0:
			sticky = anyPartition(topic.Partitions)
			partition = sticky
		case keyless:
			partition = sticky
		case partition < 0:
			partition = topic.Partitions[kafkarecord.PartitionOf(r.Key, len(topic.Partitions))].ID
		case !slices.ContainsFunc(topic.Partitions, func(p metadata.Partition) bool { return p.ID == partition }):
			text := fmt.Sprintf("there is no partition %d; the topic has 0 to %d", partition, len(topic.Partitions)-1)
			return nil, nil, &RecordError{Index: i, Partition: true, Err: kafkaerr.New(kafkaerr.OpProduce, topic.Name, kafkaerr.InvalidRequest, &text, 0)}
		}
		written[i] = WrittenRecord{Partition: partition, Offset: -1, Timestamp: kafkarecord.TimestampOf(r)}
		of := batches[partition]
		if len(of) == 0 || !of[len(of)-1].Add(i, r, min(limit, maxBatchBytes)) {
			if keyless && len(of) > 0 {
				sticky = anyPartition(topic.Partitions)
				partition = sticky
				written[i].Partition, of = partition, batches[partition]
			}
			b := &kafkarecord.Builder{Partition: partition}
			b.Add(i, r, limit)
			batches[partition] = append(of, b)
		}
	}
	lists := make([][]*kafkarecord.Builder, 0, len(batches))
	for _, list := range batches {
		lists = append(lists, list)
	}
	slices.SortFunc(lists, func(a, b []*kafkarecord.Builder) int { return cmp.Compare(a[0].Partition, b[0].Partition) })
	return lists, written, nil
}

// anyPartition picks one for records without a key: one that has a leader if there is any.
func anyPartition(partitions []metadata.Partition) int32 {
	var led []int32
	for _, p := range partitions {
		if p.Leader >= 0 {
			led = append(led, p.ID)
		}
	}
	if len(led) == 0 {
		return partitions[rand.IntN(len(partitions))].ID
	}
	return led[rand.IntN(len(led))]
}
