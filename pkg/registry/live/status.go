package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// statusOf is the status of each class of Kafka's error codes.
var statusOf = map[kafkaerr.Class]statusClass{
	kafkaerr.Exists:      {http.StatusConflict, metav1.StatusReasonAlreadyExists},
	kafkaerr.Conflict:    {http.StatusConflict, metav1.StatusReasonConflict},
	kafkaerr.NotFound:    {http.StatusNotFound, metav1.StatusReasonNotFound},
	kafkaerr.Invalid:     {http.StatusUnprocessableEntity, metav1.StatusReasonInvalid},
	kafkaerr.Forbidden:   {http.StatusForbidden, metav1.StatusReasonForbidden},
	kafkaerr.Unavailable: {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
	kafkaerr.Account:     {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
	kafkaerr.Unsupported: {http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed},
	kafkaerr.Throttled:   {http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests},
	kafkaerr.TimedOut:    {http.StatusGatewayTimeout, metav1.StatusReasonTimeout},
	kafkaerr.TooLarge:    {http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge},
	kafkaerr.Internal:    {http.StatusInternalServerError, metav1.StatusReasonInternalError},
}

type statusClass struct {
	code   int32
	reason metav1.StatusReason
}

const (
	// retryUnavailable is what a caller is told to wait when a cluster does not answer or elects a leader.
	retryUnavailable = 3 * time.Second
	// maxCauses bounds the causes of one status.
	maxCauses = 10
)

// Status turns an error of brokers into what a REST method answers; nil stays nil. field is the path of the field that a
// refusal is about, for example "spec.partitions"; "" when there is none. The broker's own words are passed on, except
// for errors inside the broker.
func Status(err error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	if err == nil {
		return nil
	}
	var already *apierrors.StatusError
	if errors.As(err, &already) {
		return already
	}
	var unreachable *kafkaerr.UnreachableError
	var refusal *kafkaerr.Error
	switch {
	case kafkaerr.IsUnknownOutcome(err):
		return newStatus(kafkaerr.TimedOut, fmt.Sprintf("%v; read the object before trying again", err), gr, name, retryUnavailable)
	case errors.As(err, &refusal):
		return refusedStatus(err, refusal, gr, name, field)
	case errors.As(err, &unreachable), kafkaerr.IsTooFewBrokers(err):
		return newStatus(kafkaerr.Unavailable, err.Error(), gr, name, retryUnavailable)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newStatus(kafkaerr.TimedOut, err.Error(), gr, name, retryUnavailable)
	}
	return newStatus(kafkaerr.Internal, err.Error(), gr, name, 0)
}

func refusedStatus(err error, first *kafkaerr.Error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	class := kafkaerr.ClassOf(first.Code)
	retry := time.Duration(0)
	switch class {
	case kafkaerr.Throttled, kafkaerr.Unavailable:
		retry = max(first.RetryAfter, time.Second)
		if first.RetryAfter == 0 {
			retry = retryUnavailable
		}
	case kafkaerr.TimedOut:
		retry = retryUnavailable
	}
	var messages []string
	var causes []metav1.StatusCause
	for _, e := range kafkaerr.Refusals(err) {
		if len(causes) == maxCauses {
			messages = append(messages, "and more")
			break
		}
		messages = append(messages, words(e))
		causes = append(causes, metav1.StatusCause{Type: causeType(class, e), Message: words(e), Field: field})
	}
	message := fmt.Sprintf("%s: %s", first.Op, strings.Join(messages, "; "))
	switch {
	case kafkaerr.MakesTooMuch(first):
		message = fmt.Sprintf("%s: it is more than the brokers do in one request, which no right in Kubernetes changes: %s", first.Op, strings.Join(messages, "; "))
	case first.Code == kafkaerr.PolicyViolation:
		message = fmt.Sprintf("%s: a policy of the brokers refuses it, which no right in Kubernetes changes: %s", first.Op, strings.Join(messages, "; "))
	case class == kafkaerr.Invalid:
		message = fmt.Sprintf("%s %q is invalid: %s%s", gr.String(), name, prefix(field), strings.Join(messages, "; "))
	}
	status := newStatus(class, message, gr, name, retry)
	status.ErrStatus.Details.Causes = causes
	return status
}

func prefix(field string) string {
	if field == "" {
		return ""
	}
	return field + ": "
}

// causeType is Kubernetes' word where it has one, else Kafka's name of the error.
func causeType(class kafkaerr.Class, e *kafkaerr.Error) metav1.CauseType {
	if class == kafkaerr.Invalid {
		return metav1.CauseTypeFieldValueInvalid
	}
	return metav1.CauseType(e.Name)
}

// words are the broker's, or Kafka's name of the error when it said nothing or spoke of its own inside.
func words(e *kafkaerr.Error) string {
	text := e.Name
	if right := kafkaerr.Right(e); right != "" {
		text = fmt.Sprintf("the account that this server has on the brokers lacks the right %s (%s)", right, e.Name)
	} else if e.Message != "" && kafkaerr.ClassOf(e.Code) != kafkaerr.Internal {
		text = e.Message + " (" + e.Name + ")"
	}
	if e.Object != "" {
		text = e.Object + ": " + text
	}
	return text
}

func newStatus(class kafkaerr.Class, message string, gr schema.GroupResource, name string, retry time.Duration) *apierrors.StatusError {
	is := statusOf[class]
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: is.code, Reason: is.reason, Message: message,
		Details: &metav1.StatusDetails{Group: gr.Group, Kind: gr.Resource, Name: name, RetryAfterSeconds: int32(math.Ceil(retry.Seconds()))},
	}}
}
