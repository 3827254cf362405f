package kafkatopic_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// ownersOf are the managers of a field of the spec, as manager/operation/subresource.
func ownersOf(t *testing.T, topic *v1beta1.KafkaTopic, field string) []string {
	t.Helper()
	var owners []string
	for _, entry := range mustGet(t, topic).ManagedFields {
		if entry.Subresource != "status" && strings.Contains(entry.FieldsV1.GetRawString(), fmt.Sprintf(`"f:%s"`, field)) {
			owners = append(owners, fmt.Sprintf("%s/%s/%s", entry.Manager, entry.Operation, entry.Subresource))
		}
	}
	slices.Sort(owners)
	return owners
}

func applyTopic(t *testing.T, k *apiservertest.Kafka, spec string) {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},"spec":{"clusterRef":{"name":"k"}%s}}`, spec)
	if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.ApplyPatchType, []byte(body),
		metav1.PatchOptions{FieldManager: "gitops", Force: ptr.To(true)}); err != nil {
		t.Fatal(err)
	}
}

// What a write says nothing of is kept, and so is whose it is.
func TestFieldsThatAreLeftOutKeepTheirOwners(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	applyTopic(t, k, `,"partitions":3,"replicas":2,"deletionPolicy":"Retain"`)
	topic := newTopic(k, "orders")
	fields := []string{"partitions", "replicas", "deletionPolicy"}
	expect := func(what string, want ...string) {
		t.Helper()
		for _, field := range fields {
			if owners := ownersOf(t, topic, field); !slices.Equal(owners, want) {
				t.Errorf("%s: spec.%s belongs to %q, want %q", what, field, owners, want)
			}
		}
	}
	expect("after an apply", "gitops/Apply/")
	leaveOut := func(labels map[string]string) {
		t.Helper()
		next := mustGet(t, topic)
		next.Spec.Partitions, next.Spec.Replicas, next.Spec.DeletionPolicy, next.Labels = nil, nil, "", labels
		if _, err := topicsOf(server.Client, k).Update(t.Context(), next, metav1.UpdateOptions{FieldManager: "portal"}); err != nil {
			t.Fatal(err)
		}
	}
	leaveOut(map[string]string{"a": "b"})
	expect("after a PUT without them", "gitops/Apply/")
	before := mustGet(t, topic)
	leaveOut(map[string]string{"a": "b"})
	if after := mustGet(t, topic); after.ResourceVersion != before.ResourceVersion {
		t.Error("a PUT that changes nothing was stored")
	}
	if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"partitions":null,"replicas":null,"deletionPolicy":null}}`),
		metav1.PatchOptions{FieldManager: "portal"}); err != nil {
		t.Fatal(err)
	}
	expect("after a patch that takes them out", "gitops/Apply/")
	applyTopic(t, k, "")
	expect("after an apply that gives them up", "kafka-apiserver/Update/")
	if got := mustGet(t, topic); ptr.Deref(got.Spec.Partitions, 0) != 3 || ptr.Deref(got.Spec.Replicas, 0) != 2 || got.Spec.DeletionPolicy != v1beta1.TopicRetain {
		t.Errorf("the spec is %+v", got.Spec)
	}
}

// Who applies a number says whose it is, also where it is that number already.
func TestWhoAppliesAnEqualScaleOwnsIt(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	apply := func(manager string, replicas int) error {
		return object(server.Client.KafkaV1beta1().RESTClient().Patch(types.ApplyPatchType), topic).SubResource("scale").Param("fieldManager", manager).
			Body(fmt.Appendf(nil, `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"orders"},"spec":{"replicas":%d}}`, replicas)).Do(t.Context()).Error()
	}
	if err := apply("scaler", 3); err != nil {
		t.Fatal(err)
	}
	if owners := ownersOf(t, topic, "partitions"); !slices.Contains(owners, "scaler/Apply/scale") {
		t.Errorf("spec.partitions belongs to %q", owners)
	}
	before := mustGet(t, topic)
	if err := apply("scaler", 3); err != nil {
		t.Fatal(err)
	}
	if after := mustGet(t, topic); after.ResourceVersion != before.ResourceVersion || after.Generation != topic.Generation {
		t.Errorf("the same again was stored: generation %d", after.Generation)
	}
	expectStatus(t, apply("other", 6), 409, "conflict", "scaler")
}

// Who adds partitions to a topic by saying where they are says nothing of its spec, which this server then writes.
func TestPlacedPartitionsAreThisServers(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	if _, err := patchScale(k, "orders", `{"spec":{"replicas":4}}`, "fieldManager=scaler"); err != nil {
		t.Fatal(err)
	}
	view := mustPartitions(t, k, "orders")
	view.Spec.Partitions = append(view.Spec.Partitions, v1beta1.PartitionAssignment{Partition: 4, Replicas: []int32{1, 2}})
	if _, err := put(t, k, "orders", view); err != nil {
		t.Fatal(err)
	}
	if owners := ownersOf(t, topic, "partitions"); !slices.Equal(owners, []string{"kafka-apiserver/Update/"}) {
		t.Errorf("spec.partitions belongs to %q", owners)
	}
}
