package kafkatopic_test

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A log that is followed ends when it would not begin any more, and says why.
func TestALogEndsWithWhatItTook(t *testing.T) {
	t.Parallel()
	deleteKafka := func(t *testing.T, k *apiservertest.Kafka) {
		if err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).Delete(t.Context(), "k", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		take          func(t *testing.T, k *apiservertest.Kafka, may *atomic.Bool)
		reason, words string
	}{
		"its Kafka": {func(t *testing.T, k *apiservertest.Kafka, _ *atomic.Bool) { deleteKafka(t, k) }, "NotFound", `there is no Kafka "k"`},
		"its Kafka, which is made again": {func(t *testing.T, k *apiservertest.Kafka, _ *atomic.Bool) {
			deleteKafka(t, k)
			server.NewKafkaObject(t, k.Object.Namespace, k.ListenAddrs()...)
		}, "NotFound", "Kafka"},
		"its object": {func(t *testing.T, k *apiservertest.Kafka, _ *atomic.Bool) {
			if err := topicsOf(server.Client, k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, "NotFound", `the KafkaTopic "orders" was deleted`},
		"the right to read it": {func(_ *testing.T, _ *apiservertest.Kafka, may *atomic.Bool) { may.Store(false) }, "Forbidden",
			`has not the verb "get" on kafkatopics/log/orders`},
		"addresses where brokers may be": {func(t *testing.T, k *apiservertest.Kafka, _ *atomic.Bool) {
			kafkas := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace)
			apiservertest.Eventually(t, "the status says so", func() bool {
				said, err := kafkas.Get(t.Context(), "k", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				said.Status = v1beta1.KafkaStatus{Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionFalse, LastTransitionTime: metav1.Now(),
					Reason: kafkaerr.ReasonAddressNotAllowed, Message: "169.254.169.254:9092 is not dialled", ObservedGeneration: said.Generation}}}
				if said, err = kafkas.UpdateStatus(t.Context(), said, metav1.UpdateOptions{}); err != nil {
					return false
				}
				ready := meta.FindStatusCondition(said.Status.Conditions, v1beta1.ConditionReady)
				return ready != nil && ready.Reason == kafkaerr.ReasonAddressNotAllowed
			})
		}, "ServiceUnavailable", "the brokers cannot be asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := server.NewKafka(t, 3)
			mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.DeletionPolicy = v1beta1.TopicRetain }))
			mustWrite(t, k, "orders", text("one"))
			var may atomic.Bool
			may.Store(true)
			client, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetSubresource() != "log" || may.Load() })
			next, ended, _ := followAs(t, client, k, "orders", v1beta1.KafkaTopicLogOptions{})
			if first := next(); first.Value == nil || *first.Value != "one" {
				t.Fatalf("the first line is %+v", first)
			}
			tt.take(t, k, &may)
			if last := next(); last.Error == nil || last.Error.Reason != tt.reason || !strings.Contains(last.Error.Message, tt.words) {
				t.Errorf("the last line is %+v", last.Error)
			}
			if err := ended(); err == nil || err == io.EOF {
				t.Errorf("the stream ends as if it were complete: %v", err)
			}
		})
	}
}
