package kafkatopic

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// target is the topic that an action is about.
type target struct {
	topic   *kafka.KafkaTopic
	cluster *broker.Cluster
	have    broker.Topic
}

// target finds the topic of an action and completes the action's metadata. A uid or a resourceVersion in the body is a precondition: who
// gives one means that very topic.
func (p *plane) target(ctx context.Context, name string, body *metav1.ObjectMeta) (target, error) {
	topic, cluster, have, err := p.liveTopic(ctx, name)
	if err != nil {
		return target{}, err
	}
	if body.Name == "" {
		body.Name = topic.Name
	}
	if err := sameObject(topic, body, nil); err != nil {
		return target{}, err
	}
	if body.ResourceVersion != "" && body.ResourceVersion != topic.ResourceVersion {
		return target{}, stale(topic)
	}
	body.Namespace, body.UID = topic.Namespace, topic.UID
	// Nothing is stored whose fields somebody could own.
	body.ManagedFields = nil
	return target{topic, cluster, have}, nil
}

// admit runs the validating admission of an action, before anything is done.
func admit(ctx context.Context, validate rest.ValidateObjectFunc, obj runtime.Object) error {
	if validate == nil {
		return nil
	}
	return validate(ctx, obj.DeepCopyObject())
}

// conclude judges an action by what came of its partitions: with all refused it is an error, with some a warning.
func (t target) conclude(ctx context.Context, what string, partitions int, failures []error) error {
	if len(failures) == 0 {
		return nil
	}
	all := errors.Join(failures...)
	if len(failures) == partitions {
		status := live.Refused(all, kafka.Resource("kafkatopics"), t.topic.Name, "spec.partitions")
		// Somebody waits for the answer, and what the brokers lack will hardly be there in some seconds.
		if status.ErrStatus.Details != nil && !apierrors.IsTooManyRequests(status) {
			status.ErrStatus.Details.RetryAfterSeconds = 0
		}
		return status
	}
	live.Warn(ctx, fmt.Sprintf("%d of %d partitions were not %s", len(failures), partitions, what), all)
	return nil
}

// resultOf is what came of an action on a partition that has failed.
func resultOf(err error) kafka.ActionResult {
	if broker.IsUnknownOutcome(err) {
		return kafka.ResultUnknown
	}
	return kafka.ResultRefused
}

func forbidden(topic *kafka.KafkaTopic, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: message,
		Details: &metav1.StatusDetails{Group: kafka.GroupName, Kind: "kafkatopics", Name: topic.Name},
	}}
}
