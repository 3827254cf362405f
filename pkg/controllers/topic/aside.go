package topic

import (
	"context"
	"time"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/loop"
)

// aside is a cluster for syncs of a loop. While brokers are asked, others have the sync's place: all topics whose brokers are back go into
// few requests, for which three nodes take less than half as long for a thousand of them, and clusters that answer late keep nobody from
// work.
type aside struct {
	Cluster
	loop *loop.Loop
}

func (a aside) Snapshot(ctx context.Context, maxAge time.Duration) (*broker.Snapshot, error) {
	return loop.Await(ctx, a.loop, func() (*broker.Snapshot, error) { return a.Cluster.Snapshot(ctx, maxAge) })
}

func (a aside) TopicConfigs(ctx context.Context, topics ...string) (map[string][]broker.ConfigEntry, error) {
	return loop.Await(ctx, a.loop, func() (map[string][]broker.ConfigEntry, error) { return a.Cluster.TopicConfigs(ctx, topics...) })
}

func (a aside) Topic(ctx context.Context, name string) (topic broker.Topic, found bool, err error) {
	a.loop.Aside(ctx, func() { topic, found, err = a.Cluster.Topic(ctx, name) })
	return topic, found, err
}

func (a aside) TopicConfig(ctx context.Context, topic string) ([]broker.ConfigEntry, error) {
	return loop.Await(ctx, a.loop, func() ([]broker.ConfigEntry, error) { return a.Cluster.TopicConfig(ctx, topic) })
}

func (a aside) ConfigOpinions(ctx context.Context, topic string) ([][]broker.ConfigEntry, error) {
	return loop.Await(ctx, a.loop, func() ([][]broker.ConfigEntry, error) { return a.Cluster.ConfigOpinions(ctx, topic) })
}

func (a aside) ReassignmentsOf(ctx context.Context, topics ...broker.Topic) (map[string]map[int32]broker.Reassignment, error) {
	return loop.Await(ctx, a.loop, func() (map[string]map[int32]broker.Reassignment, error) {
		return a.Cluster.ReassignmentsOf(ctx, topics...)
	})
}

func (a aside) CreateTopic(ctx context.Context, topic broker.NewTopic, validateOnly bool) (broker.CreatedTopic, error) {
	return loop.Await(ctx, a.loop, func() (broker.CreatedTopic, error) { return a.Cluster.CreateTopic(ctx, topic, validateOnly) })
}

func (a aside) CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) (err error) {
	a.loop.Aside(ctx, func() { err = a.Cluster.CreatePartitions(ctx, topic, total, assignments, validateOnly) })
	return err
}

func (a aside) AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) (err error) {
	a.loop.Aside(ctx, func() { err = a.Cluster.AlterTopicConfig(ctx, topic, set, remove, validateOnly) })
	return err
}

func (a aside) DeleteTopic(ctx context.Context, id broker.TopicID) (err error) {
	a.loop.Aside(ctx, func() { err = a.Cluster.DeleteTopic(ctx, id) })
	return err
}

func (a aside) NeverUsed(ctx context.Context, topic broker.Topic) (bool, error) {
	return loop.Await(ctx, a.loop, func() (bool, error) { return a.Cluster.NeverUsed(ctx, topic) })
}
