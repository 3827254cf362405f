package groups

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Group is that of broker.Cluster.
func (c *Groups) Group(ctx context.Context, id string) (Group, bool, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	if may, err := c.MayHaveGroups(ctx); err != nil || !may {
		return Group{}, false, err
	}
	var since time.Time
	for {
		g, at, err := c.describeGroup(ctx, id)
		if !errors.Is(err, errNoSuchGroup) {
			found := err == nil && g.ofConsumers()
			if !found {
				g = Group{}
			}
			return g, found, err
		}
		now := time.Now()
		if since.IsZero() && at.followed {
			since = now
		}
		if since.IsZero() || now.Sub(since) > takeOver || c.Pause(ctx, coordinatorPause) != nil {
			return Group{}, false, nil
		}
	}
}

// takeOver is how long a coordinator that has just taken over is not believed that a group does not exist, or which offsets it has: it shows
// what it knows to be on all replicas, which lacks the last records until these have fetched again (seen on 4.3.1).
const takeOver = 2 * time.Second

// describeGroup asks in both protocols. A classic group is not found by the request for the newer one, and a newer one looks dead to
// the old request: so the newer comes first.
func (c *Groups) describeGroup(ctx context.Context, id string) (Group, seat, error) {
	g, at, err := c.consumerGroup(ctx, id)
	if errors.Is(err, errNoSuchGroup) {
		followed := at.followed
		g, at, err = c.classicGroup(ctx, id)
		at.followed = at.followed || followed
	}
	return g, at, err
}

// describeOne asks a group's coordinator for what the group is, by a request that names it alone. throttle is what the broker asks for.
func describeOne[T kmsg.Response, G any](ctx context.Context, c *Groups, id string, build func() kmsg.Request, groups func(T) []G, code func(G) int16) (
	group G, throttle time.Duration, at seat, err error) {
	resp, at, err := askCoordinator(ctx, c, id, true,
		transport.Request[T]{Op: kafkaerr.OpDescribeGroup, Object: id, Key: build().Key(), Lane: wire.LaneData, Send: wire.ByKmsg[T](build, 0)}, func(r T) int16 {
			if described := groups(r); len(described) == 1 {
				return code(described[0])
			}
			return 0
		})
	if err != nil {
		return group, 0, at, err
	}
	described := groups(resp)
	if len(described) != 1 {
		return group, 0, at, fmt.Errorf("%s %s: the answer has %d groups", kafkaerr.OpDescribeGroup, id, len(described))
	}
	return described[0], wire.ThrottleOf(resp), at, nil
}

// consumerGroup describes a group of the protocol of KIP-848.
func (c *Groups) consumerGroup(ctx context.Context, id string) (Group, seat, error) {
	g, throttle, at, err := describeOne(ctx, c, id, func() kmsg.Request {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{id}
		return req
	}, func(r *kmsg.ConsumerGroupDescribeResponse) []kmsg.ConsumerGroupDescribeResponseGroup { return r.Groups },
		func(g kmsg.ConsumerGroupDescribeResponseGroup) int16 { return g.ErrorCode })
	switch {
	case kafkaerr.CodeOf(err) == kafkaerr.UnsupportedVersion:
		// Brokers that do not have the protocol.
		return Group{}, at, errNoSuchGroup
	case err != nil:
		return Group{}, at, err
	}
	switch g.ErrorCode {
	case 0:
	case kafkaerr.GroupIDNotFound, kafkaerr.UnsupportedVersion, kafkaerr.InvalidGroupID:
		// UNSUPPORTED_VERSION when the protocol is turned off, INVALID_GROUP_ID for "", which only classic groups may have.
		return Group{}, at, errNoSuchGroup
	case kafkaerr.TopicAuthorizationFailed:
		return c.hiddenGroup(ctx, id, at, kafkaerr.New(kafkaerr.OpDescribeGroup, id, g.ErrorCode, nil, 0))
	default:
		return Group{}, at, kafkaerr.New(kafkaerr.OpDescribeGroup, id, g.ErrorCode, g.ErrorMessage, throttle)
	}
	group := Group{ID: id, Type: GroupConsumer, State: g.State, ProtocolType: consumerProtocol, Coordinator: at.id, Assignor: g.AssignorName}
	for _, m := range g.Members {
		member := newMember(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
		for _, t := range m.Assignment.TopicPartitions {
			member.Assignment = append(member.Assignment, TopicPartitions{t.Topic, t.Partitions})
		}
		group.Members = append(group.Members, member)
	}
	group.Sort()
	return group, at, nil
}

// hiddenGroup is a group one of whose members has a partition of a topic that our account may not describe. Since 4.0 brokers then say nothing
// of the group but that (KafkaApis.handleConsumerGroupDescribe), while whoever may describe the group is told its state by a list.
func (c *Groups) hiddenGroup(ctx context.Context, id string, at seat, why error) (Group, seat, error) {
	listed, err := c.brokerGroups(ctx, at.id)
	for _, g := range listed {
		if g.ID == id {
			g.Hidden = why
			return g, at, nil
		}
	}
	if err != nil {
		return Group{}, at, err
	}
	return Group{}, at, why
}

// classicGroup describes a group of the protocol that Kafka has always had.
func (c *Groups) classicGroup(ctx context.Context, id string) (Group, seat, error) {
	g, throttle, at, err := describeOne(ctx, c, id, func() kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{id}
		return req
	}, func(r *kmsg.DescribeGroupsResponse) []kmsg.DescribeGroupsResponseGroup { return r.Groups },
		func(g kmsg.DescribeGroupsResponseGroup) int16 { return g.ErrorCode })
	switch {
	case err != nil:
		return Group{}, at, err
	}
	switch {
	case g.ErrorCode == kafkaerr.GroupIDNotFound, g.ErrorCode == 0 && g.State == "Dead":
		// Until version 6 a group that is not there is described as a dead one.
		return Group{}, at, errNoSuchGroup
	case g.ErrorCode != 0:
		return Group{}, at, kafkaerr.New(kafkaerr.OpDescribeGroup, id, g.ErrorCode, g.ErrorMessage, throttle)
	}
	group := Group{ID: id, Type: GroupClassic, State: g.State, ProtocolType: g.ProtocolType, Coordinator: at.id, Assignor: g.Protocol}
	for _, m := range g.Members {
		member := newMember(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost)
		if g.ProtocolType == consumerProtocol {
			member.Assignment = classicAssignment(m.MemberAssignment)
		}
		group.Members = append(group.Members, member)
	}
	group.Sort()
	return group, at, nil
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

// Sort makes two descriptions of the same group equal.
func (g *Group) Sort() {
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
