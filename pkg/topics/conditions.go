package topics

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Reasons of a topic's condition Ready.
const (
	ReasonReady = "Ready"
	// ReasonClusterNotFound says that there is no Kafka of the name in spec.clusterRef, ReasonClusterUnreachable that none of its
	// brokers can be asked.
	ReasonClusterNotFound    = "ClusterNotFound"
	ReasonClusterUnreachable = "ClusterUnreachable"
	// ReasonNotApplied says that the brokers refused, in their words.
	ReasonNotApplied = "NotApplied"
	// ReasonTopicExists says that a topic of the name is there and is not what the spec says, so that it is not taken over.
	ReasonTopicExists = "TopicExists"
	// ReasonTopicReplaced says that the object's topic is gone and another has its name.
	ReasonTopicReplaced = "TopicReplaced"
	// ReasonAdopting says that a topic of the name was there already and is about to be taken over.
	ReasonAdopting = "Adopting"
	// ReasonTopicMissing says that the topic was deleted outside, and that the drift policy is to leave it so.
	ReasonTopicMissing = "TopicMissing"
	// ReasonReplicasDiffer says that the topic has another number of replicas.
	ReasonReplicasDiffer = "ReplicasDiffer"
)

// Reasons of a topic's condition Drifted.
const (
	ReasonAsSpecified   = "AsSpecified"
	ReasonConfigDiffers = "ConfigDiffers"
	ReasonTopicDeleted  = "TopicDeleted"
)

// SetDrifted puts into an object's conditions what was done on the brokers past it: reason ReasonAsSpecified for nothing. The
// condition belongs to the policy Report; with Revert, where nothing stays drifted, there is none.
func SetDrifted(conditions *[]metav1.Condition, policy v1beta1.TopicDriftPolicy, reason, message string, generation int64, now time.Time) {
	if policy != v1beta1.DriftReport {
		meta.RemoveStatusCondition(conditions, v1beta1.ConditionDrifted)
		return
	}
	status := metav1.ConditionTrue
	if reason == ReasonAsSpecified {
		status = metav1.ConditionFalse
	}
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: v1beta1.ConditionDrifted, Status: status, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
	})
}
