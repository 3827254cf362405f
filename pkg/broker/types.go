package broker

import (
	"encoding/base64"
	"fmt"
	"time"
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

// DirectoryID is Kafka's UUID of a log folder.
type DirectoryID [16]byte

// String is Kafka's own form, also of the id that says that there is none.
func (id DirectoryID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ClusterInfo is what DescribeCluster says.
type ClusterInfo struct {
	// ID is Kafka's cluster id.
	ID string
	// ControllerID is the broker that is the controller in ZooKeeper mode, and -1 in KRaft mode, where brokers report a random
	// one of them (ask Quorum for the leader there).
	ControllerID int32
	// KRaft tells whether the cluster runs without ZooKeeper.
	KRaft bool
	// Brokers are sorted by id. Before Kafka 4.0 fenced brokers are not listed at all.
	Brokers []BrokerInfo
}

// BrokerInfo is one registered broker.
type BrokerInfo struct {
	ID   int32
	Host string
	Port int32
	// Rack is empty when the broker has none.
	Rack string
	// Fenced brokers are registered but not alive (KRaft, Kafka 4.0 and later).
	Fenced bool
}

// BrokerVersion is what one broker's software supports.
type BrokerVersion struct {
	// Release is "major.minor", for example "4.3"; "" when it could not be derived.
	Release string
	KRaft   bool
	// MetadataVersion is the highest metadata.version level that the broker supports, FinalizedMetadataVersion the level the
	// cluster runs at; 0 when not known.
	MetadataVersion          int16
	FinalizedMetadataVersion int16
	// Err tells why this broker could not be asked; the other fields are then zero.
	Err error
}

// QuorumInfo is the state of the KRaft metadata quorum.
type QuorumInfo struct {
	// LeaderID is the active controller, -1 when there is none.
	LeaderID      int32
	LeaderEpoch   int32
	HighWatermark int64
	Voters        []QuorumReplica
	Observers     []QuorumReplica
	// Nodes are the voters' addresses (DescribeQuorum v2, Kafka 3.9 and later).
	Nodes []QuorumNode
}

// QuorumReplica is a voter or an observer of the quorum.
type QuorumReplica struct {
	ID int32
	// DirectoryID is Kafka's UUID of the metadata log folder; zero before Kafka 3.9.
	DirectoryID  DirectoryID
	LogEndOffset int64
	// Lag is in records behind the leader's log end, -1 when not known.
	Lag int64
	// LastFetch and LastCaughtUp are the leader's wall clock; zero when not known.
	LastFetch    time.Time
	LastCaughtUp time.Time
}

// QuorumNode is a voter's addresses by listener name.
type QuorumNode struct {
	ID        int32
	Listeners []QuorumListener
}

// QuorumListener is one address of a voter.
type QuorumListener struct {
	Name string
	Host string
	Port uint16
}

// Topic is the live metadata of a topic.
type Topic struct {
	Name     string
	ID       TopicID
	Internal bool
	// Partitions are sorted by id.
	Partitions []Partition
	// source is the address of the broker that told of it.
	source string
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
	// source is the address of the broker that told of it.
	source string
	// At is when the request was sent.
	At        time.Time
	ClusterID string
	// ControllerID as in ClusterInfo.
	ControllerID int32
	// Brokers are the live ones, by id.
	Brokers map[int32]BrokerInfo
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

// NewTopic is a topic to create.
type NewTopic struct {
	Name string
	// Partitions, or -1 for the brokers' default. Ignored with Assignments.
	Partitions int32
	// Replicas of each partition, or -1 for the brokers' default. Ignored with Assignments.
	Replicas int16
	// Config holds the topic's own settings.
	Config map[string]string
	// Assignments, when given, is one replica list per partition from 0 on.
	Assignments [][]int32
}

// CreatedTopic is what the brokers made of a NewTopic.
type CreatedTopic struct {
	// ID is zero after a validateOnly request.
	ID TopicID
	// Partitions and Replicas are as created, -1 when the broker did not tell.
	Partitions int32
	Replicas   int16
	// Config is the effective configuration as far as the broker tells it; empty when it does not.
	Config []ConfigEntry
}

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

// Isolation decides what the end offset of a partition means.
type Isolation int8

const (
	// ReadUncommitted makes End the high watermark.
	ReadUncommitted Isolation = 0
	// ReadCommitted makes End the last stable offset.
	ReadCommitted Isolation = 1
)

// PartitionOffsets is the range of offsets that can be read: Start is the first, End is one past the last.
// End - Start is not the number of records in a compacted or transactional topic.
type PartitionOffsets struct {
	Start int64
	End   int64
	// Epoch is the leader's that told End, -1 when it is not known.
	Epoch int32
	// Err tells why this partition could not be asked; Start and End are then -1.
	Err error
}

// LogDirs is what the brokers hold on disk of some topics.
type LogDirs struct {
	// Brokers has an entry for each broker that hosts a replica of the topics asked for.
	Brokers map[int32]BrokerLogDirs
}

// BrokerLogDirs is one broker's answer.
type BrokerLogDirs struct {
	// At is when the broker was asked (answers are cached).
	At time.Time
	// Replicas are sorted by topic, partition and IsFuture.
	Replicas []ReplicaLog
	// Err tells why the broker could not be asked, or which folder failed.
	Err error
}

// ReplicaLog is the log of one replica in one folder of a broker.
type ReplicaLog struct {
	Topic     string
	Partition int32
	// Dir is the log folder on the broker.
	Dir string
	// SizeBytes is the size of all segments on disk.
	SizeBytes int64
	// OffsetLag is in records behind the high watermark (or behind the current log, for a future one).
	OffsetLag int64
	// IsFuture marks the copy that a move between folders of one broker is building.
	IsFuture bool
}

// Reassignment is a partition's move in progress.
type Reassignment struct {
	// Replicas is the whole current list: Adding are already in it, Removing still.
	Replicas []int32
	Adding   []int32
	Removing []int32
}

// Target is the replica list that the move leads to.
func (r Reassignment) Target() []int32 {
	target := make([]int32, 0, len(r.Replicas))
	for _, id := range r.Replicas {
		if !contains(r.Removing, id) {
			target = append(target, id)
		}
	}
	return target
}

func contains(ids []int32, id int32) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}
