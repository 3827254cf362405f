package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	// A fresh Java virtual machine answers its first calls two to four times slower.
	warmUps = 30
	samples = 200
	creates = 100
)

// partitionsGet compares the live view of a topic's partitions with the RPCs that it takes, plus what any aggregated
// GET costs.
func partitionsGet(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	const name = "partitions-get"
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	if _, err := topics.Create(ctx, newTopic(name, 12), metav1.CreateOptions{}); err != nil {
		return result{}, fmt.Errorf("create topic %s: %w", name, err)
	}
	times, err := interleave(ctx, samples,
		func(ctx context.Context, _ int) error {
			_, err := topics.GetPartitions(ctx, name, metav1.GetOptions{})
			return err
		},
		func(ctx context.Context, _ int) error { return b.rawPartitions(ctx, name) },
		func(ctx context.Context, _ int) error {
			_, err := topics.Get(ctx, name, metav1.GetOptions{})
			return err
		})
	if err != nil {
		return result{}, err
	}
	return against(milliseconds(median(times[0])), milliseconds(median(times[1])+median(times[2])), "ms",
		"raw Metadata, ListPartitionReassignments and 2 ListOffsets + one aggregated GET of a stored object (p50)", 1.3), nil
}

// topicCreateOne compares the create of one topic with the two RPCs that it takes.
func topicCreateOne(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	times, _, err := b.timeCreates(ctx, "one", creates)
	if err != nil {
		return result{}, err
	}
	return against(milliseconds(median(times[0])), milliseconds(median(times[1])), "ms", "raw validateOnly + CreateTopics (p50)", 1.2), nil
}

// timeCreates creates n topics one at a time through the API, and as many with the two RPCs that each takes. It returns the times and the
// names of each kind, those of the warm-up included.
func (b *bed) timeCreates(ctx context.Context, prefix string, n int) (times [][]time.Duration, names [][]string, err error) {
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	ours, theirs := numbered(prefix, warmUps+n), numbered(prefix+"-raw", warmUps+n)
	times, err = interleave(ctx, n,
		func(ctx context.Context, i int) error {
			topic := newTopic(ours[i], 1)
			topic.Labels = map[string]string{batchLabel: batchOf(ours)}
			_, err := topics.Create(ctx, topic, metav1.CreateOptions{})
			return err
		},
		func(ctx context.Context, i int) error { return rawPair(ctx, b.raw, theirs[i]) })
	return times, [][]string{ours, theirs}, err
}

// interleave runs the steps in turns, so that all of them meet the same weather, and returns the times of each.
func interleave(ctx context.Context, n int, steps ...func(context.Context, int) error) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(steps))
	for i := range warmUps + n {
		for j, step := range steps {
			start := time.Now()
			if err := step(ctx, i); err != nil {
				return nil, err
			}
			if i >= warmUps {
				times[j] = append(times[j], time.Since(start))
			}
		}
	}
	return times, nil
}

func newTopic(name string, partitions int32) *v1beta1.KafkaTopic {
	return &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: cluster},
			Partitions: ptr.To(partitions), Replicas: ptr.To[int32](3)},
	}
}
