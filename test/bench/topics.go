package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	// A fresh Java virtual machine answers its first calls two to four times slower.
	warmUps = 30
	samples = 200
	creates = 100
	// rpcTimeout is what brokers are told in milliseconds.
	rpcTimeout = 30000
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
	return result{Value: milliseconds(times[0]), Unit: "ms", Baseline: milliseconds(times[1] + times[2]),
		BaselineName: "raw Metadata, ListPartitionReassignments and 2 ListOffsets + one aggregated GET of a stored object (p50)", Goal: 1.3}, nil
}

// topicCreateOne compares the create of one topic with the two RPCs that it takes.
func topicCreateOne(ctx context.Context, b *bed) (result, error) {
	if err := b.start(ctx); err != nil {
		return result{}, err
	}
	topics := b.kafka.KafkaV1beta1().KafkaTopics(namespace)
	times, err := interleave(ctx, creates,
		func(ctx context.Context, i int) error {
			_, err := topics.Create(ctx, newTopic(fmt.Sprintf("one-%d", i), 1), metav1.CreateOptions{})
			return err
		},
		func(ctx context.Context, i int) error {
			name := fmt.Sprintf("raw-%d", i)
			if err := b.rawCreate(ctx, name, true); err != nil {
				return err
			}
			return b.rawCreate(ctx, name, false)
		})
	if err != nil {
		return result{}, err
	}
	return result{Value: milliseconds(times[0]), Unit: "ms", Baseline: milliseconds(times[1]),
		BaselineName: "raw validateOnly + CreateTopics (p50)", Goal: 1.5}, nil
}

// interleave runs the steps in turns, so that all of them meet the same weather, and returns the median of each.
func interleave(ctx context.Context, n int, steps ...func(context.Context, int) error) ([]time.Duration, error) {
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
	medians := make([]time.Duration, len(steps))
	for j := range steps {
		medians[j] = median(times[j])
	}
	return medians, nil
}

// rawPartitions asks the brokers what the live view asks, without anything around it.
func (b *bed) rawPartitions(ctx context.Context, name string) error {
	metadata := kmsg.NewPtrMetadataRequest()
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = ptr.To(name)
	metadata.Topics = append(metadata.Topics, wanted)
	known, err := metadata.RequestWith(ctx, b.raw)
	if err != nil {
		return fmt.Errorf("raw Metadata: %w", err)
	}
	moves := kmsg.NewPtrListPartitionReassignmentsRequest()
	moving := kmsg.NewListPartitionReassignmentsRequestTopic()
	moving.Topic = name
	offsets := kmsg.NewListOffsetsRequestTopic()
	offsets.Topic = name
	for _, p := range known.Topics[0].Partitions {
		moving.Partitions = append(moving.Partitions, p.Partition)
		offset := kmsg.NewListOffsetsRequestTopicPartition()
		offset.Partition = p.Partition
		offsets.Partitions = append(offsets.Partitions, offset)
	}
	moves.Topics = append(moves.Topics, moving)
	if _, err := moves.RequestWith(ctx, b.raw); err != nil {
		return fmt.Errorf("raw ListPartitionReassignments: %w", err)
	}
	// The first offset is -2, the end -1 (Kafka's ListOffsetsRequest).
	for _, at := range []int64{-2, -1} {
		request := kmsg.NewPtrListOffsetsRequest()
		for i := range offsets.Partitions {
			offsets.Partitions[i].Timestamp = at
		}
		request.Topics = []kmsg.ListOffsetsRequestTopic{offsets}
		if _, err := request.RequestWith(ctx, b.raw); err != nil {
			return fmt.Errorf("raw ListOffsets: %w", err)
		}
	}
	return nil
}

func (b *bed) rawCreate(ctx context.Context, name string, validateOnly bool) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis, request.ValidateOnly = rpcTimeout, validateOnly
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 3
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, b.raw)
	if err != nil {
		return fmt.Errorf("raw CreateTopics: %w", err)
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("raw CreateTopics of %s: %w", name, err)
	}
	return nil
}

func newTopic(name string, partitions int32) *v1beta1.KafkaTopic {
	return &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: cluster},
			Partitions: ptr.To(partitions), Replicas: ptr.To[int32](3)},
	}
}
