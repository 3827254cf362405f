package kafka_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// A topic of a Kafka whose cluster is another's can be let go: kept on the brokers or not, and a dry run says what the delete does.
func TestTopicsOfAClaimedKafkaCanGo(t *testing.T) {
	t.Parallel()
	const id = "claimed-and-to-be-left"
	introduce(t, somebody(t, server.Namespace()), id)
	second := somebody(t, server.Namespace())
	if err := makeTopic(t, server.Client, second, "before"); err != nil {
		t.Fatal(err)
	}
	if got := introduce(t, second, id); readyReason(got) != "False ClusterClaimed" {
		t.Fatalf("the second is %+v", got.Status)
	}
	topics := server.Client.KafkaV1beta1().KafkaTopics(second.Namespace)
	kept, err := topics.Patch(t.Context(), "before", types.MergePatchType, []byte(`{"spec":{"deletionPolicy":"Retain"}}`), metav1.PatchOptions{})
	if err != nil || kept.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("it is to be kept: %v", err)
	}
	if _, err := topics.Patch(t.Context(), "before", types.MergePatchType, []byte(`{"spec":{"deletionPolicy":"Delete"}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("it is to go: %v", err)
	}
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		if err := topics.Delete(t.Context(), "before", metav1.DeleteOptions{DryRun: dryRun}); err != nil {
			t.Errorf("dry run %v: %v", dryRun, err)
		}
	}
}
