package metadata

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
)

// TopicID is Kafka's UUID of a topic; the zero value means "none".
type TopicID [16]byte

// String is Kafka's own form: base64url without padding, 22 characters. That no id is known is "", so that it is nobody's: two topics
// without one are not the same for that.
func (id TopicID) String() string {
	if id.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// IsZero tells whether there is no id, as from brokers before 2.8.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// ParseTopicID reads the form that String writes of an id.
func ParseTopicID(s string) (TopicID, error) {
	var id TopicID
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return id, fmt.Errorf("parse topic id %q: %w", s, err)
	}
	if len(raw) != len(id) {
		return id, fmt.Errorf("parse topic id %q: %d bytes, want %d", s, len(raw), len(id))
	}
	copy(id[:], raw)
	return id, nil
}

// Topic is the live metadata of a topic.
type Topic struct {
	Name     string
	ID       TopicID
	Internal bool
	// Partitions are sorted by id.
	Partitions []Partition
	// Source is the address of the broker that told of it.
	Source string
}

// Again is the topic as it was looked at once more; false when another has its name by now. No id is not known to be another, and some brokers
// may tell none while others do: during an upgrade from before 2.8, or behind a proxy that knows older versions only.
func (t Topic) Again(now Topic) (Topic, bool) {
	if now.ID.IsZero() {
		now.ID = t.ID
	}
	return now, t.ID.IsZero() || now.ID == t.ID
}

// ReplicationFactor is the number of replicas of the partition that has the fewest: one that moves counts those that are added and removed,
// too. Partitions that were added a moment ago may have no replicas in a broker's metadata yet; they get as many as the others have, so the
// others tell the number. It is 0 when none has any.
func (t Topic) ReplicationFactor() int {
	fewest := 0
	for _, p := range t.Partitions {
		if n := len(p.Replicas); n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	return fewest
}

// Partition is the live metadata of one partition.
type Partition struct {
	ID int32
	// Leader is -1 when the partition has none; Err then tells Kafka's reason (LEADER_NOT_AVAILABLE), which is data and not a
	// failure of the call.
	Leader      int32
	LeaderEpoch int32
	// Replicas are in order of preference.
	Replicas []int32
	ISR      []int32
	Offline  []int32
	Err      error
}

// Snapshot is all topics and brokers as one broker saw them. It is shared between callers: treat it as read only.
type Snapshot struct {
	epoch int
	// unread is what Unread tells.
	unread map[string]bool
	// Source is the address of the broker that told of it.
	Source string
	// At is when the request was sent.
	At        time.Time
	ClusterID string
	// ControllerID as in ClusterInfo.
	ControllerID int32
	// Brokers are the live ones, by id.
	Brokers map[int32]transport.BrokerInfo
	// Topics by name, internal ones included.
	Topics map[string]TopicCounts
	// Hosts are the brokers that host a replica or lead a partition, by id, whether they are alive or not.
	Hosts map[int32]BrokerCounts
}

// TopicCounts is what a Snapshot tells of a topic. Who needs to know of its partitions asks for it.
type TopicCounts struct {
	ID       TopicID
	Internal bool
	// Partitions are those that the broker has heard of, Replicas is as Topic.ReplicationFactor.
	Partitions, Replicas int32
	// UnderReplicated counts the partitions with a replica that is not in sync, WithoutLeader those that nobody leads.
	UnderReplicated, WithoutLeader int32
	// LastBroker is the highest id of the brokers that host a replica, -1 for none.
	LastBroker int32
}

// BrokerCounts is what a broker has: how many partitions it leads, and how many it hosts a replica of.
type BrokerCounts struct{ Leaders, Replicas int }

// Age is how old the snapshot is at the time given.
func (s *Snapshot) Age(now time.Time) time.Duration { return now.Sub(s.At) }

// ConfigSource tells where an effective value comes from (Kafka's DescribeConfigs).
type ConfigSource int8

// Kafka's numbers, from DescribeConfigsResponse.ConfigSource.
const (
	SourceUnknown        ConfigSource = 0
	SourceTopic          ConfigSource = 1
	SourceDynamicBroker  ConfigSource = 2
	SourceDynamicDefault ConfigSource = 3
	SourceStaticBroker   ConfigSource = 4
	SourceDefault        ConfigSource = 5
	SourceBrokerLogger   ConfigSource = 6
	SourceClientMetrics  ConfigSource = 7
	SourceGroup          ConfigSource = 8
)

// String is Kafka's own name of the source.
func (s ConfigSource) String() string {
	names := [...]string{"UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG",
		"STATIC_BROKER_CONFIG", "DEFAULT_CONFIG", "DYNAMIC_BROKER_LOGGER_CONFIG", "CLIENT_METRICS_CONFIG", "GROUP_CONFIG"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("SOURCE_%d", int8(s))
	}
	return names[s]
}

// ConfigEntry is one effective setting.
type ConfigEntry struct {
	Name string
	// Value is "" when Null; sensitive values are always null.
	Value     string
	Null      bool
	Source    ConfigSource
	ReadOnly  bool
	Sensitive bool
	// Default is true when nobody set the value.
	Default bool
	// Unmanaged says that the setting is left as it is where nobody asks for it: the brokers' vendor sets it, or it is among those that the
	// target names.
	Unmanaged bool
	// Synonyms are the values that would apply without this one, nearest first; the first is usually the value itself.
	Synonyms []ConfigSynonym
}

// ConfigSynonym is a value of a setting at another level.
type ConfigSynonym struct {
	Name   string
	Value  string
	Null   bool
	Source ConfigSource
}

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func (p TopicPartition) Compare(other TopicPartition) int {
	return cmp.Or(strings.Compare(p.Topic, other.Topic), cmp.Compare(p.Partition, other.Partition))
}
