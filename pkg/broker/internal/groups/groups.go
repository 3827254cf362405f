package groups

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// GroupType is the protocol by which a group's members find each other, in Kafka's own word.
type GroupType string

// The types of groups of consumers.
const (
	GroupClassic  GroupType = "classic"
	GroupConsumer GroupType = "consumer"
)

// consumerProtocol is the protocol type of classic groups whose members are consumers.
const consumerProtocol = "consumer"

// Group is a consumer group as its coordinator knows it.
type Group struct {
	ID   string
	Type GroupType
	// State is Kafka's: Empty, Stable, PreparingRebalance, CompletingRebalance, Assigning, Reconciling; "" from brokers that list
	// groups without it (before 2.6).
	State string
	// ProtocolType is "consumer", or "" for a group that only ever committed offsets.
	ProtocolType string
	// Coordinator is the broker that keeps the group.
	Coordinator int32

	// What follows is known from Group only, and never from Groups.

	// Assignor divides the partitions between the members; "" while that is not decided.
	Assignor string
	// Members are sorted by client id and member id.
	Members []GroupMember
	// Hidden is why neither is known of a group that is there; nil when both are.
	Hidden error
}

// IsActive tells whether the group has members, or is about to: then its offsets are theirs.
func (g Group) IsActive() bool { return len(g.Members) > 0 || g.State != "Empty" && g.State != "Dead" }

// GroupMember is one consumer of a group.
type GroupMember struct {
	ID string
	// InstanceID is group.instance.id of a static member, else "".
	InstanceID string
	ClientID   string
	// Host is the address that the member connected from.
	Host string
	// Assignment is sorted by topic.
	Assignment []TopicPartitions
}

// TopicPartitions are some partitions of a topic, sorted.
type TopicPartitions struct {
	Topic      string
	Partitions []int32
}

// GroupList is what the brokers that answered know. It is shared between callers: treat it as read only.
type GroupList struct {
	// Groups are sorted by id, those of consumers as well as share and streams groups.
	Groups []Group
	// Others are the kinds of the groups that are none of consumers, by id: share and streams groups, and classic ones of something else.
	Others map[string]GroupType
	// Missing are the brokers whose groups are not all in the list, and why.
	Missing map[int32]error
}

// Groups tells of the groups of a cluster, and commits offsets for them.
type Groups struct {
	*transport.Cluster
	// metadata tells whether there is a topic for offsets.
	metadata *metadata.Metadata

	flight       transport.Flight[GroupList]
	coordinators coordinators
	// exist tells that the cluster has, or had, a topic for offsets. Looking for a coordinator would create it.
	exist atomic.Bool
}

func New(m *metadata.Metadata) *Groups {
	c := &Groups{Cluster: m.Cluster, metadata: m}
	c.OnForget(func(bool) {
		c.coordinators.clear()
		c.exist.Store(false)
	})
	return c
}

// Groups is that of broker.Cluster.
func (c *Groups) Groups(ctx context.Context) (GroupList, error) {
	ctx, done := c.Begin(ctx)
	defer done()
	list, err := c.flight.Do(ctx, c.Life, c.Opts.RequestTimeout, 0, c.listGroups)
	if err != nil {
		return GroupList{}, c.Failed(ctx, kafkaerr.OpListGroups, "", err)
	}
	return list, nil
}

func (c *Groups) listGroups(ctx context.Context) (GroupList, error) {
	d, err := c.Directory(ctx, true)
	if err != nil {
		return GroupList{}, err
	}
	ids := make([]int32, 0, len(d.Brokers))
	for id := range d.Brokers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	type answer struct {
		groups []Group
		err    error
	}
	answers := transport.Parallel(ctx, ids, func(ctx context.Context, id int32) answer {
		groups, err := c.brokerGroups(ctx, id)
		return answer{groups, err}
	})
	list := GroupList{Missing: map[int32]error{}, Others: map[string]GroupType{}}
	var failures []error
	at := map[string]int{}
	for i, a := range answers {
		if a.err != nil {
			list.Missing[ids[i]] = a.err
			failures = append(failures, a.err)
		}
		for _, g := range a.groups {
			if !g.ofConsumers() {
				list.Others[g.ID] = g.Type
			}
			if !g.ofConsumers() && g.Type != GroupShare && g.Type != GroupStreams {
				continue
			}
			// While a group moves, its former coordinator may list it too, as dead.
			if j, twice := at[g.ID]; twice {
				if list.Groups[j].State == "Dead" {
					list.Groups[j] = g
				}
				continue
			}
			at[g.ID] = len(list.Groups)
			list.Groups = append(list.Groups, g)
		}
	}
	if len(failures) > 0 && len(failures) == len(ids) && len(list.Groups) == 0 {
		return GroupList{}, errors.Join(failures...)
	}
	slices.SortFunc(list.Groups, func(a, b Group) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

const (
	// listAttempts and listPause are for a broker that is loading groups: it lists those that it has, with an error.
	listAttempts = 5
	listPause    = 200 * time.Millisecond
)

// brokerGroups returns groups and an error together when the broker does not know all of its groups yet.
func (c *Groups) brokerGroups(ctx context.Context, id int32) ([]Group, error) {
	const op = kafkaerr.OpListGroups
	for attempt := 1; ; attempt++ {
		resp, err := transport.AskBroker(ctx, c.Cluster, id, transport.Request[*kmsg.ListGroupsResponse]{Op: op, Object: transport.IDObject("broker", id), Key: int16(kmsg.ListGroups), Lane: wire.LaneData,
			Send: wire.ByKmsg[*kmsg.ListGroupsResponse](func() kmsg.Request { return kmsg.NewPtrListGroupsRequest() }, 0)})
		if err != nil {
			return nil, err
		}
		if kafkaerr.OfCoordinator(resp.ErrorCode) && attempt < listAttempts && c.Pause(ctx, listPause) == nil {
			continue
		}
		groups := make([]Group, 0, len(resp.Groups))
		for _, g := range resp.Groups {
			group := Group{ID: g.Group, Type: GroupType(strings.ToLower(g.GroupType)), State: g.GroupState, ProtocolType: g.ProtocolType, Coordinator: id}
			switch group.Type {
			case "":
				// Brokers before 3.8 know of no other.
				group.Type = GroupClassic
			case GroupConsumer:
				group.ProtocolType = consumerProtocol
			}
			groups = append(groups, group)
		}
		if resp.ErrorCode != 0 {
			return groups, kafkaerr.New(op, transport.IDObject("broker", id), resp.ErrorCode, nil, wire.Millis(resp.ThrottleMillis))
		}
		return groups, nil
	}
}

// ofConsumers is the rule of Kafka's own kafka-consumer-groups (ListGroupsOptions.forConsumerGroups).
func (g Group) ofConsumers() bool {
	return g.Type == GroupConsumer || g.Type == GroupClassic && (g.ProtocolType == consumerProtocol || g.ProtocolType == "")
}
