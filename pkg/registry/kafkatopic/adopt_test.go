package kafkatopic_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

const noTopicsID = "AAAAAAAAAAAAAAAAAAAAZw"

// An object that says which topic it takes over gets that one, or none.
func TestAnIDIsTheOnlyTopicThatIsAdopted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.CreateTopic(t, "legacy", 3, 2)
	before := k.Topics(t)["legacy"]
	id := before.ID
	named := func(id string) func(*v1beta1.KafkaTopic) {
		return func(topic *v1beta1.KafkaTopic) { topic.Spec.AdoptTopicID = id }
	}
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := create(server.Client, newTopic(k, "legacy", named(noTopicsID)), dryRun...)
		expectStatus(t, err, 422, "spec.adoptTopicID", "has id "+id, noTopicsID)
		_, err = create(server.Client, newTopic(k, "nobodys", named(noTopicsID)), dryRun...)
		expectStatus(t, err, 422, "spec.adoptTopicID", "the brokers have no topic nobodys", noTopicsID)
	}
	expectNothing(t, k, "nobodys")
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
	if dry, err := create(server.Client, newTopic(k, "legacy", named(id)), metav1.DryRunAll); err != nil || dry.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("a dry run of the right id: %+v, %v", dry, err)
	}
	adopted := mustCreate(t, newTopic(k, "legacy", named(id)))
	expectReady(t, adopted, metav1.ConditionTrue, "Ready")
	if adopted.Status.TopicID != id || k.Topics(t)["legacy"].ID != id || adopted.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("adopted as %+v with %+v", adopted.Spec, adopted.Status)
	}
	// One that it had, and that went, is made again: only the first is somebody's that must not be missed.
	k.DeleteTopic(t, "legacy")
	again, err := topicsOf(server.Client, k).Patch(t.Context(), "legacy", types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"1000"}}}`), metav1.PatchOptions{})
	if err != nil || again.Status.TopicID == id || again.Status.TopicID != k.Topics(t)["legacy"].ID {
		t.Errorf("made again: %v, %v", again, err)
	}
}

// So does one that was stored while nobody could be asked, and is changed.
func TestAChangeMakesNoTopicInThePlaceOfTheOneToAdopt(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.Refuse()
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.AdoptTopicID = noTopicsID }))
	k.Return()
	change := func() error {
		_, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"1000"}}}`), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	apiservertest.Eventually(t, "brokers are back", func() bool { return change() != nil })
	expectStatus(t, change(), 422, "spec.adoptTopicID", "the brokers have no topic orders")
	k.CreateTopic(t, "orders", 3, 2)
	expectStatus(t, change(), 422, "spec.adoptTopicID", "has id "+k.Topics(t)["orders"].ID)
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
}

// Nor does it go with the object, however much it looks like what the object would have made.
func TestATopicThatIsNotTheOneToAdoptOutlivesTheObject(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.Refuse()
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.AdoptTopicID = noTopicsID }))
	k.CreateTopic(t, "orders", 3, 2)
	mustDelete(t, topic)
	k.Return()
	apiservertest.Eventually(t, "the claim goes", func() bool { return len(claimsOn(t, k)) == 0 })
	if len(k.Topics(t)) != 1 {
		t.Error("somebody's topic went with an object that never had it")
	}
}

// While partitions move they have the replicas of both places, which is no number that anybody wanted.
func TestAMovingTopicHasTheReplicasOfWhereItMoves(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 4)
	k.CreateTopic(t, "orders", 1, 3)
	script(k, int16(kmsg.ListPartitionReassignments), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		moving := kmsg.NewListPartitionReassignmentsResponseTopic()
		moving.Topic = "orders"
		partition := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		partition.Replicas, partition.AddingReplicas, partition.RemovingReplicas = []int32{2, 0, 1}, []int32{2}, []int32{0}
		moving.Partitions = append(moving.Partitions, partition)
		response.Topics = append(response.Topics, moving)
		return response
	})
	two := func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](1) }
	three := func(topic *v1beta1.KafkaTopic) { two(topic); topic.Spec.Replicas = ptr.To[int32](3) }
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		_, err := create(server.Client, newTopic(k, "orders", three), dryRun...)
		expectStatus(t, err, 422, "spec.replicas", "topic has 2")
	}
	if _, err := create(server.Client, newTopic(k, "orders", two), metav1.DryRunAll); err != nil {
		t.Error(err)
	}
	expectReady(t, mustCreate(t, newTopic(k, "orders", two)), metav1.ConditionTrue, "Ready")
	_, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"replicas":3}}`), metav1.PatchOptions{})
	expectStatus(t, err, 422, "spec.replicas", "the topic has 2")
	if got := kinds(k); slices.Contains(got, "CreatePartitions") || slices.Contains(got, "AlterConfigs") {
		t.Errorf("the brokers got %v", got)
	}
}

// An id that no topic of the object's name has is no mistake of an object with a topic of its own, which may be replaced by one that has it. Whoever
// sets it is told what it does.
func TestAnIDToAdoptThatIsNotThereIsTold(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	client, warnings := server.Warned(t)
	topic := mustCreate(t, newTopic(k, "orders"))
	other := mustCreate(t, newTopic(k, "payments"))
	for id, want := range map[string]string{
		noTopicsID:           "no topic has this id",
		other.Status.TopicID: "this is the id of topic payments",
		topic.Status.TopicID: "",
	} {
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
			patch := []byte(`{"spec":{"adoptTopicID":"` + id + `"}}`)
			if _, err := topicsOf(client, k).Patch(t.Context(), "orders", types.MergePatchType, patch, metav1.PatchOptions{DryRun: dryRun}); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(warnings.Take(), "; ")
			if (said == "") != (want == "") || !strings.Contains(said, want) || want != "" && !strings.Contains(said, "the object keeps its own, topic orders with id "+topic.Status.TopicID) {
				t.Errorf("%s, dry run %v: %q, want %q", id, dryRun, said, want)
			}
		}
		// Written again it is no news.
		if _, err := topicsOf(client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"`+strconv.Itoa(len(want)+1000)+`"}}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		if said := warnings.Take(); len(said) > 0 {
			t.Errorf("%s, another change: %q", id, said)
		}
	}
	if now := mustGet(t, topic); now.Status.TopicID != topic.Status.TopicID {
		t.Errorf("the object has topic %s, had %s", now.Status.TopicID, topic.Status.TopicID)
	}
}
