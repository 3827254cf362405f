package apiserver_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// scrape is what Prometheus gets, one series a line.
func scrape(t *testing.T) []string {
	t.Helper()
	body, err := server.Client.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var series []string
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			series = append(series, line)
		}
	}
	return series
}

// createTopics creates some topics as 16 users at once, and looks at each of them.
func createTopics(t *testing.T, k *apiservertest.Kafka, from, to int) {
	t.Helper()
	next := make(chan int)
	var users sync.WaitGroup
	for range 16 {
		users.Go(func() {
			topics := server.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace)
			for i := range next {
				topic := &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("metrical-%d", i)},
					Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Object.Name}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1)}}
				if _, err := topics.Create(t.Context(), topic, metav1.CreateOptions{}); err != nil {
					t.Error(err)
					continue
				}
				if _, err := topics.GetPartitions(t.Context(), topic.Name, metav1.GetOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := from; i < to; i++ {
		next <- i
	}
	close(next)
	users.Wait()
}

// A monitoring system pays for each series: there may be some a cluster, and none a topic.
func TestMetricsDoNotGrowWithTopics(t *testing.T) {
	if _, err := apiserver.RegisterMetrics(); err != nil {
		t.Fatal(err)
	}
	k := server.NewKafka(t, 3)
	createTopics(t, k, 0, 20)
	before := scrape(t)
	createTopics(t, k, 20, 1000)
	after := scrape(t)
	// Histograms of requests grow by the sizes of answers and the like, up to a bound.
	if grown := len(after) - len(before); grown > 100 {
		t.Errorf("980 topics more are %d series more", grown)
	}
	var text strings.Builder
	for _, line := range after {
		text.WriteString(line)
	}
	if strings.Contains(text.String(), "metrical-") {
		t.Error("a series names a topic")
	}
	cluster := k.Object.Namespace + "/" + k.Object.Name
	for _, series := range []string{
		fmt.Sprintf(`kafka_apiserver_broker_rpcs_total{api="CreateTopics",cluster=%q,outcome="ok"}`, cluster),
		`kafka_apiserver_broker_rpc_duration_seconds_count{api="CreateTopics",outcome="ok"}`,
		`kafka_apiserver_broker_batch_size_count{api="CreateTopics"}`,
	} {
		if !strings.Contains(text.String(), series) {
			t.Errorf("there is no %s", series)
		}
	}
}
