package broker

import (
	"context"
	"time"
)

// SupportsAPI tells whether the cluster's brokers serve a request type, by Kafka's number.
func (c *Cluster) SupportsAPI(ctx context.Context, key int16) (bool, error) {
	return c.core.SupportsAPI(ctx, key)
}

// Describe asks for the cluster's id, mode and registered brokers.
func (c *Cluster) Describe(ctx context.Context) (ClusterInfo, error) {
	return c.core.Describe(ctx)
}

// DescribeWithRights is Describe with what the account may do on the cluster. Brokers log it when they refuse to tell.
func (c *Cluster) DescribeWithRights(ctx context.Context) (ClusterInfo, error) {
	return c.core.DescribeWithRights(ctx)
}

// BrokerVersions asks each live broker what it supports. A broker that does not answer has its Err set; the call fails only when
// the brokers could not be listed. Fenced brokers are left out.
func (c *Cluster) BrokerVersions(ctx context.Context) (map[int32]BrokerVersion, error) {
	return c.brokers.BrokerVersions(ctx)
}

// UnregisterBroker removes a broker that is gone from the cluster's metadata (KRaft). The controller checks neither that it is
// down nor that it hosts nothing: the caller must. An id that is not registered is a success. In ZooKeeper mode, where there is
// nothing to remove, the error satisfies kafkaerr.IsNotSupported.
func (c *Cluster) UnregisterBroker(ctx context.Context, id int32) error {
	return c.brokers.UnregisterBroker(ctx, id)
}

// Quorum asks for the KRaft metadata quorum. In ZooKeeper mode the error satisfies kafkaerr.IsNotSupported.
func (c *Cluster) Quorum(ctx context.Context) (QuorumInfo, error) {
	return c.brokers.Quorum(ctx)
}

// LogDirs asks each broker that hosts a replica of the topics for their sizes on disk, all at once. A broker that does not answer
// has its Err set. Answers are cached for Options.LogDirsTTL per topic, because brokers walk their folders for each. Topics that do not exist are
// left out.
func (c *Cluster) LogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return c.brokers.LogDirs(ctx, topics...)
}

// FreshLogDirs is LogDirs past the cache.
func (c *Cluster) FreshLogDirs(ctx context.Context, topics ...string) (LogDirs, error) {
	return c.brokers.FreshLogDirs(ctx, topics...)
}

// LogDirsWithin is LogDirs of one topic for those who cannot wait: after wait it gives up, and the answer is there for the next caller.
func (c *Cluster) LogDirsWithin(ctx context.Context, wait time.Duration, topic string) (LogDirs, error) {
	return c.brokers.LogDirsWithin(ctx, wait, topic)
}

// Topics asks for the live metadata of the topics named; it never creates any. A topic that does not exist is an absent key. What it
// returns may be shared between callers: treat it as read only.
// Without names it answers an empty map and asks nobody. When brokers refuse to describe some of the topics the error joins
// their refusals and the map holds the others. A broker that has not yet heard of this gateway's own last write is asked again.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	return c.metadata.Topics(ctx, names...)
}

// Topic is Topics for one name; false means that it does not exist.
func (c *Cluster) Topic(ctx context.Context, name string) (Topic, bool, error) {
	return c.metadata.Topic(ctx, name)
}

// TopicByID is that of broker.Cluster.
func (c *Cluster) TopicByID(ctx context.Context, id TopicID) (Topic, bool, error) {
	return c.metadata.TopicByID(ctx, id)
}

// Snapshot returns all topics and brokers, not older than maxAge, from the cache or with one request that concurrent callers
// share. With maxAge 0 the answer is at least as new as the request in flight that it joins, and newer than any Invalidate. There is
// never more than one request in flight: those who want a newer one share the next.
func (c *Cluster) Snapshot(ctx context.Context, maxAge time.Duration) (*Snapshot, error) {
	return c.metadata.Snapshot(ctx, maxAge)
}

// Opinions are snapshots of now, as two brokers see the cluster where it has two. They are for who is about to do what cannot be undone: one
// broker alone may have lost its controllers. That the second does not answer is an error.
func (c *Cluster) Opinions(ctx context.Context) ([]*Snapshot, error) {
	return c.metadata.Opinions(ctx)
}

// LastSnapshot is the newest snapshot known, however old, or nil. It asks nobody.
func (c *Cluster) LastSnapshot() *Snapshot {
	return c.metadata.LastSnapshot()
}

// Invalidate makes the next Snapshot ask the brokers. The write methods do it themselves.
func (c *Cluster) Invalidate() {
	c.metadata.Invalidate()
}

// Glance is Snapshot for those who cannot wait, such as lists: it returns the newest snapshot known after wait at the latest, nil
// when there is none. The error says why it is older than maxAge or older than this gateway's last write. Without wait nobody is asked.
func (c *Cluster) Glance(ctx context.Context, maxAge, wait time.Duration) (*Snapshot, error) {
	return c.metadata.Glance(ctx, maxAge, wait)
}

// TopicConfig asks for the effective configuration of a topic, sorted by name. It is shared between callers: treat it as read only.
func (c *Cluster) TopicConfig(ctx context.Context, topic string) ([]ConfigEntry, error) {
	return c.metadata.TopicConfig(ctx, topic)
}

// ConfigOpinions are the settings of a topic as two brokers tell them where the cluster has two, and a second answers within a second. They are
// for who is about to do something about settings that look changed: one broker alone may have lost its controllers.
func (c *Cluster) ConfigOpinions(ctx context.Context, topic string) ([][]ConfigEntry, error) {
	return c.metadata.ConfigOpinions(ctx, topic)
}

// TopicSetting returns what a setting is of topics, by their names, as any broker tells: the topic's own value, the cluster's, or the default. Topics that
// do not exist are left out, and so are those that have none.
func (c *Cluster) TopicSetting(ctx context.Context, name string, topics ...string) (map[string]string, error) {
	return c.metadata.TopicSetting(ctx, name, topics...)
}

// TopicConfigs is TopicConfig for many topics. When some are refused the error joins the refusals and the map holds the others.
func (c *Cluster) TopicConfigs(ctx context.Context, topics ...string) (map[string][]ConfigEntry, error) {
	return c.metadata.TopicConfigs(ctx, topics...)
}

// EligibleLeaders asks for the eligible leader replicas of a topic, by partition; partitions without any are left out. From brokers that
// do not know of them (ZooKeeper mode, and before Kafka 3.8) the error satisfies kafkaerr.IsNotSupported.
func (c *Cluster) EligibleLeaders(ctx context.Context, topic string) (map[int32]EligibleLeaders, error) {
	return c.metadata.EligibleLeaders(ctx, topic)
}

// CreateTopic creates a topic, or with validateOnly asks the brokers whether they would. A refusal has the broker's own words. When
// the answer is lost, a topic of that name with the partitions, replicas and settings asked for counts as created if brokers were seen
// without it a moment before the request was sent, or after. Otherwise, or when it has held a record, somebody else may have made it: then
// the outcome is unknown.
func (c *Cluster) CreateTopic(ctx context.Context, topic NewTopic, validateOnly bool) (CreatedTopic, error) {
	return c.topics.CreateTopic(ctx, topic, validateOnly)
}

// CreatePartitions grows a topic to total partitions; assignments, when given, are the replica lists of the new ones only. A
// topic that has exactly total partitions already is a success. A topic that is being reassigned is refused with
// REASSIGNMENT_IN_PROGRESS, because a KRaft controller would take the number of replicas from a list that is in flux.
func (c *Cluster) CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error {
	return c.topics.CreatePartitions(ctx, topic, total, assignments, validateOnly)
}

// DeleteTopic deletes a topic by id. An id that no topic has is a success. Brokers remove the data some time later.
func (c *Cluster) DeleteTopic(ctx context.Context, id TopicID) error {
	return c.topics.DeleteTopic(ctx, id)
}

// DeletesTopics tells whether a cluster deletes topics when it is asked to (delete.topic.enable). It is the word of one broker: in
// ZooKeeper mode of the controller, which decides. In KRaft mode the controllers decide, which have the same setting unless somebody
// gave nodes of their own another one.
func (c *Cluster) DeletesTopics(ctx context.Context) (bool, error) {
	return c.topics.DeletesTopics(ctx)
}

// AlterTopicConfig sets and removes single settings of a topic and leaves all others alone. With nothing to do it asks nobody.
func (c *Cluster) AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error {
	return c.topics.AlterTopicConfig(ctx, topic, set, remove, validateOnly)
}

// ElectLeaders has the controller elect leaders of some partitions of a topic whose metadata the caller has just read. The map has an
// entry for each; the call fails when the controller could not be asked about any, or when it is not known what it did. What fails later
// fails for the partitions that were left by then.
func (c *Cluster) ElectLeaders(ctx context.Context, topic Topic, kind ElectionType, partitions []int32) (map[int32]Election, error) {
	return c.topics.ElectLeaders(ctx, topic, kind, partitions)
}

// Reassignments lists the moves in progress of a topic by partition; empty when there are none. What it returns may be shared between
// callers: treat it as read only.
func (c *Cluster) Reassignments(ctx context.Context, topic string) (map[int32]Reassignment, error) {
	return c.topics.Reassignments(ctx, topic)
}

// ReassignmentsOf is Reassignments for topics whose metadata the caller has just read, without reading it again.
func (c *Cluster) ReassignmentsOf(ctx context.Context, topics ...Topic) (map[string]map[int32]Reassignment, error) {
	return c.topics.ReassignmentsOf(ctx, topics...)
}

// AllReassignments lists the moves in progress of the whole cluster by topic and partition.
func (c *Cluster) AllReassignments(ctx context.Context) (map[string]map[int32]Reassignment, error) {
	return c.topics.AllReassignments(ctx)
}

// Reassign gives partitions new replica lists; a nil list cancels the move in progress, and having none to cancel is a success. It
// returns when the controller has accepted, not when the data has moved. Refusals of single partitions are joined, in order; the
// other partitions are under way then.
func (c *Cluster) Reassign(ctx context.Context, topic string, target map[int32][]int32) error {
	return c.topics.Reassign(ctx, topic, target)
}
