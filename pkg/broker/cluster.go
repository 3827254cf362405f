package broker

import (
	"context"
	"errors"
	"time"
)

// Cluster is a handle on one Kafka cluster. All methods are safe for concurrent use.
type Cluster struct{}

var errTODO = errors.New("not implemented yet")

// Key is the target's key.
func (c *Cluster) Key() string { return "" }

// Describe asks for the cluster's id, mode and registered brokers.
func (c *Cluster) Describe(ctx context.Context) (ClusterInfo, error) { return ClusterInfo{}, errTODO }

// BrokerVersions asks each live broker what it supports. A broker that does not answer has its Err set; the call fails only when
// the brokers could not be listed.
func (c *Cluster) BrokerVersions(ctx context.Context) (map[int32]BrokerVersion, error) {
	return nil, errTODO
}

// Quorum asks for the KRaft metadata quorum. In ZooKeeper mode the error satisfies IsNotSupported.
func (c *Cluster) Quorum(ctx context.Context) (QuorumInfo, error) { return QuorumInfo{}, errTODO }

// SupportsAPI tells whether the cluster's brokers serve a request type.
func (c *Cluster) SupportsAPI(ctx context.Context, key int16) (bool, error) { return false, errTODO }

// Topics asks for the live metadata of the topics named; it never creates any. A topic that does not exist is an absent key.
// Without names it answers an empty map and asks nobody. When brokers refuse to describe some of the topics the error joins
// their refusals and the map holds the others.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	return nil, errTODO
}

// Topic is Topics for one name; false means that it does not exist.
func (c *Cluster) Topic(ctx context.Context, name string) (Topic, bool, error) {
	return Topic{}, false, errTODO
}

// TopicByID asks for the live metadata of one topic by id; false means that no topic has that id.
func (c *Cluster) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	return Topic{}, false, errTODO
}

// Snapshot returns all topics and brokers, not older than maxAge, from the cache or with one request that concurrent callers
// share. With maxAge 0 the answer is at least as new as the request in flight that it joins.
func (c *Cluster) Snapshot(ctx context.Context, maxAge time.Duration) (*Snapshot, error) {
	return nil, errTODO
}

// LastSnapshot is the newest snapshot known, however old, or nil. It asks nobody.
func (c *Cluster) LastSnapshot() *Snapshot { return nil }

// Invalidate makes the next Snapshot ask the brokers. The write methods do it themselves.
func (c *Cluster) Invalidate() {}

// CreateTopic creates a topic, or with validateOnly asks the brokers whether they would.
func (c *Cluster) CreateTopic(ctx context.Context, topic NewTopic, validateOnly bool) (CreatedTopic, error) {
	return CreatedTopic{}, errTODO
}

// CreatePartitions grows a topic to total partitions; assignments, when given, are the replica lists of the new ones only. A
// topic that has exactly total partitions already is a success. A topic that is being reassigned is refused with
// REASSIGNMENT_IN_PROGRESS.
func (c *Cluster) CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error {
	return errTODO
}

// DeleteTopic deletes a topic by id. An id that no topic has is a success.
func (c *Cluster) DeleteTopic(ctx context.Context, id TopicID) error { return errTODO }

// TopicConfig asks for the effective configuration of a topic, sorted by name.
func (c *Cluster) TopicConfig(ctx context.Context, topic string) ([]ConfigEntry, error) {
	return nil, errTODO
}

// TopicConfigs is TopicConfig for many topics. When some are refused the error joins the refusals and the map holds the others.
func (c *Cluster) TopicConfigs(ctx context.Context, topics ...string) (map[string][]ConfigEntry, error) {
	return nil, errTODO
}

// AlterTopicConfig sets and removes single settings of a topic and leaves all others alone.
func (c *Cluster) AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error {
	return errTODO
}

// Offsets asks the leaders for the first and the end offset of each partition of a topic.
func (c *Cluster) Offsets(ctx context.Context, topic string, isolation Isolation) (map[int32]PartitionOffsets, error) {
	return nil, errTODO
}

// LogDirs asks each broker that hosts a replica of the topics for their sizes on disk; answers are cached.
func (c *Cluster) LogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return LogDirs{}, errTODO
}

// FreshLogDirs is LogDirs past the cache.
func (c *Cluster) FreshLogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return LogDirs{}, errTODO
}

// Reassignments lists the moves in progress of a topic by partition; empty when there are none.
func (c *Cluster) Reassignments(ctx context.Context, topic string) (map[int32]Reassignment, error) {
	return nil, errTODO
}

// AllReassignments lists the moves in progress of the whole cluster by topic and partition.
func (c *Cluster) AllReassignments(ctx context.Context) (map[string]map[int32]Reassignment, error) {
	return nil, errTODO
}

// Reassign gives partitions new replica lists; a nil list cancels the move in progress. It returns when the controller has
// accepted, not when the data has moved. Refusals of single partitions are joined; the others are under way.
func (c *Cluster) Reassign(ctx context.Context, topic string, target map[int32][]int32) error {
	return errTODO
}

// UnregisterBroker removes a broker that is gone from the cluster's metadata (KRaft). The controller checks neither that it is
// down nor that it hosts nothing: the caller must. An id that is not registered is a success.
func (c *Cluster) UnregisterBroker(ctx context.Context, id int32) error { return errTODO }
