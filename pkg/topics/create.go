package topics

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// Brokers is what is asked and told of the brokers of a cluster.
type Brokers interface {
	Topic(ctx context.Context, name string) (broker.Topic, bool, error)
	TopicConfig(ctx context.Context, topic string) ([]broker.ConfigEntry, error)
	ConfigOpinions(ctx context.Context, topic string) ([][]broker.ConfigEntry, error)
	ReassignmentsOf(ctx context.Context, topics ...broker.Topic) (map[string]map[int32]broker.Reassignment, error)
	CreateTopic(ctx context.Context, topic broker.NewTopic, validateOnly bool) (broker.CreatedTopic, error)
	CreatePartitions(ctx context.Context, topic string, total int32, assignments [][]int32, validateOnly bool) error
	AlterTopicConfig(ctx context.Context, topic string, set map[string]string, remove []string, validateOnly bool) error
	// NeverUsed tells whether no partition of a topic ever held a record.
	NeverUsed(ctx context.Context, topic broker.Topic) (bool, error)
}

var _ Brokers = (*broker.Cluster)(nil)

// New is the topic that a spec asks for.
func New(name string, spec Spec) broker.NewTopic {
	return broker.NewTopic{Name: name, Partitions: ptr.Deref(spec.Partitions, -1), Replicas: int16(ptr.Deref(spec.Replicas, -1)), Config: spec.Config}
}

// nameWait is how long the name of a deleted topic is waited for, some ten seconds in all. In ZooKeeper mode the controller first has
// the brokers delete the replicas, and says meanwhile that the topic "is marked for deletion" (kafka.zk.AdminZkClient of 3.9).
var nameWait = wait.Backoff{Duration: 50 * time.Millisecond, Factor: 1.5, Steps: 12}

// Create makes a topic, or with validateOnly asks the brokers whether they would, and waits for a name that a deleted topic still holds.
// Brokers refuse such a name with TOPIC_ALREADY_EXISTS in both modes, and no broker shows a topic of the name, or only one of the
// tombstoned, which are topics that are deleted already. When another topic has the name, that one is returned, and created is nil.
func Create(ctx context.Context, brokers Brokers, topic broker.NewTopic, tombstoned []string, validateOnly bool) (created *broker.CreatedTopic, taken broker.Topic, err error) {
	var held error
	err = wait.ExponentialBackoffWithContext(ctx, nameWait, func(ctx context.Context) (bool, error) {
		answer, err := brokers.CreateTopic(ctx, topic, validateOnly)
		if err == nil {
			created = &answer
			return true, nil
		}
		if kafkaerr.CodeOf(err) != kafkaerr.TopicAlreadyExists {
			return false, err
		}
		held = err
		have, found, err := brokers.Topic(ctx, topic.Name)
		if err != nil || !found || slices.Contains(tombstoned, have.ID.String()) {
			return false, err
		}
		taken = have
		return true, nil
	})
	if wait.Interrupted(err) && held != nil {
		err = held
	}
	return created, taken, err
}
