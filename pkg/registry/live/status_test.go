package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

var topicsResource = schema.GroupResource{Group: "kafka.openshift.io", Resource: "kafkatopics"}

func refusal(code int16, message string) *kafkaerr.Error {
	return kafkaerr.New("create topic", "orders", code, &message, 0)
}

func TestStatusOfKafkaCodes(t *testing.T) {
	for code, want := range map[int16]struct {
		http   int32
		reason metav1.StatusReason
	}{
		36:  {http.StatusConflict, metav1.StatusReasonAlreadyExists},
		60:  {http.StatusConflict, metav1.StatusReasonConflict},
		3:   {http.StatusNotFound, metav1.StatusReasonNotFound},
		100: {http.StatusNotFound, metav1.StatusReasonNotFound},
		17:  {http.StatusUnprocessableEntity, metav1.StatusReasonInvalid},
		37:  {http.StatusUnprocessableEntity, metav1.StatusReasonInvalid},
		38:  {http.StatusUnprocessableEntity, metav1.StatusReasonInvalid},
		40:  {http.StatusUnprocessableEntity, metav1.StatusReasonInvalid},
		44:  {http.StatusForbidden, metav1.StatusReasonForbidden},
		73:  {http.StatusForbidden, metav1.StatusReasonForbidden},
		29:  {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
		31:  {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
		35:  {http.StatusMethodNotAllowed, metav1.StatusReasonMethodNotAllowed},
		89:  {http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests},
		7:   {http.StatusGatewayTimeout, metav1.StatusReasonTimeout},
		41:  {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
		5:   {http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable},
		10:  {http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge},
		-1:  {http.StatusInternalServerError, metav1.StatusReasonInternalError},
		999: {http.StatusInternalServerError, metav1.StatusReasonInternalError},
	} {
		s := Status(fmt.Errorf("wrapped: %w", refusal(code, "because")), topicsResource, "orders", "spec.partitions").ErrStatus
		if s.Code != want.http || s.Reason != want.reason || s.Status != metav1.StatusFailure {
			t.Errorf("%s: %d %s, want %d %s", kafkaerr.Name(code), s.Code, s.Reason, want.http, want.reason)
		}
		if s.Details == nil || s.Details.Name != "orders" || s.Details.Kind != "kafkatopics" || s.Details.Group != "kafka.openshift.io" {
			t.Errorf("%s: details %+v", kafkaerr.Name(code), s.Details)
		}
		internal := want.http == http.StatusInternalServerError
		// What brokers say of our account is said in other words.
		if strings.Contains(s.Message, "because") == (internal || kafkaerr.ClassOf(code) == kafkaerr.Account) {
			t.Errorf("%s: message %q", kafkaerr.Name(code), s.Message)
		}
		if !strings.Contains(s.Message, kafkaerr.Name(code)) {
			t.Errorf("%s is not in the message %q", kafkaerr.Name(code), s.Message)
		}
	}
}

func TestStatusNamesTheField(t *testing.T) {
	s := Status(refusal(38, "Replication factor: 9 larger than available brokers: 3."), topicsResource, "orders", "spec.replicas")
	if !apierrors.IsInvalid(s) {
		t.Fatal(s)
	}
	causes := s.ErrStatus.Details.Causes
	if len(causes) != 1 || causes[0].Field != "spec.replicas" || causes[0].Type != metav1.CauseTypeFieldValueInvalid ||
		!strings.Contains(causes[0].Message, "larger than available brokers") {
		t.Errorf("causes %+v", causes)
	}
}

// The account is the server's: whoever asks can only tell somebody.
func TestStatusNamesTheRightThatTheAccountLacks(t *testing.T) {
	for op, right := range map[string]string{kafkaerr.OpElectLeaders: "Alter on the cluster", kafkaerr.OpCommitOffsets: "Read on the group and on its topics", "something new": "a right on the topic"} {
		s := Status(kafkaerr.New(op, "orders", kafkaerr.TopicAuthorizationFailed, nil, 0), topicsResource, "orders", "").ErrStatus
		// Somebody has to give the account the right: clients that repeat it by themselves would be told nothing for minutes.
		if s.Code != http.StatusServiceUnavailable || !strings.Contains(s.Message, right) || s.Details.RetryAfterSeconds != 0 {
			t.Errorf("%s: %d %q, retry after %d s", op, s.Code, s.Message, s.Details.RetryAfterSeconds)
		}
	}
}

func TestStatusOfManyRefusals(t *testing.T) {
	var all []error
	for i := range int32(30) {
		all = append(all, kafkaerr.New("reassign partitions", fmt.Sprintf("orders-%d", i), 39, nil, 0))
	}
	s := Status(errors.Join(all...), topicsResource, "orders", "spec")
	if n := len(s.ErrStatus.Details.Causes); n != maxCauses || s.ErrStatus.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d causes, code %d", n, s.ErrStatus.Code)
	}
}

func TestStatusOfFailures(t *testing.T) {
	unreachable := &kafkaerr.UnreachableError{Cluster: "streams/my-cluster", Address: "a:9092", Err: errors.New("no answer")}
	for name, c := range map[string]struct {
		err     error
		http    int32
		retry   bool
		mention string
	}{
		"unreachable":       {unreachable, http.StatusServiceUnavailable, true, "streams/my-cluster"},
		"unknown outcome":   {&kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: refusal(7, "")}, http.StatusGatewayTimeout, true, "unknown"},
		"lost and unknown":  {&kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: unreachable}, http.StatusGatewayTimeout, true, "unknown"},
		"deadline":          {fmt.Errorf("describe: %w", context.DeadlineExceeded), http.StatusGatewayTimeout, true, "deadline"},
		"too long":          {&kafkaerr.TooLongError{Op: "list groups", Request: "ListGroups", Length: 9, Most: 8}, http.StatusInternalServerError, false, "of which at most 8 are read"},
		"something of ours": {errors.New("boom"), http.StatusInternalServerError, false, "boom"},
	} {
		s := Status(c.err, topicsResource, "orders", "").ErrStatus
		if s.Code != c.http || (s.Details.RetryAfterSeconds > 0) != c.retry || !strings.Contains(s.Message, c.mention) {
			t.Errorf("%s: %d, retry after %d s, %q", name, s.Code, s.Details.RetryAfterSeconds, s.Message)
		}
	}
	throttled := kafkaerr.New("create topic", "orders", 89, nil, 6100*time.Millisecond)
	if s := Status(throttled, topicsResource, "orders", "").ErrStatus; s.Details.RetryAfterSeconds != 7 {
		t.Errorf("throttled for 6.1 s: retry after %d s", s.Details.RetryAfterSeconds)
	}
	if Status(nil, topicsResource, "orders", "") != nil {
		t.Error("no error has a status")
	}
	already := apierrors.NewConflict(topicsResource, "orders", errors.New("stale"))
	if Status(fmt.Errorf("wrapped: %w", already), topicsResource, "orders", "") != already {
		t.Error("a status is not passed on")
	}
}

// "Forbidden" alone reads as if a right in Kubernetes were missing.
func TestStatusTellsPoliciesFromRights(t *testing.T) {
	for words, mention := range map[string]string{
		"Unable to perform excessively large batch operation.":  "more than the brokers do in one request",
		"Excessively large number of partitions per request.":   "more than the brokers do in one request",
		"Topic should have at least 3 replicas, says our rules": "a policy of the brokers refuses it",
	} {
		s := Status(kafkaerr.New("create topic", "orders", kafkaerr.PolicyViolation, &words, 0), topicsResource, "orders", "").ErrStatus
		if s.Reason != metav1.StatusReasonForbidden || !strings.Contains(s.Message, mention) || !strings.Contains(s.Message, words) {
			t.Errorf("%s: %q", s.Reason, s.Message)
		}
	}
}
