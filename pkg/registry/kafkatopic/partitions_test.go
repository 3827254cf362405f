package kafkatopic_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

func mustPartitions(t *testing.T, k *apiservertest.Kafka, name string) *v1beta1.KafkaTopicPartitions {
	t.Helper()
	view, err := topicsOf(server.Client, k).GetPartitions(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func put(t *testing.T, k *apiservertest.Kafka, name string, view *v1beta1.KafkaTopicPartitions, dryRun ...string) (*v1beta1.KafkaTopicPartitions, error) {
	t.Helper()
	return topicsOf(server.Client, k).UpdatePartitions(t.Context(), name, view, metav1.UpdateOptions{DryRun: dryRun})
}

// swapped is a replica list of the same brokers in another order.
func swapped(replicas []int32) []int32 {
	other := slices.Clone(replicas)
	slices.Reverse(other)
	return other
}

func TestPartitionsAreWhatTheBrokersSay(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	view := mustPartitions(t, k, "orders")
	have := k.Topics(t)["orders"]
	if view.Name != "orders" || view.Namespace != k.Object.Namespace || view.UID != topic.UID || len(view.Spec.Partitions) != 3 || len(view.Status.Partitions) != 3 {
		t.Fatalf("the view is %+v", view)
	}
	if view.Status.TopicName != "orders" || view.Status.TopicID != have.ID {
		t.Errorf("the view is of topic %s %s, the brokers have %s", view.Status.TopicName, view.Status.TopicID, have.ID)
	}
	for i, entry := range view.Spec.Partitions {
		status := view.Status.Partitions[i]
		if entry.Partition != int32(i) || status.Partition != int32(i) || !slices.Equal(entry.Replicas, have.Partitions[int32(i)]) {
			t.Errorf("entry %d is %+v, the brokers have %v", i, entry, have.Partitions[int32(i)])
		}
		if leader := k.LeaderFor("orders", int32(i)); status.Leader != leader {
			t.Errorf("partition %d is led by %d, the view says %d", i, leader, status.Leader)
		}
		if ptr.Deref(status.StartOffset, -1) != 0 || ptr.Deref(status.EndOffset, -1) != 0 || len(status.ISR) == 0 {
			t.Errorf("partition %d is %+v", i, status)
		}
	}
	if again := mustPartitions(t, k, "orders"); again.ResourceVersion != view.ResourceVersion {
		t.Error("the resourceVersion changes by itself")
	}
	k.Grow(t, "orders", 4)
	if grown := mustPartitions(t, k, "orders"); grown.ResourceVersion == view.ResourceVersion {
		t.Error("the resourceVersion stays although the topic has grown")
	}
}

func TestOtherReplicaListsStartAReassignment(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	view := mustPartitions(t, k, "orders")
	wanted := swapped(view.Spec.Partitions[1].Replicas)
	view.Spec.Partitions[1].Replicas = wanted
	k.Forget()
	if _, err := put(t, k, "orders", view); err != nil {
		t.Fatal(err)
	}
	requests := k.Requests()
	if got := kinds(k); !slices.Equal(got, []string{"Reassign"}) {
		t.Fatalf("the brokers got %v, want one Reassign", got)
	}
	topics := requests[0].Message.(*kmsg.AlterPartitionAssignmentsRequest).Topics
	if len(topics) != 1 || topics[0].Topic != "orders" || len(topics[0].Partitions) != 1 ||
		topics[0].Partitions[0].Partition != 1 || !slices.Equal(topics[0].Partitions[0].Replicas, wanted) {
		t.Errorf("the brokers were asked for %+v, want partition 1 on %v alone", topics, wanted)
	}
}

func TestMoreEntriesAddPartitionsWithThatPlacement(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	view := mustPartitions(t, k, "orders")
	k.Forget()
	// The order of the entries does not matter.
	view.Spec.Partitions = append([]v1beta1.PartitionAssignment{{Partition: 4, Replicas: []int32{2, 0}}, {Partition: 3, Replicas: []int32{1, 2}}}, view.Spec.Partitions...)
	grown, err := put(t, k, "orders", view)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(k); !slices.Equal(got, []string{"CreatePartitions"}) {
		t.Errorf("the brokers got %v", got)
	}
	expectPlaced(t, k, 5, []int32{1, 2}, []int32{2, 0})
	if n := len(k.Topics(t)["orders"].Partitions); n != 5 {
		t.Errorf("the brokers have %d partitions", n)
	}
	if len(grown.Spec.Partitions) != 5 || grown.ResourceVersion == view.ResourceVersion {
		t.Errorf("the answer has %d entries and version %s", len(grown.Spec.Partitions), grown.ResourceVersion)
	}
	topic := mustGet(t, newTopic(k, "orders"))
	if ptr.Deref(topic.Spec.Partitions, 0) != 5 || topic.Status.Partitions != 5 || topic.Status.ObservedGeneration != topic.Generation {
		t.Errorf("the object has %+v and %+v", topic.Spec, topic.Status)
	}
}

// expectPlaced checks where the brokers were told to put new partitions.
func expectPlaced(t *testing.T, k *apiservertest.Kafka, total int32, replicas ...[]int32) {
	t.Helper()
	for _, request := range k.Requests() {
		grown, ok := request.Message.(*kmsg.CreatePartitionsRequest)
		if !ok {
			continue
		}
		if len(grown.Topics) != 1 || grown.Topics[0].Count != total || len(grown.Topics[0].Assignment) != len(replicas) {
			t.Fatalf("the brokers were asked for %+v, want %d partitions, the new ones on %v", grown.Topics, total, replicas)
		}
		for i, assignment := range grown.Topics[0].Assignment {
			if !slices.Equal(assignment.Replicas, replicas[i]) {
				t.Errorf("new partition %d is put on %v, want %v", i, assignment.Replicas, replicas[i])
			}
		}
	}
}

func TestPartitionsRefuse(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	mustCreate(t, newTopic(k, "other"))
	current := mustPartitions(t, k, "orders")
	for _, tc := range []struct {
		rule   string
		change func(*v1beta1.KafkaTopicPartitions)
		code   int32
		words  []string
	}{
		{"a stale hash", func(v *v1beta1.KafkaTopicPartitions) {
			v.ResourceVersion = mustPartitions(t, k, "other").ResourceVersion
		}, 409, []string{"has been modified"}},
		{"a body for another name", func(v *v1beta1.KafkaTopicPartitions) { v.Name = "other" }, 400, []string{"other"}},
		{"a body for another namespace", func(v *v1beta1.KafkaTopicPartitions) { v.Namespace = "other" }, 400, []string{"namespace"}},
		{"a foreign uid", func(v *v1beta1.KafkaTopicPartitions) { v.UID = "other" }, 409, []string{string(topic.UID)}},
		{"fewer partitions", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions = v.Spec.Partitions[:2] }, 422, []string{"has 3 partitions", "only grow"}},
		{"no partitions", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions = nil }, 422, []string{"only grow"}},
		{"a gap", func(v *v1beta1.KafkaTopicPartitions) {
			v.Spec.Partitions = append(v.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 4, Replicas: []int32{0, 1}})
		}, 422, []string{"spec.partitions[3].partition", "without gaps"}},
		{"a partition twice", func(v *v1beta1.KafkaTopicPartitions) {
			v.Spec.Partitions = append(v.Spec.Partitions, v.Spec.Partitions[0])
		}, 422, []string{"Duplicate"}},
		{"a broker that does not exist", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions[0].Replicas = []int32{0, 9} }, 422, []string{"spec.partitions[0].replicas[1]", "brokers [0 1 2]"}},
		{"a new partition on a broker that does not exist", func(v *v1beta1.KafkaTopicPartitions) {
			v.Spec.Partitions = append(v.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 3, Replicas: []int32{9, 0}})
		}, 422, []string{"spec.partitions[3].replicas[0]", "brokers [0 1 2]"}},
		{"a broker twice", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions[0].Replicas = []int32{1, 1} }, 422, []string{"Duplicate"}},
		{"no brokers", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions[0].Replicas = []int32{} }, 422, []string{"at least one broker"}},
		{"another number of replicas", func(v *v1beta1.KafkaTopicPartitions) { v.Spec.Partitions[0].Replicas = []int32{0, 1, 2} }, 422, []string{"spec.partitions[0].replicas", "has 2 replicas"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			view := current.DeepCopy()
			view.Spec.Partitions[1].Replicas = swapped(view.Spec.Partitions[1].Replicas) // would be accepted
			tc.change(view)
			k.Forget()
			_, err := put(t, k, "orders", view)
			expectStatus(t, err, tc.code, tc.words...)
			if got := kinds(k); len(got) != 0 {
				t.Errorf("the brokers got %v", got)
			}
			if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
				t.Errorf("the object was changed: %+v", got.Spec)
			}
		})
	}
	_, err := put(t, k, "no-such", &v1beta1.KafkaTopicPartitions{ObjectMeta: metav1.ObjectMeta{Name: "no-such"}})
	expectStatus(t, err, 404, "no-such")
}

func TestADryRunOfPartitionsAsksTheBrokersOnly(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	view := mustPartitions(t, k, "orders")
	view.Spec.Partitions[0].Replicas = swapped(view.Spec.Partitions[0].Replicas)
	view.Spec.Partitions = append(view.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 3, Replicas: []int32{0, 1}})
	k.Forget()
	answer, err := put(t, k, "orders", view, metav1.DryRunAll)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Spec.Partitions) != 4 || !slices.Equal(answer.Spec.Partitions[0].Replicas, view.Spec.Partitions[0].Replicas) {
		t.Errorf("the answer is %+v", answer.Spec.Partitions)
	}
	if got := kinds(k); !slices.Equal(got, []string{"CreatePartitions?"}) {
		t.Errorf("the brokers got %v", got)
	}
	if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion || len(k.Topics(t)["orders"].Partitions) != 3 {
		t.Error("something was changed")
	}
}

func TestPartitionsCanBePatched(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](1) }))
	k.Forget()
	body := `[{"op":"add","path":"/spec/partitions/1","value":{"partition":1,"replicas":[2,1]}}]`
	err := server.Client.KafkaV1beta1().RESTClient().Patch(types.JSONPatchType).Namespace(k.Object.Namespace).Resource("kafkatopics").
		Name("orders").SubResource("partitions").Body([]byte(body)).Do(t.Context()).Error()
	if err != nil {
		t.Fatal(err)
	}
	expectPlaced(t, k, 2, []int32{2, 1})
}

func TestAdmissionJudgesPartitionsBeforeTheBrokers(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		next, ok := a.GetObject().(*kafka.KafkaTopicPartitions)
		if a.GetSubresource() != "partitions" || !ok {
			return nil
		}
		if old := a.GetOldObject().(*kafka.KafkaTopicPartitions); len(old.Spec.Partitions) != 3 || len(next.Spec.Partitions) != 3 {
			t.Errorf("admission sees %d and %d entries", len(old.Spec.Partitions), len(next.Spec.Partitions))
		}
		return admission.NewForbidden(a, errNo)
	})
	view := mustPartitions(t, k, "orders")
	view.Spec.Partitions[0].Replicas = swapped(view.Spec.Partitions[0].Replicas)
	k.Forget()
	_, err := put(t, k, "orders", view)
	expectStatus(t, err, 403, "the policy says no")
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
}

// Until a move has ended, brokers count the replicas that it adds and those that it removes.
func TestAMoveMayBeginWhileAnotherPartitionMoves(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 4)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](3) }))
	script(k, int16(kmsg.ListPartitionReassignments), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		moving := kmsg.NewListPartitionReassignmentsResponseTopic()
		moving.Topic = "orders"
		partition := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		partition.Partition, partition.Replicas, partition.AddingReplicas, partition.RemovingReplicas = 0, []int32{3, 0, 1, 2}, []int32{3}, []int32{0}
		moving.Partitions = append(moving.Partitions, partition)
		response.Topics = append(response.Topics, moving)
		return response
	})
	view := mustPartitions(t, k, "orders")
	if got := view.Spec.Partitions[0].Replicas; !slices.Equal(got, []int32{3, 1, 2}) {
		t.Errorf("partition 0 moves to %v, want 3, 1, 2", got)
	}
	view.Spec.Partitions[0].Replicas = []int32{0, 1, 2}
	view.Spec.Partitions[1].Replicas = []int32{0, 1, 3}
	k.Forget()
	if _, err := put(t, k, "orders", view); err != nil {
		t.Fatal(err)
	}
	if got := kinds(k); !slices.Equal(got, []string{"Reassign"}) {
		t.Errorf("the brokers got %v, want one Reassign", got)
	}
}

// A broker may count the replicas of a move that has just ended; and who made a topic with more replicas than its object says, mends it.
func TestPartitionsMayGetAsManyReplicasAsTheObjectSays(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 4)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](2) }))
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 3)
	topic.Spec.AdoptTopicID = k.Topics(t)["orders"].ID
	if _, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	view := mustPartitions(t, k, "orders")
	view.Spec.Partitions[0].Replicas = []int32{0, 1, 2, 3}
	_, err := put(t, k, "orders", view)
	expectStatus(t, err, 422, "spec.partitions[0].replicas", "the topic has 2 replicas a partition")
	view.Spec.Partitions[0].Replicas = []int32{0, 1}
	view.Spec.Partitions[1].Replicas = []int32{1, 2, 3}
	k.Forget()
	if _, err := put(t, k, "orders", view); err != nil {
		t.Fatal(err)
	}
	if got := kinds(k); !slices.Equal(got, []string{"Reassign"}) {
		t.Errorf("the brokers got %v, want one Reassign", got)
	}
}

// While a request is under way its topic is deleted, and somebody makes another, whose partitions are in the same places: it is not moved.
func TestAnotherTopicIsNotMoved(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](1), ptr.To[int32](1)
	}))
	view, was := mustPartitions(t, k, "orders"), k.Topics(t)["orders"]
	at := was.Partitions[0][0]
	view.Spec.Partitions[0].Replicas = []int32{(at + 1) % 3}
	var replaced atomic.Bool
	k.ControlKey(int16(kmsg.DescribeCluster), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if !replaced.Swap(true) {
			k.SleepControl(func() {
				for now := was; now.ID == was.ID || now.Partitions[0][0] != at; now = k.Topics(t)["orders"] {
					k.DeleteTopic(t, "orders")
					k.CreateTopic(t, "orders", 1, 1)
				}
			})
		}
		return nil, nil, false
	})
	_, err := put(t, k, "orders", view)
	if !replaced.Load() {
		t.Fatal("the topic was not replaced")
	}
	expectStatus(t, err, 409, "changed meanwhile")
	if got := kinds(k); slices.Contains(got, "Reassign") {
		t.Errorf("the brokers got %v", got)
	}
}
