package kafkaerr

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The names and what Kafka calls transient are compared with another client's table.
func TestCodesAreKafkas(t *testing.T) {
	// Kafka renamed it in 2.6 (KIP-392), and kept the number.
	renamed := map[int16]string{NotLeaderOrFollower: "NOT_LEADER_FOR_PARTITION"}
	seen := map[string]int16{}
	for of, c := range codes {
		if other, twice := seen[c.name]; twice {
			t.Errorf("%d and %d are both %s", other, of, c.name)
		}
		seen[c.name] = of
		var theirs *kerr.Error
		if !errors.As(kerr.ErrorForCode(of), &theirs) || theirs == kerr.UnknownServerError && of != UnknownServerError {
			continue
		}
		name := c.name
		if was, is := renamed[of]; is {
			name = was
		}
		// Of these four the other client thinks otherwise than Kafka's own classes do.
		retriable := theirs.Retriable
		if slices.Contains([]int16{8, 51, 122, 123}, of) {
			retriable = Retriable(of)
		}
		if theirs.Message != name || retriable != Retriable(of) {
			t.Errorf("%d is %s, retriable %v; want %s, %v", of, c.name, Retriable(of), theirs.Message, theirs.Retriable)
		}
	}
}

func TestACodeThatNobodyKnows(t *testing.T) {
	if Name(9999) != "ERROR_9999" || ClassOf(9999) != Internal || Retriable(9999) || Permanent(New("create topic", "orders", 9999, nil, 0)) {
		t.Errorf("%s, class %d, retriable %v", Name(9999), ClassOf(9999), Retriable(9999))
	}
}

func TestWhatAnErrorSays(t *testing.T) {
	lost := fmt.Errorf("wrapped: %w", &UnreachableError{Cluster: "streams/k", Err: &NoAnswerError{Addr: "a:9092", Sent: true, Err: errors.New("reset")}})
	if !WasSent(lost) || IsGone(lost) || !IsUnreachable(lost) || IsUnknownOutcome(lost) {
		t.Errorf("%v: sent %v, gone %v", lost, WasSent(lost), IsGone(lost))
	}
}

// What Kafka answers to Produce and DeleteRecords after the fact, and what nobody knows, proves nothing.
func TestWhatProvesNothing(t *testing.T) {
	for _, of := range []int16{UnknownServerError, UnknownTopicOrPartition, NotLeaderOrFollower, RequestTimedOut, NetworkException,
		NotEnoughReplicasAfterAppend, KafkaStorageError, 0, 9999} {
		if NotAppended(of) || NotTruncated(of) {
			t.Errorf("%s is taken for a proof", Name(of))
		}
	}
	for _, of := range []int16{MessageTooLarge, NotEnoughReplicas, TopicAuthorizationFailed, OutOfOrderSequenceNumber} {
		if !NotAppended(of) {
			t.Errorf("%s is not taken for a proof", Name(of))
		}
	}
}

// An answer may refuse one part of a write, and leave another open.
func TestWhatIsUnexplainedBehindARefusal(t *testing.T) {
	refusal := New("commit offsets", "audit-0", TopicAuthorizationFailed, nil, 0)
	for _, of := range []int16{UnknownServerError, 9999} {
		if !Unexplained(errors.Join(refusal, New("commit offsets", "orders-0", of, nil, 0))) {
			t.Errorf("%s behind a refusal is taken for explained", Name(of))
		}
	}
	if Unexplained(errors.Join(refusal, refusal)) {
		t.Error("two refusals are taken for unexplained")
	}
}
