package kafka_test

import (
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Settings that the Kafka says are somebody else's stay as they are through every write, unless the object of the topic has them.
func TestSettingsOfTopicsThatAreLeftAlone(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	k := fake.Object
	k.Spec.External.UnmanagedTopicConfigs = []string{"segment.*", "cleanup.policy"}
	k, err := kafkas(k.Namespace).Update(t.Context(), k, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := makeTopic(t, server.Client, k, "orders"); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"segment.ms": "1000", "segment.bytes": "5000", "cleanup.policy": "compact", "max.message.bytes": "7"} {
		fake.Configure(t, "orders", name, value)
	}
	topics := server.Client.KafkaV1beta1().KafkaTopics(k.Namespace)
	expect := func(change map[string]string, want map[string]string) {
		t.Helper()
		topic, err := topics.Get(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		topic.Spec.Config = change
		if _, err := topics.Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := fake.Config(t, "orders"); !maps.Equal(got, want) {
			t.Errorf("the topic has %v, want %v", got, want)
		}
	}
	expect(map[string]string{"retention.ms": "1"}, map[string]string{"retention.ms": "1", "segment.ms": "1000", "segment.bytes": "5000", "cleanup.policy": "compact"})
	expect(map[string]string{"segment.ms": "2000"}, map[string]string{"segment.ms": "2000", "segment.bytes": "5000", "cleanup.policy": "compact"})

	// A list that is changed counts at once.
	if k, err = kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Spec.External.UnmanagedTopicConfigs = []string{"segment.bytes"}
	if _, err := kafkas(k.Namespace).Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(map[string]string{"retention.ms": "2"}, map[string]string{"retention.ms": "2", "segment.bytes": "5000"})
}
