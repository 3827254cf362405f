package broker

import (
	"context"
	"net"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/brokers"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/groups"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/metadata"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/offsets"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/records"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/topics"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/wire"
)

// What the methods of Cluster take and return is declared where it is dealt with, below internal.

// What a connection is opened with, and where it may go.
type (
	Addresses      = wire.Addresses
	DialFunc       = wire.DialFunc
	SASLConfig     = wire.SASLConfig
	Security       = wire.Security
	SecurityConfig = wire.SecurityConfig
	SecuritySource = wire.SecuritySource
	TLSConfig      = wire.TLSConfig
)

// Who the brokers are.
type (
	BrokerInfo  = transport.BrokerInfo
	ClusterInfo = transport.ClusterInfo
	Gate        = transport.Gate
)

// What brokers say of themselves.
type (
	BrokerLogDirs  = brokers.BrokerLogDirs
	BrokerVersion  = brokers.BrokerVersion
	DirectoryID    = brokers.DirectoryID
	LogDirs        = brokers.LogDirs
	QuorumInfo     = brokers.QuorumInfo
	QuorumListener = brokers.QuorumListener
	QuorumNode     = brokers.QuorumNode
	QuorumReplica  = brokers.QuorumReplica
	ReplicaLog     = brokers.ReplicaLog
)

// Topics, and what is set for them.
type (
	BrokerCounts    = metadata.BrokerCounts
	ConfigEntry     = metadata.ConfigEntry
	ConfigSource    = metadata.ConfigSource
	ConfigSynonym   = metadata.ConfigSynonym
	Election        = metadata.Election
	ElectionType    = metadata.ElectionType
	EligibleLeaders = metadata.EligibleLeaders
	Partition       = metadata.Partition
	Snapshot        = metadata.Snapshot
	Topic           = metadata.Topic
	TopicCounts     = metadata.TopicCounts
	TopicID         = metadata.TopicID
	TopicPartition  = metadata.TopicPartition
)

// What is asked for of topics, and what came of it.
type (
	CreatedTopic = topics.CreatedTopic
	NewTopic     = topics.NewTopic
	Reassignment = topics.Reassignment
)

// Where the records of partitions begin and end.
type (
	Isolation        = offsets.Isolation
	OffsetAt         = offsets.OffsetAt
	PartitionOffsets = offsets.PartitionOffsets
)

// Records that are read and written.
type (
	Gap           = records.Gap
	Reading       = records.Reading
	RecordError   = records.RecordError
	Sink          = records.Sink
	Truncation    = records.Truncation
	WrittenRecord = records.WrittenRecord
)

// Groups and their offsets.
type (
	CommittedOffset = groups.CommittedOffset
	Group           = groups.Group
	GroupList       = groups.GroupList
	GroupMember     = groups.GroupMember
	GroupType       = groups.GroupType
	TopicPartitions = groups.TopicPartitions
)

// The values of the types above.
const (
	MechanismPlain       = wire.MechanismPlain
	MechanismScramSHA256 = wire.MechanismScramSHA256
	MechanismScramSHA512 = wire.MechanismScramSHA512
	PreferredElection    = metadata.PreferredElection
	SourceDefault        = metadata.SourceDefault
	SourceStaticBroker   = metadata.SourceStaticBroker
	SourceTopic          = metadata.SourceTopic
	UncleanElection      = metadata.UncleanElection
	ReadCommitted        = offsets.ReadCommitted
	ReadUncommitted      = offsets.ReadUncommitted
	MaxReads             = records.MaxReads
	GroupClassic         = groups.GroupClassic
	GroupConsumer        = groups.GroupConsumer
	GroupShare           = groups.GroupShare
	GroupStreams         = groups.GroupStreams
)

// ErrAddressUnknown says that it is not known whether a broker may be at an address.
var ErrAddressUnknown = wire.ErrAddressUnknown

// Dial is the dialer of Options that name none. Those of one's own have to go through it to keep to a target's Addresses.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return wire.Dial(ctx, network, address)
}

// NewSecurity reads a SecurityConfig. Its errors say what is wrong and never contain anything secret.
func NewSecurity(config SecurityConfig) (*Security, error) { return wire.NewSecurity(config) }

// ParseTopicID reads the form that TopicID's String writes of an id.
func ParseTopicID(s string) (TopicID, error) { return metadata.ParseTopicID(s) }
