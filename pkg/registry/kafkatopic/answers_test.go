package kafkatopic_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// A retry does not mend that somebody else's topic has the name, so no client may be told to try again.
func TestWhatIsMeantForAReplacedTopicIsInvalid(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	view := mustPartitions(t, k, "orders")
	k.DeleteTopic(t, "orders")
	k.CreateTopic(t, "orders", 3, 2)
	topics := topicsOf(server.Client, k)
	k.Forget()
	for what, write := range map[string]func() error{
		"update": func() error {
			changed := topic.DeepCopy()
			changed.Spec.Partitions = ptr.To[int32](5)
			_, err := topics.Update(t.Context(), changed, metav1.UpdateOptions{})
			return err
		},
		"scale": func() error {
			_, err := patchScale(k, "orders", `{"spec":{"replicas":6}}`)
			return err
		},
		"partitions": func() error {
			view.ResourceVersion = ""
			_, err := put(t, k, "orders", view)
			return err
		},
		"elect": func() error {
			_, err := elect(t, k, v1beta1.KafkaTopicElectionSpec{})
			return err
		},
		"truncate": func() error {
			spec := v1beta1.KafkaTopicTruncationSpec{Partitions: []v1beta1.TruncationTarget{{BeforeOffset: ptr.To[int64](0)}}}
			_, err := topics.Truncate(t.Context(), "orders", &v1beta1.KafkaTopicTruncation{Spec: spec}, metav1.CreateOptions{})
			return err
		},
		"records": func() error {
			spec := v1beta1.KafkaTopicRecordsSpec{Records: []v1beta1.TopicRecord{{Value: ptr.To("x")}}}
			_, err := topics.CreateRecords(t.Context(), "orders", &v1beta1.KafkaTopicRecords{Spec: spec}, metav1.CreateOptions{})
			return err
		},
	} {
		err := write()
		expectStatus(t, err, 422, "spec.adoptTopicID", "is another than the object had", k.Topics(t)["orders"].ID)
		if cause, found := apierrors.StatusCause(err, metav1.CauseTypeFieldValueDuplicate); !found || cause.Field != "spec.adoptTopicID" {
			t.Errorf("%s: the causes do not say that spec.adoptTopicID is a duplicate: %v", what, err)
		}
	}
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
}

// Answers of subresources that store nothing are no objects whose fields have owners.
func TestAnswersHaveNoManagedFields(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	var asked []*kmsg.ElectLeadersRequest
	answerElections(k, nil, &asked)
	view := mustPartitions(t, k, "orders")
	assignment, err := json.Marshal(view.Spec)
	if err != nil {
		t.Fatal(err)
	}
	applied := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicPartitions","metadata":{"name":"orders"},"spec":%s}`, assignment)
	topics := topicsOf(server.Client, k)
	for what, write := range map[string]func(dryRun []string) (metav1.Object, error){
		"elect": func(dryRun []string) (metav1.Object, error) {
			return elect(t, k, v1beta1.KafkaTopicElectionSpec{}, dryRun...)
		},
		"truncate": func(dryRun []string) (metav1.Object, error) {
			spec := v1beta1.KafkaTopicTruncationSpec{Partitions: []v1beta1.TruncationTarget{{BeforeOffset: ptr.To[int64](0)}}}
			return topics.Truncate(t.Context(), "orders", &v1beta1.KafkaTopicTruncation{Spec: spec}, metav1.CreateOptions{DryRun: dryRun})
		},
		"records": func(dryRun []string) (metav1.Object, error) {
			spec := v1beta1.KafkaTopicRecordsSpec{Records: []v1beta1.TopicRecord{{Value: ptr.To("x")}}}
			return topics.CreateRecords(t.Context(), "orders", &v1beta1.KafkaTopicRecords{Spec: spec}, metav1.CreateOptions{DryRun: dryRun})
		},
		"update of partitions": func(dryRun []string) (metav1.Object, error) {
			return put(t, k, "orders", view, dryRun...)
		},
		"patch of partitions": func(dryRun []string) (metav1.Object, error) {
			var out v1beta1.KafkaTopicPartitions
			err := server.Client.KafkaV1beta1().RESTClient().Patch(types.MergePatchType).Namespace(k.Object.Namespace).Resource("kafkatopics").Name("orders").
				SubResource("partitions").VersionedParams(&metav1.PatchOptions{DryRun: dryRun}, metav1.ParameterCodec).Body([]byte(`{"spec":` + string(assignment) + `}`)).
				Do(t.Context()).Into(&out)
			return &out, err
		},
		"apply of partitions": func(dryRun []string) (metav1.Object, error) {
			var out v1beta1.KafkaTopicPartitions
			err := server.Client.KafkaV1beta1().RESTClient().Patch(types.ApplyPatchType).Namespace(k.Object.Namespace).Resource("kafkatopics").Name("orders").
				SubResource("partitions").VersionedParams(&metav1.PatchOptions{DryRun: dryRun, FieldManager: "test", Force: ptr.To(true)}, metav1.ParameterCodec).
				Body([]byte(applied)).Do(t.Context()).Into(&out)
			return &out, err
		},
	} {
		for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
			answer, err := write(dryRun)
			if err != nil {
				t.Errorf("%s %v: %v", what, dryRun, err)
				continue
			}
			if fields := answer.GetManagedFields(); fields != nil {
				t.Errorf("%s %v: the answer has managedFields %v", what, dryRun, fields)
			}
		}
	}
}

func TestARefusalSaysEachCauseOnce(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	long := map[string]string{"a": strings.Repeat("x", 300<<10)}
	_, created := create(server.Client, newTopic(k, "other", func(topic *v1beta1.KafkaTopic) { topic.Annotations = long }))
	_, patched := topicsOf(server.Client, k).Patch(t.Context(), topic.Name, types.MergePatchType, asJSON(t, map[string]any{"metadata": map[string]any{"annotations": long, "uid": "other"}}),
		metav1.PatchOptions{})
	for what, err := range map[string]error{"create": created, "update": patched} {
		expectStatus(t, err, 422, "metadata.annotations")
		causes := err.(apierrors.APIStatus).Status().Details.Causes
		for i, cause := range causes {
			if slices.Contains(causes[:i], cause) {
				t.Errorf("%s: said twice: %+v", what, cause)
			}
		}
	}
}
