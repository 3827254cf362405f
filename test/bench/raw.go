package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
)

// rpcTimeout is what brokers are told in milliseconds.
const rpcTimeout = 60000

// replicaPoll is how often brokers are asked which replicas they have, which keeps them from making more.
const replicaPoll = 200 * time.Millisecond

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

// rawPair asks whether a topic could be created, and creates it.
func rawPair(ctx context.Context, client *kgo.Client, name string) error {
	if err := rawCreate(ctx, client, []string{name}, true); err != nil {
		return err
	}
	return rawCreate(ctx, client, []string{name}, false)
}

// rawCreate creates topics with one partition and three replicas, all in one request.
func rawCreate(ctx context.Context, client *kgo.Client, names []string, validateOnly bool) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis, request.ValidateOnly = rpcTimeout, validateOnly
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 3
		request.Topics = append(request.Topics, topic)
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("raw CreateTopics: %w", err)
	}
	for _, topic := range response.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return fmt.Errorf("raw CreateTopics of %s: %w", topic.Topic, err)
		}
	}
	return nil
}

// rawDelete deletes topics and waits until the brokers have forgotten them.
func (b *bed) rawDelete(ctx context.Context, names []string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = rpcTimeout
	for _, name := range names {
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = ptr.To(name)
		request.Topics = append(request.Topics, topic)
	}
	request.TopicNames = names
	response, err := request.RequestWith(ctx, b.raw)
	if err != nil {
		return fmt.Errorf("raw DeleteTopics: %w", err)
	}
	for _, topic := range response.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("raw DeleteTopics of %s: %w", ptr.Deref(topic.Topic, ""), err)
		}
	}
	return b.awaitTopics(ctx, names, 0)
}

// awaitTopics waits until so many of the topics can be described: each partition of them has a leader.
func (b *bed) awaitTopics(ctx context.Context, names []string, want int) error {
	return b.awaitMetadata(ctx, names, want, described)
}

// awaitMetadata waits until what brokers tell of so many of the topics is as it should be.
func (b *bed) awaitMetadata(ctx context.Context, names []string, want int, is func(kmsg.MetadataResponseTopic) bool) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = ptr.To(name)
		request.Topics = append(request.Topics, topic)
	}
	have := -1
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		response, err := request.RequestWith(ctx, b.raw)
		if err != nil {
			return false, fmt.Errorf("raw Metadata: %w", err)
		}
		have = 0
		for _, topic := range response.Topics {
			if is(topic) {
				have++
			}
		}
		return have == want, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %d of %d topics, there are %d: %w", want, len(names), have, err)
	}
	return nil
}

// awaitReplicas waits until the brokers have made all replicas of topics with one partition and three replicas, and all are in sync. That a topic
// can be described, with all its replicas in the ISR, is so before any of them is made.
func (b *bed) awaitReplicas(ctx context.Context, names []string) error {
	request := kmsg.NewPtrDescribeLogDirsRequest()
	for _, name := range names {
		topic := kmsg.NewDescribeLogDirsRequestTopic()
		topic.Topic, topic.Partitions = name, []int32{0}
		request.Topics = append(request.Topics, topic)
	}
	have, want := 0, 3*len(names)
	err := wait.PollUntilContextTimeout(ctx, replicaPoll, patience, true, func(ctx context.Context) (bool, error) {
		have = 0
		// Each broker tells of its own replicas.
		for _, shard := range b.raw.RequestSharded(ctx, request) {
			if shard.Err != nil {
				return false, fmt.Errorf("raw DescribeLogDirs: %w", shard.Err)
			}
			for _, dir := range shard.Resp.(*kmsg.DescribeLogDirsResponse).Dirs {
				for _, topic := range dir.Topics {
					have += len(topic.Partitions)
				}
			}
		}
		return have == want, nil
	})
	if err != nil {
		return fmt.Errorf("wait until the brokers have %d replicas, they have %d: %w", want, have, err)
	}
	return b.awaitMetadata(ctx, names, len(names), inSync)
}

func described(topic kmsg.MetadataResponseTopic) bool {
	if topic.ErrorCode != 0 || len(topic.Partitions) == 0 {
		return false
	}
	for _, p := range topic.Partitions {
		if p.ErrorCode != 0 || p.Leader < 0 {
			return false
		}
	}
	return true
}

func inSync(topic kmsg.MetadataResponseTopic) bool {
	for _, p := range topic.Partitions {
		if len(p.ISR) != len(p.Replicas) {
			return false
		}
	}
	return described(topic)
}

// timed tells how long something takes.
func timed(do func() error) (time.Duration, error) {
	start := time.Now()
	err := do()
	return time.Since(start), err
}
