package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Group asks the coordinator for a consumer group and its members; false means that there is none of that id. A group of another
// kind (see Groups) is none.
func (c *Cluster) Group(ctx context.Context, id string) (Group, bool, error) {
	ctx, done := c.begin(ctx)
	defer done()
	if may, err := c.mayHaveGroups(ctx); err != nil || !may {
		return Group{}, false, err
	}
	// A classic group is not found by the request for the newer protocol, and a newer one looks dead to the old request: so the
	// newer comes first.
	g, err := c.consumerGroup(ctx, id)
	if errors.Is(err, errNoSuchGroup) {
		g, err = c.classicGroup(ctx, id)
	}
	if errors.Is(err, errNoSuchGroup) || err == nil && !g.ofConsumers() {
		return Group{}, false, nil
	}
	return g, err == nil, err
}

const opDescribeGroup = "describe group"

// consumerGroup describes a group of the protocol of KIP-848.
func (c *Cluster) consumerGroup(ctx context.Context, id string) (Group, error) {
	resp, coordinator, err := askCoordinator(ctx, c, id, true,
		request[*kmsg.ConsumerGroupDescribeResponse]{opDescribeGroup, id, int16(kmsg.ConsumerGroupDescribe), laneData,
			byKmsg[*kmsg.ConsumerGroupDescribeResponse](func() kmsg.Request {
				req := kmsg.NewPtrConsumerGroupDescribeRequest()
				req.Groups = []string{id}
				return req
			}, 0)}, func(r *kmsg.ConsumerGroupDescribeResponse) int16 {
			if len(r.Groups) != 1 {
				return 0
			}
			return r.Groups[0].ErrorCode
		})
	switch {
	case CodeOf(err) == codeUnsupportedVersion:
		// Brokers that do not have the protocol.
		return Group{}, errNoSuchGroup
	case err != nil:
		return Group{}, err
	case len(resp.Groups) != 1:
		return Group{}, fmt.Errorf("%s %s: the answer has %d groups", opDescribeGroup, id, len(resp.Groups))
	}
	g := resp.Groups[0]
	switch g.ErrorCode {
	case 0:
	case codeGroupIDNotFound, codeUnsupportedVersion, codeInvalidGroupID:
		// UNSUPPORTED_VERSION when the protocol is turned off, INVALID_GROUP_ID for "", which only classic groups may have.
		return Group{}, errNoSuchGroup
	default:
		return Group{}, newError(opDescribeGroup, id, g.ErrorCode, g.ErrorMessage, millis(resp.ThrottleMillis))
	}
	group := Group{ID: id, Type: GroupConsumer, State: g.State, ProtocolType: consumerProtocol, Coordinator: coordinator, Assignor: g.AssignorName}
	for _, m := range g.Members {
		member := newMember(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
		for _, t := range m.Assignment.TopicPartitions {
			member.Assignment = append(member.Assignment, TopicPartitions{t.Topic, t.Partitions})
		}
		group.Members = append(group.Members, member)
	}
	group.sort()
	return group, nil
}

// classicGroup describes a group of the protocol that Kafka has always had.
func (c *Cluster) classicGroup(ctx context.Context, id string) (Group, error) {
	resp, coordinator, err := askCoordinator(ctx, c, id, true,
		request[*kmsg.DescribeGroupsResponse]{opDescribeGroup, id, int16(kmsg.DescribeGroups), laneData,
			byKmsg[*kmsg.DescribeGroupsResponse](func() kmsg.Request {
				req := kmsg.NewPtrDescribeGroupsRequest()
				req.Groups = []string{id}
				return req
			}, 0)}, func(r *kmsg.DescribeGroupsResponse) int16 {
			if len(r.Groups) != 1 {
				return 0
			}
			return r.Groups[0].ErrorCode
		})
	switch {
	case err != nil:
		return Group{}, err
	case len(resp.Groups) != 1:
		return Group{}, fmt.Errorf("%s %s: the answer has %d groups", opDescribeGroup, id, len(resp.Groups))
	}
	g := resp.Groups[0]
	switch {
	case g.ErrorCode == codeGroupIDNotFound, g.ErrorCode == 0 && g.State == "Dead":
		// Until version 6 a group that is not there is described as a dead one.
		return Group{}, errNoSuchGroup
	case g.ErrorCode != 0:
		return Group{}, newError(opDescribeGroup, id, g.ErrorCode, g.ErrorMessage, millis(resp.ThrottleMillis))
	}
	group := Group{ID: id, Type: GroupClassic, State: g.State, ProtocolType: g.ProtocolType, Coordinator: coordinator, Assignor: g.Protocol}
	for _, m := range g.Members {
		member := newMember(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
		if g.ProtocolType == consumerProtocol {
			member.Assignment = classicAssignment(m.MemberAssignment)
		}
		group.Members = append(group.Members, member)
	}
	group.sort()
	return group, nil
}

// classicAssignment reads what a group's leader has written for a member. Brokers only carry it: what cannot be read, because some
// client writes its own, is shown as nothing assigned.
func classicAssignment(raw []byte) []TopicPartitions {
	var decoded kmsg.ConsumerMemberAssignment
	if len(raw) == 0 || decoded.ReadFrom(raw) != nil {
		return nil
	}
	assignment := make([]TopicPartitions, 0, len(decoded.Topics))
	for _, t := range decoded.Topics {
		assignment = append(assignment, TopicPartitions{t.Topic, t.Partitions})
	}
	return assignment
}

func newMember(id string, instance *string, client, host string) GroupMember {
	m := GroupMember{ID: id, ClientID: client, Host: strings.TrimPrefix(host, "/")}
	if instance != nil {
		m.InstanceID = *instance
	}
	return m
}

// sort makes two descriptions of the same group equal.
func (g *Group) sort() {
	for _, m := range g.Members {
		slices.SortFunc(m.Assignment, func(a, b TopicPartitions) int { return strings.Compare(a.Topic, b.Topic) })
		for _, t := range m.Assignment {
			slices.Sort(t.Partitions)
		}
	}
	slices.SortFunc(g.Members, func(a, b GroupMember) int {
		return cmp.Or(strings.Compare(a.ClientID, b.ClientID), strings.Compare(a.ID, b.ID))
	})
}
