package resolver

import (
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

// Foreign refuses to do anything to a topic that somebody made in the place of an object's own; nil when it is the object's.
func Foreign(topic *kafka.KafkaTopic, have broker.Topic) *field.Error {
	if topics.Mine(topic.Status.TopicID, topic.Spec.AdoptTopicID, have.ID) {
		return nil
	}
	// The name is the other topic's now.
	problem := field.Duplicate(field.NewPath("spec", "adoptTopicID"), field.OmitValueType{})
	problem.Detail = topics.Replaced(topic.Status.TopicID, have)
	if topic.Status.TopicID == "" {
		problem.Detail = topics.NotThere(topic.TopicName(), topic.Spec.AdoptTopicID, &have)
	}
	return problem
}

// NothingToAdopt is the problem of an object without a topic that names one to take over, and the brokers have none of its name.
func NothingToAdopt(topic *kafka.KafkaTopic) *field.Error {
	return field.Invalid(field.NewPath("spec", "adoptTopicID"), topic.Spec.AdoptTopicID, topics.NotThere(topic.TopicName(), topic.Spec.AdoptTopicID, nil))
}

// Invalid is the error of a topic with problems.
func Invalid(topic *kafka.KafkaTopic, problems ...*field.Error) error {
	return apierrors.NewInvalid(kafka.Kind("KafkaTopic"), topic.Name, problems)
}

// NotOnBrokers is the error of a topic that the brokers do not have.
func NotOnBrokers(topic *kafka.KafkaTopic) error {
	return of(topic, http.StatusNotFound, metav1.StatusReasonNotFound,
		fmt.Sprintf("topic %s of KafkaTopic %q is not on the brokers", topic.TopicName(), topic.Name))
}

// Forbidden is the error of what is not allowed with a topic.
func Forbidden(topic *kafka.KafkaTopic, message string) error {
	return of(topic, http.StatusForbidden, metav1.StatusReasonForbidden, message)
}

func of(topic *kafka.KafkaTopic, code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
		Details: &metav1.StatusDetails{Group: kafka.GroupName, Kind: Resource.Resource, Name: topic.Name},
	}}
}

// Refusal turns a broker's refusal into an API error on the field that it is about.
func Refusal(err error, topic *kafka.KafkaTopic) error {
	path := "spec"
	switch kafkaerr.CodeOf(err) {
	case kafkaerr.InvalidTopicException:
		path = "metadata.name"
		if topic.Spec.TopicName != "" {
			path = "spec.topicName"
		}
	case kafkaerr.InvalidPartitions:
		path = "spec.partitions"
	case kafkaerr.InvalidReplicationFactor:
		path = "spec.replicas"
	case kafkaerr.InvalidConfig:
		path = "spec.config"
		if key := topics.NamedIn(err.Error(), topic.Spec.Config); key != "" {
			path = field.NewPath("spec", "config").Key(key).String()
		}
	}
	status := live.Refused(err, Resource, topic.Name, path)
	if status.ErrStatus.Reason != metav1.StatusReasonInvalid || status.ErrStatus.Details == nil {
		return status
	}
	// Which topic a refusal is about its reader knows.
	for i := range status.ErrStatus.Details.Causes {
		cause := &status.ErrStatus.Details.Causes[i]
		cause.Message = strings.TrimPrefix(cause.Message, topic.TopicName()+": ")
	}
	return status
}
