package broker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/broker/internal/transport"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkarecord"
)

// A question is asked on a goroutine of nobody's, where a panic would end the process.
func TestAPanicInASharedQuestionIsItsError(t *testing.T) {
	broken := func(context.Context) (int, error) { panic("a bug") }
	var shared transport.Flight[int]
	_, err := shared.Do(t.Context(), t.Context(), time.Minute, 0, broken)
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("shared: %v", err)
	}
	var late transport.Pending[string, int]
	_, err = late.Within(t.Context(), t.Context(), clock.RealClock{}, time.Minute, time.Minute, "x", broken)
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("late: %v", err)
	}
}

type brokenSink struct{}

func (brokenSink) Record(kafkarecord.Record) error { panic("a bug") }
func (brokenSink) Gap(Gap) error                   { return nil }
func (brokenSink) Idle() error                     { return nil }

// What brokers answer is taken apart on goroutines of their own.
func TestAPanicWhileReadingEndsTheReading(t *testing.T) {
	b := newBench(t, Options{}, kfake.SeedTopics(2, "orders"))
	mustProduce(t, newProducer(t, b), append(numbered("orders", 0, 0, 3), numbered("orders", 1, 0, 3)...)...)
	topic, what := wholeTopic(t, b, "orders")
	if err := b.cluster.Read(testContext(t), topic, what, brokenSink{}); err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("it ends with %v", err)
	}
}
