package brokers

import (
	"encoding/base64"
	"time"
)

// DirectoryID is Kafka's UUID of a log folder.
type DirectoryID [16]byte

// String is Kafka's own form, also of the id that says that there is none.
func (id DirectoryID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

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
