package kafkatopic_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/topics"
)

func patch(k *apiservertest.Kafka, name, change string) (*v1beta1.KafkaTopic, error) {
	return topicsOf(server.Client, k).Patch(context.Background(), name, types.MergePatchType, []byte(change), metav1.PatchOptions{})
}

func expectStalled(t *testing.T, topic *v1beta1.KafkaTopic, reason string) {
	t.Helper()
	got := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionStalled)
	if (got == nil) != (reason == "") || got != nil && (got.Status != metav1.ConditionTrue || got.Reason != reason) {
		t.Errorf("Stalled = %+v, want %q", got, reason)
	}
}

// What a write answers is all that is known: the partitions that it added have as many replicas as the others.
func TestATopicThatGrowsKeepsItsReplicasInTheStatus(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	expect := func(way string, got *v1beta1.KafkaTopic, partitions int32) {
		t.Helper()
		if got.Status.Partitions != partitions || got.Status.Replicas != 2 {
			t.Errorf("%s: the status has %d partitions and %d replicas, want %d and 2", way, got.Status.Partitions, got.Status.Replicas, partitions)
		}
	}
	expect("created", topic, 3)
	grown, err := patch(k, "orders", `{"spec":{"partitions":6}}`)
	if err != nil {
		t.Fatal(err)
	}
	expect("grown by its spec", grown, 6)
	if _, err := patchScale(k, "orders", `{"spec":{"replicas":9}}`); err != nil {
		t.Fatal(err)
	}
	expect("grown by its scale", mustGet(t, topic), 9)
	placed := mustPartitions(t, k, "orders")
	placed.Spec.Partitions = append(placed.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 9, Replicas: []int32{0, 1}})
	if _, err := topicsOf(server.Client, k).UpdatePartitions(t.Context(), "orders", placed, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	expect("grown by its partitions", mustGet(t, topic), 10)
}

// A large request after which no broker answers is said to be what it may be, until the spec asks for something else.
func TestARequestThatMayHaveEndedItsBrokersIsStalled(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	var ended atomic.Bool
	k.ControlKey(37, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if request.(*kmsg.CreatePartitionsRequest).ValidateOnly || ended.Swap(true) {
			return nil, nil, false
		}
		k.Refuse()
		return nil, context.Canceled, true
	})
	stored, err := patch(k, "orders", `{"spec":{"partitions":203}}`)
	if err != nil {
		t.Fatal(err)
	}
	expectReady(t, stored, metav1.ConditionFalse, topics.ReasonOutcomeUnknown)
	expectStalled(t, stored, topics.ReasonOutcomeUnknown)
	if stored.Status.Partitions != 3 || stored.Status.Replicas != 2 || stored.Status.ObservedGeneration != stored.Generation {
		t.Errorf("the status is %+v", stored.Status)
	}
	k.Return()
	retention := 1000
	apiservertest.Eventually(t, "the brokers are back", func() bool {
		// A change that changes nothing asks nobody.
		retention++
		stored, err = patch(k, "orders", fmt.Sprintf(`{"spec":{"config":{"retention.ms":"%d"},"partitions":204}}`, retention))
		if err != nil {
			t.Fatal(err)
		}
		return meta.IsStatusConditionTrue(stored.Status.Conditions, v1beta1.ConditionReady)
	})
	expectStalled(t, stored, "")
	if have := k.Topics(t)[topic.Name]; len(have.Partitions) != 204 {
		t.Errorf("the brokers have %d partitions", len(have.Partitions))
	}
}
