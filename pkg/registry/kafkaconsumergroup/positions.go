package kafkaconsumergroup

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/crash"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// positions is where a group is, and between which offsets it can be.
type positions struct {
	committed map[broker.TopicPartition]broker.CommittedOffset
	owners    map[broker.TopicPartition]broker.GroupMember
	// topics are those of committed and owners that exist.
	topics map[string]broker.Topic
	// hidden are the topics that brokers do not describe, as our account may not see them, and why.
	hidden map[string]error
	// shared says that it is a share group: brokers count its lag, and members read the same partitions.
	shared bool
	// streams says that it is an application of Kafka Streams, which begins with what is there where it has committed nothing.
	streams bool
	// partial tells that there may be topics that brokers do not even name for that reason.
	partial bool
	// ranges are between start and high watermark, as Kafka's own tools count a lag. A partition that is gone has none.
	ranges map[broker.TopicPartition]broker.PartitionOffsets
}

// readPositions asks the coordinator for what a group has committed, and the leaders for where its partitions end.
func readPositions(ctx context.Context, cluster *broker.Cluster, g broker.Group) (*positions, error) {
	p := &positions{owners: map[broker.TopicPartition]broker.GroupMember{}, partial: g.Hidden != nil, shared: g.Type == broker.GroupShare, streams: g.Type == broker.GroupStreams}
	ask := cluster.CommittedOffsets
	if p.shared {
		ask = cluster.ShareOffsets
	}
	var err error
	if p.committed, err = ask(ctx, g.ID); err != nil {
		return nil, err
	}
	for _, m := range g.Members {
		for _, t := range m.Assignment {
			for _, partition := range t.Partitions {
				at := broker.TopicPartition{Topic: t.Topic, Partition: partition}
				owner := m
				if _, another := p.owners[at]; another {
					// It is everybody's.
					owner = broker.GroupMember{}
				}
				p.owners[at] = owner
			}
		}
	}
	names := map[string]bool{}
	for _, at := range p.partitions() {
		names[at.Topic] = true
	}
	p.topics, err = cluster.Topics(ctx, slices.Sorted(maps.Keys(names))...)
	if err != nil && len(kafkaerr.Refusals(err)) == 0 {
		return nil, err
	}
	p.hidden = map[string]error{}
	for _, refusal := range kafkaerr.Refusals(err) {
		p.hidden[refusal.Object] = refusal
	}
	if p.streams {
		// A task reads of each of its topics that has a partition of its number.
		maps.DeleteFunc(p.owners, func(at broker.TopicPartition, _ broker.GroupMember) bool {
			topic, there := p.topics[at.Topic]
			return there && !has(topic, at.Partition)
		})
	}
	if len(p.hidden) > 0 {
		warning.AddWarning(ctx, "", live.Line(err))
	}
	p.ranges = readRanges(ctx, cluster, p.topics, p.partitions())
	return p, nil
}

// readRanges asks the leaders for the ranges of some partitions, of all topics at once. Those that do not exist are left out.
func readRanges(ctx context.Context, cluster *broker.Cluster, topics map[string]broker.Topic, partitions []broker.TopicPartition) map[broker.TopicPartition]broker.PartitionOffsets {
	return forEachTopic(topics, partitions, func(topic broker.Topic) map[int32]broker.PartitionOffsets {
		ranges, err := cluster.OffsetsOf(ctx, topic, broker.ReadUncommitted)
		if err != nil {
			ranges = make(map[int32]broker.PartitionOffsets, len(topic.Partitions))
			for _, p := range topic.Partitions {
				ranges[p.ID] = broker.PartitionOffsets{Start: -1, End: -1, Err: err}
			}
		}
		return ranges
	})
}

// forEachTopic asks about some partitions topic by topic, all at the same time.
func forEachTopic[T any](topics map[string]broker.Topic, partitions []broker.TopicPartition, ask func(broker.Topic) map[int32]T) map[broker.TopicPartition]T {
	wanted := map[string]broker.Topic{}
	for _, at := range partitions {
		topic, there := topics[at.Topic]
		if !there {
			continue
		}
		part, begun := wanted[at.Topic]
		if !begun {
			part = topic
			part.Partitions = nil
		}
		if partition, there := partitionOf(topic, at.Partition); there {
			part.Partitions = append(part.Partitions, partition)
		}
		wanted[at.Topic] = part
	}
	answers := map[broker.TopicPartition]T{}
	var mu sync.Mutex
	var asking crash.Group
	for _, topic := range wanted {
		asking.Go(func() {
			of := ask(topic)
			mu.Lock()
			defer mu.Unlock()
			for id, one := range of {
				answers[broker.TopicPartition{Topic: topic.Name, Partition: id}] = one
			}
		})
	}
	asking.Wait()
	return answers
}

func partitionOf(topic broker.Topic, id int32) (broker.Partition, bool) {
	i, there := slices.BinarySearchFunc(topic.Partitions, id, func(p broker.Partition, id int32) int { return cmp.Compare(p.ID, id) })
	if !there {
		return broker.Partition{}, false
	}
	return topic.Partitions[i], true
}

// partitions are those that the group has committed an offset for, or that a member reads, in order.
func (p *positions) partitions() []broker.TopicPartition {
	all := map[broker.TopicPartition]bool{}
	for at := range p.committed {
		all[at] = true
	}
	for at := range p.owners {
		all[at] = true
	}
	return sorted(all)
}

func sorted[T any](partitions map[broker.TopicPartition]T) []broker.TopicPartition {
	return slices.SortedFunc(maps.Keys(partitions), func(a, b broker.TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// rows are the positions as they are served.
func (p *positions) rows() []kafka.ConsumerGroupOffset {
	var rows []kafka.ConsumerGroupOffset
	for _, at := range p.partitions() {
		owner := p.owners[at]
		row := kafka.ConsumerGroupOffset{Topic: at.Topic, Partition: at.Partition, MemberID: owner.ID, ClientID: owner.ClientID, Host: owner.Host}
		ends, there := p.ranges[at]
		committed, known := p.committed[at]
		switch {
		case p.hidden[at.Topic] != nil:
			row.Message = live.Line(p.hidden[at.Topic])
		case p.topics[at.Topic].Name == "":
			row.Message = "the topic does not exist any more"
		case !there:
			row.Message = "the topic has no such partition any more"
		case ends.Err != nil:
			row.Message = live.Line(ends.Err)
		default:
			row.StartOffset, row.EndOffset = ptr.To(ends.Start), ptr.To(ends.End)
		}
		switch {
		case known && committed.Err != nil:
			row.Message = live.Line(committed.Err)
		case known:
			row.Committed, row.Metadata, row.Lag = ptr.To(committed.Offset), committed.Metadata, committed.Lag
			if row.EndOffset != nil && !p.shared {
				// Below zero where the log has lost its end, or the offset was never there: kafka-consumer-groups says so, too.
				row.Lag = ptr.To(ends.End - committed.Offset)
			}
		case p.streams && row.EndOffset != nil:
			// As kafka-streams-groups counts it.
			row.Lag = ptr.To(ends.End - ends.Start)
		}
		rows = append(rows, row)
	}
	return rows
}

// lag is how much is left to read, the sum over the partitions that can be read; nil when that of one of them is not known, or one may be
// missing. One that is ahead of its end makes up for none that is behind.
func (p *positions) lag() *int64 {
	if p.partial {
		return nil
	}
	total := int64(0)
	for _, at := range p.partitions() {
		committed, known := p.committed[at]
		ends, there := p.ranges[at]
		switch {
		case !known && !p.streams:
		case p.hidden[at.Topic] != nil:
			return nil
		case !there:
		case committed.Err != nil || ends.Err != nil, p.shared && committed.Lag == nil:
			return nil
		case p.shared:
			total += *committed.Lag
		case !known:
			total += ends.End - ends.Start
		default:
			total += max(0, ends.End-committed.Offset)
		}
	}
	return &total
}

// hash is the resourceVersion of the offsets that a group has committed: it changes with each commit, and with nothing else.
func hash(committed map[broker.TopicPartition]broker.CommittedOffset) string {
	sum := fnv.New64a()
	number := func(n int64) { _ = binary.Write(sum, binary.BigEndian, n) }
	text := func(s string) {
		number(int64(len(s)))
		_, _ = sum.Write([]byte(s))
	}
	for _, at := range sorted(committed) {
		text(at.Topic)
		number(int64(at.Partition))
		number(committed[at].Offset)
		text(committed[at].Metadata)
	}
	// Clients may compare resourceVersions as numbers, and 0 means "any".
	return strconv.FormatUint(max(sum.Sum64(), 1), 10)
}
