package kafkatopic_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/loopmetrics"
)

// Whoever operates the server sees how many topics of deleted objects are left, and whether brokers refuse to delete them.
func TestTheSweeperIsCounted(t *testing.T) {
	t.Parallel()
	registry := metrics.NewKubeRegistry()
	loops, err := loopmetrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	counted, err := apiservertest.Start(apiservertest.Options{Metrics: loops})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(counted.Close)
	waiting := func(n int) func() bool {
		return func() bool {
			return testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
# HELP kafka_apiserver_controller_queue_length [ALPHA] Objects that wait for their sync, by controller.
# TYPE kafka_apiserver_controller_queue_length gauge
kafka_apiserver_controller_queue_length{controller="topic-sweeper"} %d
`, n)), "kafka_apiserver_controller_queue_length") == nil
		}
	}
	syncs := func() map[string]float64 {
		values, err := testutil.GetCounterValuesFromGatherer(registry, "kafka_apiserver_controller_syncs_total",
			map[string]string{"controller": "topic-sweeper"}, "result")
		if err != nil {
			return nil
		}
		return values
	}

	k := counted.NewKafka(t, 3)
	var refuses atomic.Bool
	k.ControlKey(int16(kmsg.DeleteTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		response := request.ResponseKind().(*kmsg.DeleteTopicsResponse)
		for _, topic := range request.(*kmsg.DeleteTopicsRequest).Topics {
			answer := kmsg.NewDeleteTopicsResponseTopic()
			answer.TopicID, answer.ErrorCode = topic.TopicID, -1 // UNKNOWN_SERVER_ERROR
			response.Topics = append(response.Topics, answer)
		}
		return response, nil, refuses.Load()
	})
	for _, name := range []string{"orders", "bills"} {
		if _, err := create(counted.Client, newTopic(k, name)); err != nil {
			t.Fatal(err)
		}
	}
	k.Refuse()
	if err := topicsOf(counted.Client, k).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	apiservertest.Eventually(t, "two topics wait for their brokers", waiting(2))
	apiservertest.Eventually(t, "the server has looked for them", func() bool { return syncs()["ok"] > 0 })
	if n := syncs()["error"]; n != 0 {
		t.Errorf("%v errors while brokers are away, of which their Kafka tells", n)
	}
	refuses.Store(true)
	k.Return()
	apiservertest.Eventually(t, "the refusal is an error", func() bool { return syncs()["error"] > 0 })
	refuses.Store(false)
	// What was refused is tried again later.
	apiservertest.Eventually(t, "no topic waits", func() bool {
		counted.Clock.Step(inFlight)
		return waiting(0)()
	})
	if have := k.Topics(t); len(have) != 0 {
		t.Errorf("the brokers have %v", have)
	}
}
