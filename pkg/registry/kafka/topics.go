package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/warning"

	"kafka.openshift.io/kafka-apiserver/pkg/access"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/sub"
)

// snapshotAge is how old the metadata in a list of topics may be.
const snapshotAge = 5 * time.Second

// ManagedTopics knows the KafkaTopics of a Kafka.
type ManagedTopics interface {
	// ManagersOf are the KafkaTopics of a Kafka that have its topics, by the topic's name; ids are those of the topics on the brokers.
	ManagersOf(ctx context.Context, k *kafka.Kafka, ids map[string]broker.TopicID) (map[string]kafka.TopicReference, error)
	// CountOf is how many KafkaTopics refer to a Kafka.
	CountOf(ctx context.Context, namespace, name string) (int, error)
}

// Topics is kafkas/topics: every topic on a Kafka's brokers, with the object that manages it.
type Topics = sub.View[reached, *kafka.KafkaHostedTopics]

// NewTopics builds the view.
func (s *Storage) NewTopics(managed ManagedTopics) *Topics {
	return &Topics{
		Type: sub.TypeOf("KafkaHostedTopics", func() *kafka.KafkaHostedTopics { return &kafka.KafkaHostedTopics{} }, hosted),
		Find: s.finder.find,
		Show: func(ctx context.Context, t reached) (*kafka.KafkaHostedTopics, error) {
			snapshot, err := t.cluster.Snapshot(ctx, snapshotAge)
			if err != nil {
				return nil, s.finder.refused(ctx, t, err)
			}
			ids := make(map[string]broker.TopicID, len(snapshot.Topics))
			for name, have := range snapshot.Topics {
				ids[name] = have.ID
			}
			managers, err := managed.ManagersOf(ctx, t.kafka, ids)
			if err != nil {
				return nil, err
			}
			return hostedView(t, snapshot, managers, mayListTopics(ctx, s.Clusters.Access, snapshot, managers)), nil
		},
	}
}

func hostedView(t reached, snapshot *broker.Snapshot, managers map[string]kafka.TopicReference, visible func(namespace string) bool) *kafka.KafkaHostedTopics {
	view := &kafka.KafkaHostedTopics{
		ObjectMeta:   t.meta(),
		ObservedTime: metav1.NewTime(snapshot.At),
		Topics:       make([]kafka.HostedTopic, 0, len(snapshot.Topics)),
	}
	for name, have := range snapshot.Topics {
		row := kafka.HostedTopic{Name: name, Internal: have.Internal, Partitions: have.Partitions, Replicas: have.Replicas,
			UnderReplicated: have.UnderReplicated, Offline: have.WithoutLeader}
		if !have.ID.IsZero() {
			row.TopicID = have.ID.String()
		}
		if manager, managed := managers[name]; managed {
			row.Managed = true
			if visible(manager.Namespace) {
				row.ManagedBy = &manager
			}
		}
		view.Topics = append(view.Topics, row)
	}
	slices.SortFunc(view.Topics, func(a, b kafka.HostedTopic) int { return strings.Compare(a.Name, b.Name) })
	return view
}

// mayListTopics tells in which namespaces the caller may list KafkaTopics, so that who sees a Kafka's topics does not learn the names of other
// tenants' objects. It asks about the namespaces of those that are shown, and about a list as it is names that are told: whoever may list
// them, here or everywhere, is told the same by that list, whatever the host's authorizers say of one object by its name.
func mayListTopics(ctx context.Context, ask access.Reviewer, snapshot *broker.Snapshot, managers map[string]kafka.TopicReference) func(namespace string) bool {
	namespaces := map[string]struct{}{}
	for name := range snapshot.Topics {
		if manager, managed := managers[name]; managed {
			namespaces[manager.Namespace] = struct{}{}
		}
	}
	// What cannot be found out is not told.
	may, unasked := ask.Namespaces(ctx, access.Topics, slices.Sorted(maps.Keys(namespaces)))
	if unasked > 0 {
		warning.AddWarning(ctx, "", fmt.Sprintf("which objects manage the topics of %s is not told: it is to who may list KafkaTopics in all namespaces",
			plural.Of(unasked, "more namespace", "more namespaces")))
	}
	return may
}
