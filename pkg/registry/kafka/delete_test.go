package kafka_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Nobody reaches the brokers of a Kafka that is gone: who deletes it before its topics is told how many stay.
func TestTheDeleteOfAKafkaTellsOfTopicsThatStay(t *testing.T) {
	fake := server.NewKafka(t, 1)
	namespace := fake.Object.Namespace
	client, warnings := server.Warned(t)
	dryRun := metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
	if err := client.KafkaV1beta1().Kafkas(namespace).Delete(t.Context(), "k", dryRun); err != nil {
		t.Fatal(err)
	}
	if told := warnings.Take(); len(told) != 0 {
		t.Errorf("without topics: %q", told)
	}
	// One of them is another namespace's, and one is on another Kafka.
	other := server.Namespace()
	for i, at := range []string{namespace, namespace, other} {
		_, err := server.Client.KafkaV1beta1().KafkaTopics(at).Create(t.Context(), &v1beta1.KafkaTopic{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("t-%d", i)},
			Spec:       v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "k", Namespace: namespace}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1)},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := server.NewKafka(t, 1)
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(elsewhere.Object.Namespace).Create(t.Context(), &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: "t"}, Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: "k"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, options := range []metav1.DeleteOptions{dryRun, {}} {
		if err := client.KafkaV1beta1().Kafkas(namespace).Delete(t.Context(), "k", options); err != nil {
			t.Fatal(err)
		}
		if told := warnings.Take(); len(told) != 1 || !strings.Contains(told[0], `refer to Kafka "k": 3;`) || !strings.Contains(told[0], "stay on the brokers") {
			t.Errorf("warnings are %q, want that 3 topics stay", told)
		}
	}
	if have := fake.Topics(t); len(have) != 3 {
		t.Errorf("the brokers have %v", have)
	}
}
