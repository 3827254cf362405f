package kafkaerr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Error is a refusal by a broker.
type Error struct {
	// Op is what was attempted, for example "create topic".
	Op string
	// Object is what it was attempted on, for example a topic's name.
	Object string
	// Code and Name are Kafka's, for example 38 and INVALID_REPLICATION_FACTOR.
	Code int16
	Name string
	// Message is the broker's own words; "" when it said nothing.
	Message string
	// Retriable tells whether Kafka calls the error transient.
	Retriable bool
	// RetryAfter is how long the broker asks to wait; 0 when it does not say.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if right := Right(e); right != "" {
		return fmt.Sprintf("%s %s: the account that this server has on the brokers lacks the right %s: %s", e.Op, e.Object, right, e.Name)
	}
	if e.Message == "" {
		return fmt.Sprintf("%s %s: %s", e.Op, e.Object, e.Name)
	}
	return fmt.Sprintf("%s %s: %s: %s", e.Op, e.Object, e.Name, e.Message)
}

// UnreachableError says that no broker that could have answered was reached. Nothing was changed.
type UnreachableError struct {
	// Cluster is the target's key; Address the address or addresses that were tried.
	Cluster string
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	what := "Kafka cluster " + e.Cluster
	if !IsReplaced(e.Err) {
		what += " is not reachable"
	}
	if e.Address != "" {
		what += " at " + e.Address
	}
	return fmt.Sprintf("%s: %v", what, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// UnknownOutcomeError says that a write was sent and that neither its answer nor a look at the brokers told whether it happened.
type UnknownOutcomeError struct {
	Op     string
	Object string
	Err    error
	// Absent says of a create that the brokers did not have the object: when they were looked at after it was sent, or else when all that
	// they have was looked at a moment before. What they have of it later, as asked for and never used, is what it made.
	Absent bool
}

func (e *UnknownOutcomeError) Error() string {
	return fmt.Sprintf("%s %s: the outcome is unknown: %v", e.Op, e.Object, e.Err)
}

func (e *UnknownOutcomeError) Unwrap() error { return e.Err }

// TooFewBrokersError says that a request was refused because brokers are away for now that the cluster has. Nothing was changed, and it is
// done when they are back.
type TooFewBrokersError struct {
	// Op and Object are as in Error.
	Op, Object string
	// Serving is how many brokers serve, Brokers how many the cluster has, as far as is known.
	Serving, Brokers int
	// Err is the refusal.
	Err error
}

func (e *TooFewBrokersError) Error() string {
	var refusal *Error
	words := e.Err.Error()
	if errors.As(e.Err, &refusal) && refusal.Message != "" {
		words = refusal.Message
	}
	return fmt.Sprintf("%s %s: waiting for brokers, of which %d of %d serve: %s", e.Op, e.Object, e.Serving, e.Brokers, words)
}

// IsTooFewBrokers tells whether err says that brokers are away without which a request is not carried out.
func IsTooFewBrokers(err error) bool { var e *TooFewBrokersError; return errors.As(err, &e) }

// NoAnswerError says that a request got no answer. It is inside of an *UnreachableError, or an *UnknownOutcomeError.
type NoAnswerError struct {
	Addr string
	// Sent tells whether any byte of the request may have reached the broker.
	Sent bool
	// Gone tells that the address was found not to answer at all, not even to a fresh connection.
	Gone bool
	// Broker is the one that had to answer, such as "broker 1": others may. It is "" when any could have.
	Broker string
	Err    error
}

func (e *NoAnswerError) Error() string { return fmt.Sprintf("broker %s: %v", e.Addr, e.Err) }
func (e *NoAnswerError) Unwrap() error { return e.Err }

// IsGone tells whether err says that an address does not answer at all.
func IsGone(err error) bool { var e *NoAnswerError; return errors.As(err, &e) && e.Gone }

// WasSent tells whether err says that a request may have reached a broker, which did not answer it.
func WasSent(err error) bool { var e *NoAnswerError; return errors.As(err, &e) && e.Sent }

// NotAdmittedError says that brokers answer, and that they are of a cluster that the target must not be. Nothing was asked of them but
// their cluster's id.
type NotAdmittedError struct {
	// Cluster is the target's namespace and name, ID the id of the cluster that answers.
	Cluster string
	ID      string
	// Err is what the gate said.
	Err error
}

func (e *NotAdmittedError) Error() string {
	if IsUnreachable(e.Err) {
		// It names the Kafka and both clusters.
		return e.Err.Error()
	}
	return fmt.Sprintf("Kafka cluster %s must not be cluster %q: %v", e.Cluster, e.ID, e.Err)
}

func (e *NotAdmittedError) Unwrap() error { return e.Err }

// IsNotAdmitted tells whether err says that the brokers are of a cluster that the target must not be.
func IsNotAdmitted(err error) bool { var e *NotAdmittedError; return errors.As(err, &e) }

// TooLongError says that a broker answered with more than there is memory for, and that the answer was not read. The broker is well, and so
// is the rest of the cluster.
type TooLongError struct {
	// Op and Object are as in Error.
	Op, Object string
	// Request is Kafka's name of what was asked.
	Request string
	// Length is that of the answer, and Most what is accepted, in bytes.
	Length, Most int64
}

func (e *TooLongError) Error() string {
	// Memory raises the limit of the first two only.
	remedy := map[string]string{
		kmsg.Metadata.Name():    "raise the memory limit of this process",
		kmsg.Fetch.Name():       "raise the memory limit of this process",
		kmsg.ListGroups.Name():  "delete groups that nobody needs, or get the one that you need by its name",
		kmsg.OffsetFetch.Name(): "delete offsets of topics that the group does not read any more",
	}[e.Request]
	if remedy == "" {
		remedy = "ask for less at once"
	}
	what := e.Op
	if e.Object != "" {
		what += " " + e.Object
	}
	return fmt.Sprintf("%s: the broker's answer to %s has %d bytes, of which at most %d are read: %s", what, e.Request, e.Length, e.Most, remedy)
}

// NotMentionedError is about an answer that leaves out what was asked for.
type NotMentionedError struct{ Op, Object string }

func (e *NotMentionedError) Error() string {
	return fmt.Sprintf("%s %s: the broker's answer does not mention it", e.Op, e.Object)
}

// IsTooLong tells whether err says that an answer was too long to be read.
func IsTooLong(err error) bool { var e *TooLongError; return errors.As(err, &e) }

// IsReplaced tells whether err says that another cluster answers in the place of the one that is meant.
func IsReplaced(err error) bool {
	return slices.ContainsFunc(SecurityErrors(err), func(e *SecurityError) bool { return e.Reason == ReasonClusterReplaced })
}

// IsUnreachable tells whether err says that no broker was reached.
func IsUnreachable(err error) bool { var e *UnreachableError; return errors.As(err, &e) }

// IsUnknownOutcome tells whether err says that a write may or may not have happened.
func IsUnknownOutcome(err error) bool { var e *UnknownOutcomeError; return errors.As(err, &e) }

// MayAppear tells whether err says that what was to be created was not there, and may be yet: its create was sent, and nobody knows what
// came of it.
func MayAppear(err error) bool {
	var e *UnknownOutcomeError
	return errors.As(err, &e) && e.Absent
}

// MayBeCreated tells whether err says that a create was sent and that nobody knows what came of it, whatever was there before.
func MayBeCreated(err error) bool {
	var e *UnknownOutcomeError
	return errors.As(err, &e) && e.Op == OpCreateTopic
}

// IsNotSupported tells whether err says that the cluster lacks what was asked for (ZooKeeper mode, older release).
func IsNotSupported(err error) bool { return CodeOf(err) == UnsupportedVersion }

// RetryAfter is how long to wait with a request that exceeds a quota of the brokers; 0 for other errors.
func RetryAfter(err error) time.Duration {
	var e *Error
	if !errors.As(err, &e) || e.Code != ThrottlingQuotaExceeded {
		return 0
	}
	return max(e.RetryAfter, time.Second)
}

// maxRetryAfter bounds what a broker asks to wait: quotas are kept over some seconds, and brokers of external clusters say what they like.
const maxRetryAfter = 5 * time.Minute

// CodeOf is the Kafka error code in err, or 0.
func CodeOf(err error) int16 {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// New makes an Error of what a broker said; retryAfter is how long it asks to be left alone.
func New(op, object string, code int16, message *string, retryAfter time.Duration) *Error {
	e := &Error{Op: op, Object: object, Code: code, Name: Name(code), Retriable: Retriable(code), RetryAfter: min(max(retryAfter, 0), maxRetryAfter)}
	if message != nil {
		e.Message = *message
	}
	return e
}

// Refusals are the brokers' refusals in an error, in order.
func Refusals(err error) []*Error { return All[*Error](err) }

// All are the errors of a type in an error, in order; what is in one of them is not looked at. errors.As finds the first only.
func All[T error](err error) []T {
	if one, ok := err.(T); ok {
		return []T{one}
	}
	var all []T
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if inner := u.Unwrap(); inner != nil {
			all = All[T](inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range u.Unwrap() {
			all = append(all, All[T](inner)...)
		}
	}
	return all
}

// OfAccount tells whether all refusals in err are of rights that our account lacks.
func OfAccount(err error) bool {
	all := Refusals(err)
	return len(all) > 0 && !slices.ContainsFunc(all, func(e *Error) bool { return ClassOf(e.Code) != Account })
}

// MakesTooMuch tells KRaft's refusals of a request that makes too many metadata records: "Unable to perform excessively large batch operation"
// and "Excessively large number of partitions per request" (QuorumController, ReplicationControlManager).
func MakesTooMuch(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Code == PolicyViolation && strings.Contains(strings.ToLower(refusal.Message), "excessively large")
}
