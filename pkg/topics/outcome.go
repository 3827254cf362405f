package topics

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// OnBrokers is what is known of a topic on the brokers.
type OnBrokers struct {
	ID broker.TopicID
	// Partitions and Replicas are 0 when they are not known.
	Partitions, Replicas int32
}

// Known is what brokers told of a topic.
func Known(have broker.Topic) OnBrokers {
	return OnBrokers{ID: have.ID, Partitions: int32(len(have.Partitions)), Replicas: int32(have.ReplicationFactor())}
}

// Title is by what an object may have a topic of its name that is not as it says.
type Title int

const (
	// TitleAdoptable says that it may take the topic over, when they agree, and TitleForbidden that it may not.
	TitleAdoptable Title = iota
	TitleForbidden
	// TitleElsewhere says that an object on another Kafka of the cluster has the topic.
	TitleElsewhere
	// TitleLeft says that the topic is what a deleted object left, and about to be deleted.
	TitleLeft
	// TitleMade says that it was made for an earlier spec of the object, by a request whose answer was lost.
	TitleMade
)

// Verdict is what an object's conditions say of its topic.
type Verdict struct {
	// Status, Reason and Message are those of the condition Ready.
	Status          metav1.ConditionStatus
	Reason, Message string
	// Stalled says that nothing changes until a person does something.
	Stalled bool
	// Replacement is the id of another topic that has the name.
	Replacement string
	// DriftReason and Drift are those of the condition Drifted; without a reason that condition stays as it was.
	DriftReason, Drift string
}

// Outcome is what Converge came to.
type Outcome struct {
	Verdict
	// Have is nil when the topic is not known to be on the brokers, or is not the object's.
	Have *OnBrokers
	// Made says that this call made the topic.
	Made bool
	// Unanswered says that this call asked for the topic, which was not there, and that nobody knows what came of it.
	Unanswered bool
	// Lost says that the answer to this call's create was lost, whatever was there before.
	Lost bool
	// Reverted tells the settings that were changed outside and set back.
	Reverted string
}

// AsSpecified says that the brokers have what a spec asks for, as far as they can be given it.
func AsSpecified(name string, spec Spec, have OnBrokers) Verdict {
	v := Verdict{Status: metav1.ConditionTrue, Reason: ReasonReady, Message: fmt.Sprintf("topic %s is on the brokers as specified", name),
		DriftReason: ReasonAsSpecified, Drift: "the brokers have what the spec says"}
	if differ := ReplicasDiffer(spec, have.Replicas); differ != "" {
		v.Status, v.Reason, v.Message, v.Stalled = metav1.ConditionFalse, ReasonReplicasDiffer, differ, true
	}
	return v
}

// Unreachable says that no broker can be asked.
func Unreachable(message string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: ReasonClusterUnreachable, Message: message}
}

// NotApplied says that the brokers did not do what they were asked for; message is err's text. Those that wait for others of them are no better
// than those that cannot be asked.
func NotApplied(err error, message string) Verdict {
	if kafkaerr.IsTooFewBrokers(err) {
		return Unreachable(message)
	}
	return Verdict{Status: metav1.ConditionFalse, Reason: ReasonNotApplied, Message: message, Stalled: kafkaerr.Permanent(err)}
}

// Creating says that a topic was asked for, and that nobody knows what came of it.
func Creating(name string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: ReasonCreating,
		Message: fmt.Sprintf("the brokers were asked for topic %s and did not answer: it may appear yet, and is asked for again", name)}
}

// Recreating says that a topic that went is made again; err is what brokers said to that, nil when they were not asked yet.
func Recreating(name string, err error) Verdict {
	v := Verdict{Status: metav1.ConditionFalse, Reason: ReasonRecreating, Message: fmt.Sprintf("topic %s is not on the brokers any more and is made again", name)}
	if err != nil {
		v.Message = fmt.Sprintf("topic %s is not on the brokers any more and cannot be made again yet: %s", name, err)
	}
	return v
}

// DeletionPending says that a topic of the name is there that a deleted object left. It goes by itself.
func DeletionPending(name string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: ReasonDeletionPending,
		Message: fmt.Sprintf("topic %s on the brokers is that of a deleted KafkaTopic and is about to be deleted; this one's is made then", name)}
}

// Terminating says that the object is deleted and waits for its finalizers.
func Terminating() Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: ReasonTerminating, Message: "the object is deleted and waits for its finalizers; nothing is done on the brokers for it any more, until it is gone"}
}

// CauseDeletionPending is the cause of a conflict over a topic that a deleted object left and that is about to be deleted.
const CauseDeletionPending metav1.CauseType = "TopicDeletionPending"

// CauseMade is the cause of a conflict over a topic that is reported as taken over, and was made for the object.
const CauseMade metav1.CauseType = "TopicMade"

// Exists says that a topic of the name is there that the object may not have.
func Exists(message string) Verdict { return waiting(ReasonTopicExists, message) }

// HadElsewhere says that the topic of the name is that of an object on another Kafka of the same cluster. Which one is for who may get it.
func HadElsewhere(name string) Verdict {
	return Exists(fmt.Sprintf("topic %s is that of a KafkaTopic on another Kafka of the same cluster, and no topic has two objects: delete one of them, that one with deletionPolicy Retain", name))
}

func waiting(reason, message string) Verdict {
	return Verdict{Status: metav1.ConditionFalse, Reason: reason, Message: message, Stalled: true}
}

const notKept = "the brokers accept settings and do not keep them; change the spec, or what changes them back: "

// NotKept is the message of ReasonConfigNotKept about a drift, and DriftNotKept the drift that a message is about.
func NotKept(drift string) string        { return notKept + drift }
func DriftNotKept(message string) string { return strings.TrimPrefix(message, notKept) }

// Insisted says that settings were set back and are as before again whenever they are looked at.
func Insisted(drift string) Verdict { return waiting(ReasonConfigNotKept, NotKept(drift)) }
