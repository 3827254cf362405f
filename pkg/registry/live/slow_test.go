package live

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

func kafkaNamed(name string) *kafka.Kafka {
	return &kafka.Kafka{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "streams", UID: "1"},
		Spec: kafka.KafkaSpec{External: &kafka.ExternalSpec{BootstrapServers: []string{"a:1"}}}}
}

// slowFleet are requests that ask clusters of which no broker answers.
type slowFleet struct {
	t        *testing.T
	clusters *Clusters
}

// request begins to ask, and waits until it is cut short or cancelled.
func (f slowFleet) request(cluster string, prepare ...func(context.Context)) (ctx context.Context, cancel context.CancelFunc, err error) {
	ctx, cancel = Deadline(f.t.Context())
	if _, err = f.clusters.Ask(ctx, kafkaNamed(cluster)); err != nil {
		cancel()
		return ctx, cancel, err
	}
	for _, p := range prepare {
		p(ctx)
	}
	return ctx, cancel, nil
}

func newSlowFleet(t *testing.T) slowFleet {
	return slowFleet{t, &Clusters{Gateway: broker.New(broker.Options{}), Targets: target.New(nil, clock.RealClock{})}}
}

// A KRaft without a quorum holds each write for as long as it is let. It has eight of them; the others are told after two seconds at
// the latest what those of a cluster are told that cannot be reached, and those of other clusters notice nothing.
func TestASlowClusterKeepsFewRequestsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFleet(t)
		var contexts []context.Context
		var cancels []context.CancelFunc
		for range 40 {
			ctx, cancel, err := f.request("slow")
			if err != nil {
				t.Fatal(err)
			}
			contexts, cancels = append(contexts, ctx), append(cancels, cancel)
		}
		time.Sleep(slowAfter)
		synctest.Wait()
		waiting := 0
		for _, ctx := range contexts {
			if ctx.Err() == nil {
				waiting++
			} else if err := context.Cause(ctx); !IsAway(err) || !strings.Contains(err.Error(), "streams/slow") {
				t.Errorf("a request was cut short with %v, want an error of a cluster that is away, which names the Kafka", err)
			}
		}
		if waiting != maxSlow {
			t.Errorf("after %v %d requests wait for a slow cluster, want %d", slowAfter, waiting, maxSlow)
		}
		if _, _, err := f.request("slow"); !IsAway(err) {
			t.Errorf("one more is let in: %v", err)
		}
		if _, cancel, err := f.request("well"); err != nil {
			t.Errorf("another cluster's is not let in: %v", err)
		} else {
			cancel()
		}
		// One that is answered makes room for one.
		for i, ctx := range contexts {
			if ctx.Err() == nil {
				cancels[i]()
				break
			}
		}
		ctx, cancel, err := f.request("slow")
		if err != nil {
			t.Errorf("with a place free nobody is let in: %v", err)
		}
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Errorf("the one with a place was cut short: %v", context.Cause(ctx))
		}
		cancel()
		for _, cancel := range cancels {
			cancel()
		}
		if len(f.clusters.slow.counts) != 0 {
			t.Errorf("requests that have ended are counted: %v", f.clusters.slow.counts)
		}
	})
}

// Records that were sent may have been written: a client that is told otherwise would send them again.
func TestWhatCannotBeRepeatedIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFleet(t)
		for range maxSlow {
			_, cancel, err := f.request("slow")
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
		}
		ctx, cancel, err := f.request("slow", Keep)
		if err != nil {
			t.Fatal(err)
		}
		defer cancel()
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		if ctx.Err() != nil {
			t.Errorf("cut short: %v", context.Cause(ctx))
		}
	})
}

// Requests that are answered in time are never too many.
func TestRequestsThatAreAnsweredAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFleet(t)
		for range 100 {
			_, cancel, err := f.request("well")
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(slowAfter-time.Millisecond, cancel)
		}
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		if _, cancel, err := f.request("well"); err != nil {
			t.Error(err)
		} else {
			cancel()
		}
	})
}

// Work in the background holds no seat: it waits as long as it wants.
func TestWorkInTheBackgroundIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFleet(t)
		for range 2 * maxSlow {
			if _, err := f.clusters.Ask(t.Context(), kafkaNamed("slow")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		if len(f.clusters.slow.counts) != 0 {
			t.Errorf("counted: %v", f.clusters.slow.counts)
		}
	})
}

// A write that was sent and cut short may have happened, which is another answer than that it did not.
func TestAnUnknownOutcomeIsNotAway(t *testing.T) {
	err := &kafkaerr.UnknownOutcomeError{Op: "create topic", Object: "orders", Err: slowError("streams/slow")}
	if IsAway(err) {
		t.Error("a write of unknown outcome counts as one that did not happen")
	}
	if code := Refused(err, kafka.Resource("kafkatopics"), "orders", "").Status().Code; code != 504 {
		t.Errorf("it is answered with %d", code)
	}
	if code := Refused(slowError("streams/slow"), kafka.Resource("kafkatopics"), "orders", "").Status().Code; code != 503 {
		t.Errorf("a request that was turned away is answered with %d", code)
	}
}
