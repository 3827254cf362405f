package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

func TestConnect(t *testing.T) {
	clusters := &Clusters{Gateway: broker.New(broker.Options{}), Targets: target.New(nil, clock.RealClock{})}
	named := metav1.ObjectMeta{Name: "k", Namespace: "streams", UID: "1"}
	for _, tc := range []struct {
		rule  string
		kafka kafka.Kafka
		up    bool
	}{
		{"an external cluster is where its spec says", kafka.Kafka{Spec: kafka.KafkaSpec{External: &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}}}, true},
		{"a cluster that is run here is where its status says", kafka.Kafka{Status: kafka.KafkaStatus{
			Listeners: []kafka.ListenerStatus{{Name: "plain", Addresses: []string{"a:1"}}}}}, true},
		{"on the listener that the server uses", kafka.Kafka{Status: kafka.KafkaStatus{
			Listeners: []kafka.ListenerStatus{{Name: "other", Addresses: []string{"a:1"}}}}}, false},
		{"before it has addresses it is not up", kafka.Kafka{}, false},
	} {
		tc.kafka.ObjectMeta = named
		cluster, err := clusters.Connect(&tc.kafka)
		switch {
		case tc.up && err != nil:
			t.Errorf("%s: %v", tc.rule, err)
		case tc.up && cluster.Key() != "streams/k/1":
			t.Errorf("%s: the key is %s", tc.rule, cluster.Key())
		case !tc.up && (!errors.Is(err, ErrNotUp) || !IsAway(err) || !strings.Contains(err.Error(), "streams/k")):
			t.Errorf("%s: %v, want ErrNotUp that names the Kafka", tc.rule, err)
		}
	}
}

// What its status says of an external Kafka's brokers keeps requests from them, and not who finds out what it has to say.
func TestConnectWhereNoneMayBe(t *testing.T) {
	clusters := &Clusters{Gateway: broker.New(broker.Options{}), Targets: target.New(nil, clock.RealClock{})}
	k := &kafka.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "k", Namespace: "streams", UID: "1", Generation: 2},
		Spec: kafka.KafkaSpec{External: &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}},
		Status: kafka.KafkaStatus{Listeners: []kafka.ListenerStatus{{BootstrapServers: "a:1"}}, Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: kafkaerr.ReasonAddressNotAllowed,
			Message: "10.0.0.1:9092 is not dialled", ObservedGeneration: 2}}}}
	if _, err := clusters.Connect(k); !IsAway(err) || len(kafkaerr.SecurityErrors(err)) != 1 || !strings.Contains(err.Error(), "10.0.0.1:9092 is not dialled") {
		t.Errorf("a request: %v", err)
	} else if text := Line(err); strings.Contains(text, "10.0.0.1") || !strings.Contains(text, "where external clusters must not be") {
		t.Errorf("in words for everybody: %s", text)
	}
	if _, err := clusters.Observe(k); err != nil {
		t.Errorf("a look for the status: %v", err)
	}
	clusters.Kafkas = caches{fresh: &kafka.Kafka{ObjectMeta: k.ObjectMeta, Spec: k.Spec}, cached: k}
	if _, err := clusters.Reach(t.Context(), "streams", "k"); err != nil {
		t.Errorf("a read beside a cache that is late: %v", err)
	}
}

// caches have one Kafka in the storage, and another one in the cache.
type caches struct{ fresh, cached *kafka.Kafka }

func (c caches) Get(_ context.Context, _ string, options *metav1.GetOptions) (runtime.Object, error) {
	if options.ResourceVersion == "0" {
		return c.cached, nil
	}
	return c.fresh, nil
}

func TestIsAway(t *testing.T) {
	away := &kafkaerr.UnreachableError{Cluster: "streams/k/1", Address: "a:1", Err: errors.New("refused")}
	for err, want := range map[error]bool{
		ErrNotUp: true, fmt.Errorf("Kafka: %w", ErrNotUp): true, away: true, fmt.Errorf("look: %w", away): true,
		context.DeadlineExceeded: false, &kafkaerr.Error{Code: 36}: false, apierrors.NewServiceUnavailable("x"): false,
	} {
		if got := IsAway(err); got != want {
			t.Errorf("IsAway(%v) = %t", err, got)
		}
	}
}

// Given a Retry-After, clients ask ten times by themselves before they show anything.
func TestBrokersThatAreAwayAreNoReasonToWait(t *testing.T) {
	gr := kafka.Resource("kafkatopics")
	away := &kafkaerr.UnreachableError{Cluster: "k", Err: errors.Join(errors.New("a: refused"), errors.New("b: refused"))}
	for _, tc := range []struct {
		err   error
		code  int32
		retry bool
	}{
		{away, 503, false},
		{context.DeadlineExceeded, 504, false},
		{&kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: context.DeadlineExceeded}, 504, false},
		// Kafka itself calls this one transient: somebody is elected in a moment.
		{&kafkaerr.Error{Op: "create topic", Object: "orders", Code: 5, Name: "LEADER_NOT_AVAILABLE", Retriable: true}, 503, true},
	} {
		status := Refused(tc.err, gr, "orders", "").Status()
		retry := status.Details != nil && status.Details.RetryAfterSeconds > 0
		if status.Code != tc.code || retry != tc.retry || strings.Contains(status.Message, "\n") {
			t.Errorf("%v became %d, with Retry-After: %t, %q", tc.err, status.Code, retry, status.Message)
		}
	}
	if status := Unavailable(away).(apierrors.APIStatus).Status(); status.Code != 503 || status.Details != nil && status.Details.RetryAfterSeconds > 0 || strings.Contains(status.Message, "\n") {
		t.Errorf("unavailable is %+v", status)
	}
}

func TestWhatIsInvalidIsSaidOfTheKind(t *testing.T) {
	refusal := &kafkaerr.Error{Op: "grow topic", Object: "orders", Code: 37, Name: "INVALID_PARTITIONS", Message: "too few"}
	status := Refused(refusal, kafka.Resource("kafkatopics"), "orders", "spec.partitions").Status()
	if status.Details.Kind != "KafkaTopic" || !strings.HasPrefix(status.Message, `KafkaTopic.kafka.openshift.io "orders" is invalid: spec.partitions: `) {
		t.Errorf("%+v", status)
	}
	// As for every kind, other errors name the resource.
	if status := Refused(context.DeadlineExceeded, kafka.Resource("kafkatopics"), "orders", "").Status(); status.Details.Kind != "kafkatopics" {
		t.Errorf("%+v", status)
	}
}

// recorder keeps warnings as the header filter would, which drops those that are no header.
type recorder struct{ texts []string }

func (r *recorder) AddWarning(_, text string) { r.texts = append(r.texts, text) }

func TestWarningsAreOneLine(t *testing.T) {
	recorded := &recorder{}
	Warn(warning.WithWarningRecorder(t.Context(), recorded), "not now", errors.Join(errors.New("a"), errors.New("b")))
	if len(recorded.texts) != 1 || recorded.texts[0] != "not now: a; b" {
		t.Errorf("warnings are %q", recorded.texts)
	}
}

func TestDeadlineLeavesTimeToAnswer(t *testing.T) {
	ctx, cancel := Deadline(t.Context())
	defer cancel()
	deadline, ok := ctx.Deadline()
	if left := time.Until(deadline); !ok || left > 30*time.Second {
		t.Errorf("the deadline is in %s; the generic handlers give up after 34 s", left)
	}
}
