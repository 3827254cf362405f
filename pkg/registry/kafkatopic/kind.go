package kafkatopic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/brokered"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/kafkatopic/resolver"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// kind is what the write path has to know of KafkaTopics.
type kind struct{ *plane }

var _ brokered.Kind[*kafka.KafkaTopic, *broker.Cluster] = kind{}

func clusterOf(topic *kafka.KafkaTopic) types.NamespacedName {
	return types.NamespacedName{Namespace: topic.ClusterNamespace(), Name: topic.Spec.ClusterRef.Name}
}

// Name implements brokered.Kind.
func (kind) Name(topic *kafka.KafkaTopic) storage.Name {
	return storage.Name{Kind: storage.TopicClaim, Cluster: clusterOf(topic), Name: topic.TopicName()}
}

// Retain implements brokered.Kind.
func (kind) Retain(topic *kafka.KafkaTopic) (retain, said bool) {
	return topic.Spec.DeletionPolicy == kafka.TopicRetain, topic.Spec.DeletionPolicy != ""
}

// wantedTopic is what a topic is to be like; numbers that are left to the brokers are nil.
type wantedTopic struct {
	Partitions *int32            `json:"partitions,omitempty"`
	Replicas   *int32            `json:"replicas,omitempty"`
	Config     map[string]string `json:"config,omitempty"`
}

// Wanted implements brokered.Kind. Nothing is made for an object that is to take over a topic.
func (kind) Wanted(topic *kafka.KafkaTopic) (json.RawMessage, error) {
	if topic.Status.TopicID == "" && topic.Spec.AdoptTopicID != "" {
		return nil, nil
	}
	return storage.Encode(wantedTopic{topic.Spec.Partitions, topic.Spec.Replicas, topic.Spec.Config})
}

func (w wantedTopic) plan() topics.Spec {
	return topics.Spec{Partitions: w.Partitions, Replicas: w.Replicas, Config: w.Config}
}

// ReportedID implements brokered.Kind.
func (kind) ReportedID(topic *kafka.KafkaTopic) string { return topic.Status.TopicID }

// Report implements brokered.Kind. What there is to say of the topic is the controller's to find out.
func (kind) Report(topic *kafka.KafkaTopic, id string) {
	topic.Status.TopicID, topic.Status.ReplacementID = id, ""
}

// Access implements brokered.Kind.
func (k kind) Access(ctx context.Context, topic, before *kafka.KafkaTopic) error {
	if before == nil {
		return k.access.place(ctx, topic)
	}
	if id := topic.Spec.AdoptTopicID; id != "" && id != before.Spec.AdoptTopicID {
		return k.access.own(ctx, topic, fmt.Sprintf("to take over the topic with id %s", id))
	}
	return nil
}

// MayAdopt implements brokered.Kind.
func (k kind) MayAdopt(ctx context.Context, topic *kafka.KafkaTopic) bool {
	return k.access.own(ctx, topic, "") == nil
}

// Claimed implements brokered.Kind: it names the other object to those who may see it. No retry mends it.
func (k kind) Claimed(ctx context.Context, topic *kafka.KafkaTopic, standing *storage.Claim) error {
	other, here := "another KafkaTopic", clusterOf(topic)
	if seen, _, _ := k.access.may(ctx, "get", "kafkatopics", standing.Owner.Namespace, standing.Owner.Name); seen {
		other = fmt.Sprintf("KafkaTopic %q in namespace %q", standing.Owner.Name, standing.Owner.Namespace)
		if standing.Cluster != here {
			other += fmt.Sprintf(", by Kafka %s of the same cluster", standing.Cluster)
		}
	}
	why := fmt.Sprintf("topic %q of Kafka %s is managed by %s", topic.TopicName(), here, other)
	if standing.Name.Name != topic.TopicName() {
		why = fmt.Sprintf("topic %q collides with topic %q of %s: Kafka's metrics cannot tell '.' and '_' apart",
			topic.TopicName(), standing.Name.Name, other)
	}
	path := field.NewPath("metadata", "name")
	if topic.Spec.TopicName != "" {
		path = field.NewPath("spec", "topicName")
	}
	duplicate := field.Duplicate(path, topic.TopicName())
	duplicate.Detail = why
	return resolver.Invalid(topic, duplicate)
}

// Host implements brokered.Kind. A Kafka that does not exist is a mistake in a new object, unless it is declared in a manifest.
func (k kind) Host(ctx context.Context, topic, before *kafka.KafkaTopic, applied bool) (*broker.Cluster, types.UID, error) {
	find := k.FindKafka
	if _, annotated := topic.Annotations[corev1.LastAppliedConfigAnnotation]; before == nil && !applied && !annotated {
		// What is applied may come in any order, its Kafka after it; who creates one object refers to what is there.
		find = k.Kafka
	}
	host, err := find(ctx, topic)
	if err != nil {
		return nil, "", err
	}
	cluster, err := k.Clusters.Connect(host)
	return cluster, live.Identity(host), err
}

// Concerns implements brokered.Kind. What becomes of the topic with the object is between the two of us, and can be said also while nothing
// can be done on the brokers.
func (kind) Concerns(topic, before *kafka.KafkaTopic) bool {
	now, was := topic.Spec, before.Spec
	now.DeletionPolicy, was.DeletionPolicy = "", ""
	return !equality.Semantic.DeepEqual(now, was)
}

// Unreachable implements brokered.Kind.
func (k kind) Unreachable(err error) brokered.Outcome[*kafka.KafkaTopic] {
	return k.outcome(unreachable(err))
}

// Failed implements brokered.Kind.
func (k kind) Failed(err error) brokered.Outcome[*kafka.KafkaTopic] { return k.outcome(failed(err)) }

func (k kind) outcome(done outcome) brokered.Outcome[*kafka.KafkaTopic] {
	out := brokered.Outcome[*kafka.KafkaTopic]{Made: done.made, Unanswered: done.unanswered, Lost: done.lost, TakenOver: done.retain, Record: func(topic *kafka.KafkaTopic, generation int64) { k.write(topic, generation, done) }}
	if done.onBrokers != nil {
		out.ID, out.WithoutID = done.onBrokers.ID.String(), done.onBrokers.ID.IsZero()
	}
	return out
}

// Converge implements brokered.Kind.
func (k kind) Converge(ctx context.Context, cluster *broker.Cluster, topic *kafka.KafkaTopic, verdict brokered.Verdict[*kafka.KafkaTopic]) (brokered.Outcome[*kafka.KafkaTopic], error) {
	if err := k.Clusters.Begin(ctx, cluster); err != nil {
		return brokered.Outcome[*kafka.KafkaTopic]{}, err
	}
	done, err := k.apply(ctx, cluster, topic, verdict)
	if err != nil {
		return brokered.Outcome[*kafka.KafkaTopic]{}, err
	}
	return k.outcome(done), nil
}

// Find implements brokered.Kind. What was asked for has the name, partitions, replicas and settings of that; but somebody else can have made
// one like it, so it has to be one that never held a record. What the object's status named is told by its id, and looked at all the same.
func (k kind) Find(ctx context.Context, cluster *broker.Cluster, claim *storage.Claim) (string, error) {
	have, found, err := cluster.Topic(ctx, claim.Name.Name)
	if err != nil || !found || have.ID.IsZero() {
		return "", err
	}
	reported, wanted := claim.ReportedID != "" && have.ID.String() == claim.ReportedID, claim.Wanted
	if reported && claim.ReportedAs != nil {
		wanted = append(slices.Clone(wanted), claim.ReportedAs)
	}
	if mine, err := k.isWanted(ctx, cluster, have, wanted); err != nil || !mine {
		return "", err
	}
	if !reported {
		if unused, err := cluster.NeverUsed(ctx, have); err != nil || !unused {
			return "", err
		}
		if elsewhere, err := k.topics.AskedElsewhere(ctx, claim.Name, have.ID.String()); err != nil || elsewhere {
			return "", err
		}
	}
	return have.ID.String(), nil
}

// isWanted tells whether a topic is as somebody wanted one.
func (kind) isWanted(ctx context.Context, cluster *broker.Cluster, have broker.Topic, wanted []json.RawMessage) (bool, error) {
	if len(wanted) == 0 {
		return false, nil
	}
	config, err := cluster.TopicConfig(ctx, have.Name)
	if err != nil {
		return false, err
	}
	for _, raw := range wanted {
		var like wantedTopic
		if err := json.Unmarshal(raw, &like); err != nil {
			return false, fmt.Errorf("claim on topic %s: %w", have.Name, err)
		}
		if len(topics.Disagreements(like.plan(), have, config, field.NewPath("spec"))) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// Has implements brokered.Kind.
func (kind) Has(ctx context.Context, cluster *broker.Cluster, name storage.Name) (string, bool, error) {
	have, found, err := cluster.Topic(ctx, name.Name)
	return have.ID.String(), found, err
}

// Members implements brokered.Kind. Brokers that are registered and fenced do not serve.
func (kind) Members(ctx context.Context, cluster *broker.Cluster) ([]string, error) {
	info, err := cluster.Describe(ctx)
	if err != nil {
		return nil, err
	}
	members := make([]string, 0, len(info.Brokers))
	for _, b := range info.Brokers {
		if !b.Fenced {
			members = append(members, strconv.Itoa(int(b.ID)))
		}
	}
	return members, nil
}

// Remove implements brokered.Kind.
func (k kind) Remove(ctx context.Context, cluster *broker.Cluster, name storage.Name, id string, unlessUsed bool) (kept bool, err error) {
	return k.remove(ctx, cluster, name, id, unlessUsed)
}
