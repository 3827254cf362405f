package groups

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// The kinds of groups beside those of consumers. They are looked at only: nobody but brokers writes where they are.
const (
	// GroupShare is one whose members read the same partitions (KIP-932).
	GroupShare GroupType = "share"
	// GroupStreams is one of instances of a Kafka Streams application (KIP-1071).
	GroupStreams GroupType = "streams"
)

// GroupOfAnyKind is that of broker.Cluster.
func (c *Groups) GroupOfAnyKind(ctx context.Context, id string) (Group, bool, error) {
	if g, found, err := c.Group(ctx, id); err != nil || found {
		return g, found, err
	}
	ctx, done := c.Begin(ctx)
	defer done()
	if may, err := c.MayHaveGroups(ctx); err != nil || !may {
		return Group{}, false, err
	}
	for _, describe := range []func(context.Context, string) (Group, error){c.shareGroup, c.streamsGroup} {
		if g, err := describe(ctx, id); !errors.Is(err, errNoSuchGroup) {
			return g, err == nil, err
		}
	}
	return Group{}, false, nil
}

// shareGroup describes a share group.
func (c *Groups) shareGroup(ctx context.Context, id string) (Group, error) {
	described, _, at, err := describeOne(ctx, c, id, func() kmsg.Request {
		req := kmsg.NewPtrShareGroupDescribeRequest()
		req.GroupIDs = []string{id}
		return req
	}, func(r *kmsg.ShareGroupDescribeResponse) []kmsg.ShareGroupDescribeResponseGroup { return r.Groups },
		func(g kmsg.ShareGroupDescribeResponseGroup) int16 { return g.ErrorCode })
	if err != nil {
		return Group{}, asNoSuchGroup(err)
	}
	if described.ErrorCode != 0 {
		return c.undescribed(ctx, id, at, described.ErrorCode, described.ErrorMessage)
	}
	g := Group{ID: id, Type: GroupShare, State: described.GroupState, ProtocolType: string(GroupShare), Coordinator: at.id, Assignor: described.Assignor}
	for _, m := range described.Members {
		member := newMember(m.MemberID, nil, m.ClientID, m.ClientHost)
		for _, t := range m.Assignment.TopicPartitions {
			member.Assignment = append(member.Assignment, TopicPartitions{t.Topic, t.Partitions})
		}
		g.Members = append(g.Members, member)
	}
	g.Sort()
	return g, nil
}

// streamsGroup describes a streams group.
func (c *Groups) streamsGroup(ctx context.Context, id string) (Group, error) {
	described, _, at, err := describeOne(ctx, c, id, func() kmsg.Request {
		req := kmsg.NewPtrStreamsGroupDescribeRequest()
		req.Groups = []string{id}
		return req
	}, func(r *kmsg.StreamsGroupDescribeResponse) []kmsg.StreamsGroupDescribeResponseGroup { return r.Groups },
		func(g kmsg.StreamsGroupDescribeResponseGroup) int16 { return g.ErrorCode })
	if err != nil {
		return Group{}, asNoSuchGroup(err)
	}
	if described.ErrorCode != 0 {
		return c.undescribed(ctx, id, at, described.ErrorCode, described.ErrorMessage)
	}
	g := Group{ID: id, Type: GroupStreams, State: described.State, ProtocolType: string(GroupStreams), Coordinator: at.id, Members: StreamsMembers(described)}
	if described.AssignorName != nil {
		g.Assignor = *described.AssignorName
	}
	g.Sort()
	return g, nil
}

// StreamsMembers are the instances with what they read: the task of a subtopology and a partition reads that partition of each of the
// subtopology's source topics that has one of its number.
func StreamsMembers(described kmsg.StreamsGroupDescribeResponseGroup) []GroupMember {
	sources := map[string][]string{}
	if described.Topology != nil {
		for _, s := range described.Topology.Subtopologies {
			topics := slices.Clone(s.SourceTopics)
			for _, t := range s.RepartitionSourceTopics {
				topics = append(topics, t.Topic)
			}
			sources[s.SubtopologyID] = topics
		}
	}
	members := make([]GroupMember, 0, len(described.Members))
	for _, m := range described.Members {
		member := newMember(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
		read := map[string][]int32{}
		for _, task := range m.Assignment.ActiveTasks {
			for _, topic := range sources[task.SubtopologyID] {
				read[topic] = append(read[topic], task.Partitions...)
			}
		}
		for topic, partitions := range read {
			slices.Sort(partitions)
			member.Assignment = append(member.Assignment, TopicPartitions{topic, slices.Compact(partitions)})
		}
		members = append(members, member)
	}
	return members
}

// asNoSuchGroup takes brokers that do not have a kind of groups for ones that have none of them.
func asNoSuchGroup(err error) error {
	if kafkaerr.CodeOf(err) == kafkaerr.UnsupportedVersion {
		return errNoSuchGroup
	}
	return err
}

// undescribed is a group that a coordinator refuses to describe, by why it does.
func (c *Groups) undescribed(ctx context.Context, id string, at seat, code int16, message *string) (Group, error) {
	switch code {
	case kafkaerr.GroupIDNotFound, kafkaerr.UnsupportedVersion, kafkaerr.InvalidGroupID:
		return Group{}, errNoSuchGroup
	case kafkaerr.TopicAuthorizationFailed:
		g, _, err := c.hiddenGroup(ctx, id, at, kafkaerr.New(kafkaerr.OpDescribeGroup, id, code, nil, 0))
		return g, err
	}
	return Group{}, kafkaerr.New(kafkaerr.OpDescribeGroup, id, code, message, 0)
}

// ShareOffsets is that of broker.Cluster.
func (c *Groups) ShareOffsets(ctx context.Context, group string) (map[metadata.TopicPartition]CommittedOffset, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	return c.settled(ctx, group, c.shareOffsets)
}

func (c *Groups) shareOffsets(ctx context.Context, group string) (map[metadata.TopicPartition]CommittedOffset, seat, error) {
	resp, at, err := askCoordinator(ctx, c, group, true,
		transport.Request[*kmsg.DescribeShareGroupOffsetsResponse]{Op: kafkaerr.OpFetchOffsets, Object: group, Key: int16(kmsg.DescribeShareGroupOffsets), Lane: wire.LaneData,
			Send: wire.ByKmsg[*kmsg.DescribeShareGroupOffsetsResponse](func() kmsg.Request {
				one := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
				one.GroupID = group
				req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
				req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{one}
				return req
			}, 0)}, func(r *kmsg.DescribeShareGroupOffsetsResponse) int16 {
			if len(r.Groups) != 1 {
				return 0
			}
			return r.Groups[0].ErrorCode
		})
	switch {
	case err != nil:
		return nil, at, err
	case len(resp.Groups) != 1:
		return nil, at, fmt.Errorf("%s %s: the answer has %d groups", kafkaerr.OpFetchOffsets, group, len(resp.Groups))
	case resp.Groups[0].ErrorCode == kafkaerr.GroupIDNotFound:
		return nil, at, nil
	case resp.Groups[0].ErrorCode != 0:
		return nil, at, kafkaerr.New(kafkaerr.OpFetchOffsets, group, resp.Groups[0].ErrorCode, resp.Groups[0].ErrorMessage, wire.Millis(resp.ThrottleMillis))
	}
	offsets := map[metadata.TopicPartition]CommittedOffset{}
	for _, t := range resp.Groups[0].Topics {
		for _, p := range t.Partitions {
			committed := CommittedOffset{Offset: p.StartOffset}
			switch {
			case p.ErrorCode != 0:
				committed = CommittedOffset{Offset: -1, Err: kafkaerr.New(kafkaerr.OpFetchOffsets, transport.PartitionObject(t.Topic, p.Partition), p.ErrorCode, p.ErrorMessage, 0)}
			case p.StartOffset < 0:
				continue
			case p.Lag >= 0:
				committed.Lag = &p.Lag
			}
			offsets[metadata.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = committed
		}
	}
	return offsets, at, nil
}
