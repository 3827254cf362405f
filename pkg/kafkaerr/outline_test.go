package kafkaerr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Who may only use a cluster does not learn how it is reached.
func TestOutline(t *testing.T) {
	refused := &NoAnswerError{Addr: "10.0.0.7:9092", Gone: true, Err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
	login := &NoAnswerError{Addr: "10.0.0.8:9092", Err: &SecurityError{ReasonAuthenticationFailed, `the brokers do not accept SCRAM-SHA-512 as "alice": no`}}
	secret := &NoAnswerError{Addr: "10.0.0.9:9092", Err: &SecurityError{ReasonCredentialsUnavailable, "Secret streams/login does not exist"}}
	away := &UnreachableError{Cluster: "streams/k", Address: "10.0.0.7:9092", Err: errors.Join(refused, login, secret)}
	policy := &Error{Op: "create topic", Object: "orders", Code: 44, Name: "POLICY_VIOLATION", Message: "at most 3 partitions"}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"nobody answers": {&UnreachableError{Cluster: "streams/k/uid", Address: "10.0.0.7:9092", Err: refused}, "Kafka cluster streams/k is not reachable: no broker answers"},
		"one broker": {&UnreachableError{Cluster: "streams/k/uid", Address: "10.0.0.7:9092", Err: &NoAnswerError{Addr: "10.0.0.7:9092", Broker: "broker 1", Err: refused.Err}},
			"broker 1 of Kafka cluster streams/k does not answer"},
		"one broker's login": {&UnreachableError{Cluster: "streams/k", Err: &NoAnswerError{Broker: "broker 1", Err: login.Err}},
			"Kafka cluster streams/k is not reachable: the brokers do not accept the credentials of the Kafka"},
		"one broker and any": {&UnreachableError{Cluster: "streams/k", Err: errors.Join(refused, &NoAnswerError{Broker: "broker 1", Err: refused.Err})},
			"Kafka cluster streams/k is not reachable: no broker answers"},
		"a write to one broker": {&UnknownOutcomeError{Op: "produce to", Object: "orders", Err: &NoAnswerError{Broker: "broker 1", Err: refused.Err}}, "the outcome is unknown: broker 1 does not answer"},
		"another cluster answers": {&UnreachableError{Cluster: "streams/k/uid", Address: "10.0.0.7:9092", Err: &SecurityError{Reason: ReasonClusterReplaced, Text: "cluster theirs answers"}},
			"Kafka cluster streams/k: another cluster answers at its addresses, and nothing is done there before they lead back or spec.external.clusterID of the Kafka names that one"},
		"each its own": {fmt.Errorf("describe: %w", away), "Kafka cluster streams/k is not reachable: " +
			"what the Kafka authenticates with cannot be had, the brokers do not accept the credentials of the Kafka"},
		"not known":       {&UnknownOutcomeError{Op: "create topic", Object: "orders", Err: away}, "create topic orders: the outcome is unknown: Kafka cluster streams/k is not reachable"},
		"a refusal":       {policy, "create topic orders: POLICY_VIOLATION: at most 3 partitions"},
		"both":            {errors.Join(policy, refused, refused), "create topic orders: POLICY_VIOLATION: at most 3 partitions\nno broker answers"},
		"joined twice":    {errors.Join(errors.Join(policy, refused), refused), "create topic orders: POLICY_VIOLATION: at most 3 partitions\nno broker answers"},
		"something else":  {errors.New("no such field"), "no such field"},
		"a deadline":      {context.DeadlineExceeded, "context deadline exceeded"},
		"not admitted":    {&NotAdmittedError{Cluster: "streams/k", ID: "x", Err: errors.New("it is another's")}, errors.New("it is another's").Error()},
		"said once":       {Outline(away), "credentials"},
		"wrapped outline": {fmt.Errorf("look: %w", Outline(refused)), "look: no broker answers"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Outline(tc.err)
			if !strings.Contains(got.Error(), tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
			lines := strings.Split(got.Error(), "\n")
			if slices.Sort(lines); len(slices.Compact(slices.Clone(lines))) != len(lines) {
				t.Errorf("%q says something twice", got)
			}
			for _, hidden := range []string{"10.0.0", "alice", "streams/login", "uid"} {
				if strings.Contains(got.Error(), hidden) {
					t.Errorf("%q tells of %q", got, hidden)
				}
			}
			if !errors.Is(got, tc.err) || IsUnreachable(got) != IsUnreachable(tc.err) || CodeOf(got) != CodeOf(tc.err) {
				t.Errorf("%v is another error", got)
			}
		})
	}
	if Outline(nil) != nil {
		t.Error("nothing is something")
	}
}
