package topics

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/validation"
)

// Reasons of a topic's condition Ready. Those that also stall a topic say so.
const (
	ReasonReady = "Ready"
	// ReasonClusterNotFound says that there is no Kafka of the name in spec.clusterRef, ReasonClusterUnreachable that none of its
	// brokers can be asked.
	ReasonClusterNotFound    = "ClusterNotFound"
	ReasonClusterUnreachable = "ClusterUnreachable"
	// ReasonNotApplied says that the brokers refused, in their words. It stalls the topic when no waiting helps.
	ReasonNotApplied = "NotApplied"
	// ReasonOutcomeUnknown says that a large request was sent and that it is not known what came of it. It may have ended the brokers,
	// so it is not sent again for the same spec. Stalls.
	ReasonOutcomeUnknown = "OutcomeUnknown"
	// ReasonTooManyPartitions says that more partitions are asked for than one request may add, or than the cluster takes. Stalls.
	ReasonTooManyPartitions = "TooManyPartitions"
	// ReasonConfigNotKept says that brokers accept settings and have others again whenever they are looked at. Stalls.
	ReasonConfigNotKept = "ConfigNotKept"
	// ReasonTopicExists says that a topic of the name is there and is not what the spec says, so that it is not taken over. Stalls.
	ReasonTopicExists = "TopicExists"
	// ReasonDeletionPending says that the topic of the name is what a deleted object left, and is about to be deleted.
	ReasonDeletionPending = "DeletionPending"
	// ReasonTopicReplaced says that the object's topic is gone, or the one that it is to adopt, and another has its name. Stalls.
	ReasonTopicReplaced = "TopicReplaced"
	// ReasonAdopting says that a topic of the name was there already and is about to be taken over.
	ReasonAdopting = "Adopting"
	// ReasonFound says that the topic that was made for the object is on the brokers, and is compared with the spec.
	ReasonFound = "Found"
	// ReasonTopicMissing says that the topic was deleted outside, and that the drift policy is to leave it so, or that the one that is to be
	// adopted is not there. Stalls.
	ReasonTopicMissing = "TopicMissing"
	// ReasonCreating says that the brokers, which did not have the topic, were asked for it, and that their answer was lost, so that it may appear
	// yet. What is on the brokers afterwards, as specified and never used, is known to be the object's, whoever has asked for it. It takes the
	// right to all topics of the Kafka to say it.
	ReasonCreating = "Creating"
	// ReasonRecreating says that the topic was deleted outside and is made again. It is said before it is done, so that what is on the brokers
	// afterwards, as specified and never used, is known to be the object's, whoever has seen it made. It takes the right to all topics of
	// the Kafka to say it.
	ReasonRecreating = "Recreating"
	// ReasonTerminating says that the object is deleted and waits for its finalizers: nothing is done for it any more, and nobody looks.
	ReasonTerminating = "Terminating"
	// ReasonReplicasDiffer says that the topic has another number of replicas. Stalls.
	ReasonReplicasDiffer = "ReplicasDiffer"
)

// Reasons of a topic's condition Drifted.
const (
	ReasonAsSpecified   = "AsSpecified"
	ReasonConfigDiffers = "ConfigDiffers"
	ReasonTopicDeleted  = "TopicDeleted"
)

// SetConditions puts a verdict into an object's conditions. generation is that of the spec that it is about.
func SetConditions(conditions *[]metav1.Condition, v Verdict, policy v1beta1.TopicDriftPolicy, generation int64, now time.Time) {
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now)})
	}
	switch {
	case policy != v1beta1.DriftReport || v.Reason == ReasonTerminating:
		// With Revert nothing stays drifted, and of an object that goes nobody knows.
		meta.RemoveStatusCondition(conditions, v1beta1.ConditionDrifted)
	case v.DriftReason == ReasonAsSpecified:
		set(v1beta1.ConditionDrifted, metav1.ConditionFalse, v.DriftReason, v.Drift)
	case v.DriftReason != "":
		set(v1beta1.ConditionDrifted, metav1.ConditionTrue, v.DriftReason, v.Drift)
	}
	// Stalled has Ready's reason and message.
	if v.Stalled {
		set(v1beta1.ConditionStalled, metav1.ConditionTrue, v.Reason, v.Message)
	} else {
		meta.RemoveStatusCondition(conditions, v1beta1.ConditionStalled)
	}
	set(v1beta1.ConditionReady, v.Status, v.Reason, v.Message)
	validation.CutMessages(*conditions)
}
