package kafkaconsumergroup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
)

// plan is what a reset means for each partition.
type plan struct {
	resets    []kafka.OffsetReset
	committed map[broker.TopicPartition]broker.CommittedOffset
	// entries are the resets by partition, as indices.
	entries map[broker.TopicPartition]int
	// ranges and times are what the brokers say of these partitions, once they were asked.
	ranges map[broker.TopicPartition]broker.PartitionOffsets
	times  map[broker.TopicPartition]broker.OffsetAt
}

var resetPath = field.NewPath("spec", "reset")

// newPlan finds the partitions of each reset. The resets are valid by themselves, so none of them names a partition of another.
func newPlan(resets []kafka.OffsetReset, committed map[broker.TopicPartition]broker.CommittedOffset, topics map[string]broker.Topic) (*plan, field.ErrorList) {
	p := &plan{resets: resets, committed: committed, entries: map[broker.TopicPartition]int{}}
	var errs field.ErrorList
	for i, reset := range resets {
		at := resetPath.Index(i)
		if reset.Topic == "" {
			before := len(p.entries)
			for partition := range committed {
				if has(topics[partition.Topic], partition.Partition) {
					p.entries[partition] = i
				}
			}
			if len(p.entries) == before {
				errs = append(errs, field.Required(at.Child("topic"), "the group has committed no offsets of topics that exist: name a topic"))
			}
			continue
		}
		topic, there := topics[reset.Topic]
		if !there {
			errs = append(errs, field.Invalid(at.Child("topic"), reset.Topic, "the brokers have no such topic"))
			continue
		}
		if len(reset.Partitions) == 0 {
			for _, partition := range topic.Partitions {
				p.entries[broker.TopicPartition{Topic: topic.Name, Partition: partition.ID}] = i
			}
			continue
		}
		for j, id := range reset.Partitions {
			if !has(topic, id) {
				errs = append(errs, field.Invalid(at.Child("partitions").Index(j), id,
					fmt.Sprintf("topic %s has the partitions 0 to %d", topic.Name, len(topic.Partitions)-1)))
				continue
			}
			p.entries[broker.TopicPartition{Topic: topic.Name, Partition: id}] = i
		}
	}
	return p, errs
}

func has(topic broker.Topic, partition int32) bool {
	_, there := partitionOf(topic, partition)
	return there
}

// look asks the leaders of the plan's partitions. All of them have to answer: a reset of some partitions is not what was asked for.
func (p *plan) look(ctx context.Context, cluster *broker.Cluster, topics map[string]broker.Topic) error {
	all := sorted(p.entries)
	p.ranges = readRanges(ctx, cluster, topics, all)
	p.times = map[broker.TopicPartition]broker.OffsetAt{}
	var errs []error
	for i, reset := range p.resets {
		if reset.Time == "" {
			continue
		}
		since, err := time.Parse(time.RFC3339, reset.Time)
		if err != nil {
			// Validation has refused it.
			return err
		}
		timed := slices.DeleteFunc(slices.Clone(all), func(at broker.TopicPartition) bool { return p.entries[at] != i })
		for at, found := range forEachTopic(topics, timed, func(topic broker.Topic) map[int32]broker.OffsetAt {
			answers, err := cluster.OffsetsAt(ctx, topic, since)
			if err != nil {
				answers = make(map[int32]broker.OffsetAt, len(topic.Partitions))
				for _, partition := range topic.Partitions {
					answers[partition.ID] = broker.OffsetAt{Offset: -1, Err: err}
				}
			}
			return answers
		}) {
			p.times[at] = found
		}
	}
	for _, at := range all {
		ends, answered := p.ranges[at]
		switch {
		case !answered:
			errs = append(errs, fmt.Errorf("the offsets of partition %d of topic %s are not known", at.Partition, at.Topic))
		case ends.Err != nil:
			errs = append(errs, ends.Err)
		case p.times[at].Err != nil:
			errs = append(errs, p.times[at].Err)
		}
	}
	return errors.Join(errs...)
}

// targets are the offsets to write, or what is wrong with those asked for.
func (p *plan) targets() (map[broker.TopicPartition]int64, field.ErrorList) {
	targets := map[broker.TopicPartition]int64{}
	var errs field.ErrorList
	wrong := map[int]int{}
	for _, at := range sorted(p.entries) {
		i := p.entries[at]
		target, problem := p.target(at, p.resets[i], resetPath.Index(i))
		if problem == nil {
			targets[at] = target
			continue
		}
		// A topic may have thousands of partitions, with the same mistake in each.
		if wrong[i]++; wrong[i] <= maxNamed {
			errs = append(errs, problem)
		}
	}
	return targets, errs
}

func (p *plan) target(at broker.TopicPartition, reset kafka.OffsetReset, path *field.Path) (int64, *field.Error) {
	ends := p.ranges[at]
	inside := func(offset int64, path *field.Path, value any, how string) (int64, *field.Error) {
		if offset < ends.Start || offset > ends.End {
			return 0, field.Invalid(path, value, fmt.Sprintf("partition %d of topic %s has the offsets %d to %d%s", at.Partition, at.Topic, ends.Start, ends.End, how))
		}
		return offset, nil
	}
	switch {
	case reset.Offset != nil:
		return inside(*reset.Offset, path.Child("offset"), *reset.Offset, "")
	case reset.Shift != nil:
		committed, known := p.committed[at]
		if !known || committed.Err != nil {
			return 0, field.Invalid(path.Child("shift"), *reset.Shift, fmt.Sprintf("the group has committed no offset in partition %d of topic %s", at.Partition, at.Topic))
		}
		to := committed.Offset + *reset.Shift
		return inside(to, path.Child("shift"), *reset.Shift, fmt.Sprintf(", and the group is moved from %d to %d", committed.Offset, to))
	case reset.Time != "":
		if found, ok := p.times[at]; ok && found.Offset >= 0 {
			return found.Offset, nil
		}
		return ends.End, nil
	case reset.To == kafka.EarliestOffset:
		return ends.Start, nil
	}
	return ends.End, nil
}
