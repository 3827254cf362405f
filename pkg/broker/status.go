package broker

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
)

// statusClass is what a Kafka error becomes.
type statusClass struct {
	code   int32
	reason metav1.StatusReason
}

var (
	classExists      = statusClass{http.StatusConflict, metav1.StatusReasonAlreadyExists}
	classConflict    = statusClass{http.StatusConflict, metav1.StatusReasonConflict}
	classNotFound    = statusClass{http.StatusNotFound, metav1.StatusReasonNotFound}
	classInvalid     = statusClass{http.StatusUnprocessableEntity, metav1.StatusReasonInvalid}
	classForbidden   = statusClass{http.StatusForbidden, metav1.StatusReasonForbidden}
	classUnavailable = statusClass{http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable}
	classUnsupported = statusClass{http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed}
	classThrottled   = statusClass{http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests}
	classTimeout     = statusClass{http.StatusGatewayTimeout, metav1.StatusReasonTimeout}
	classTooLarge    = statusClass{http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge}
	classInternal    = statusClass{http.StatusInternalServerError, metav1.StatusReasonInternalError}
)

// classOf is the one table from Kafka's error codes to Kubernetes'. What is not in it is an internal error.
//
// The authorization codes (29, 30, 31, 53, 65) are internal errors: they are about this server's own account on the brokers, and
// the caller, whom Kubernetes has let through, can do nothing about them.
func classOf(code int16) statusClass {
	switch code {
	case 36, 92, 126:
		return classExists
	case 22, 25, 27, 51, 60, 68, 82, 86, 103, 113:
		return classConflict
	case 3, 57, 69, 91, 100, 102, 105, 127, 136:
		return classNotFound
	case 1, 12, 17, 24, 32, 37, 38, 39, 40, 42, 87, 93, 95, 96, 128:
		return classInvalid
	case 44, 73:
		return classForbidden
	case 35, 43, 54, 76:
		return classUnsupported
	case 89:
		return classThrottled
	case 7:
		return classTimeout
	case 5, 6, 8, 9, 13, 14, 15, 16, 19, 20, 33, 34, 41, 56, 58, 72, 74, 75, 77, 78, 80, 83, 88:
		return classUnavailable
	case 10, 18:
		return classTooLarge
	}
	return classInternal
}

const (
	// retryUnavailable is what a caller is told to wait when a cluster does not answer or elects a leader.
	retryUnavailable = 3 * time.Second
	// maxCauses bounds the causes of one status.
	maxCauses = 10
)

// Status turns an error of this package into what a REST method answers; nil stays nil. field is the path of the field that a
// refusal is about, for example "spec.partitions"; "" when there is none (see Aspect). The broker's own words are passed on, except
// for errors inside the broker.
func Status(err error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	if err == nil {
		return nil
	}
	var already *apierrors.StatusError
	if errors.As(err, &already) {
		return already
	}
	var unreachable *UnreachableError
	var refusal *Error
	switch {
	case IsUnknownOutcome(err):
		return newStatus(classTimeout, fmt.Sprintf("%v; read the object before trying again", err), gr, name, retryUnavailable)
	case errors.As(err, &refusal):
		return refusedStatus(err, refusal, gr, name, field)
	case errors.As(err, &unreachable):
		return newStatus(classUnavailable, err.Error(), gr, name, retryUnavailable)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newStatus(classTimeout, err.Error(), gr, name, retryUnavailable)
	}
	return newStatus(classInternal, err.Error(), gr, name, 0)
}

func refusedStatus(err error, first *Error, gr schema.GroupResource, name, field string) *apierrors.StatusError {
	class := classOf(first.Code)
	retry := time.Duration(0)
	switch class {
	case classThrottled, classUnavailable:
		retry = max(first.RetryAfter, time.Second)
		if first.RetryAfter == 0 {
			retry = retryUnavailable
		}
	case classTimeout:
		retry = retryUnavailable
	}
	var messages []string
	var causes []metav1.StatusCause
	for _, e := range refusalsIn(err) {
		if len(causes) == maxCauses {
			messages = append(messages, "and more")
			break
		}
		messages = append(messages, words(e))
		causes = append(causes, metav1.StatusCause{Type: causeType(class, e), Message: words(e), Field: field})
	}
	message := fmt.Sprintf("%s: %s", first.Op, strings.Join(messages, "; "))
	switch {
	case isTooLarge(first):
		message = fmt.Sprintf("%s: it is more than the brokers do in one request, which no right in Kubernetes changes: %s", first.Op, strings.Join(messages, "; "))
	case first.Code == codePolicyViolation:
		message = fmt.Sprintf("%s: a policy of the brokers refuses it, which no right in Kubernetes changes: %s", first.Op, strings.Join(messages, "; "))
	case class == classInvalid:
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
func causeType(class statusClass, e *Error) metav1.CauseType {
	if class == classInvalid {
		return metav1.CauseTypeFieldValueInvalid
	}
	return metav1.CauseType(e.Name)
}

// words are the broker's, or Kafka's name of the error when it said nothing or spoke of its own inside.
func words(e *Error) string {
	text := e.Name
	if e.Message != "" && classOf(e.Code) != classInternal {
		text = e.Message + " (" + e.Name + ")"
	}
	if e.Object != "" {
		text = e.Object + ": " + text
	}
	return text
}

// refusalsIn lists the brokers' refusals in an error, in order.
func refusalsIn(err error) []*Error {
	if e, ok := err.(*Error); ok {
		return []*Error{e}
	}
	var all []*Error
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if inner := u.Unwrap(); inner != nil {
			all = refusalsIn(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range u.Unwrap() {
			all = append(all, refusalsIn(inner)...)
		}
	}
	return all
}

func newStatus(class statusClass, message string, gr schema.GroupResource, name string, retry time.Duration) *apierrors.StatusError {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: class.code, Reason: class.reason, Message: message,
		Details: &metav1.StatusDetails{Group: gr.Group, Kind: gr.Resource, Name: name, RetryAfterSeconds: int32(math.Ceil(retry.Seconds()))},
	}}
}

// Aspect names what of a topic a refusal is about, for callers that choose the field of a Status by it: "name", "partitions",
// "replicas", "assignments", "config", or "" when Kafka does not tell.
func Aspect(err error) string {
	switch CodeOf(err) {
	case 17, 36:
		return "name"
	case 37:
		return "partitions"
	case 38:
		return "replicas"
	case 39:
		return "assignments"
	case 40:
		return "config"
	}
	return ""
}
