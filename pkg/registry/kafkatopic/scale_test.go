package kafkatopic_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// patchScale is what kubectl scale sends.
func patchScale(k *apiservertest.Kafka, name, body string, options ...string) (*autoscalingv1.Scale, error) {
	scale := &autoscalingv1.Scale{}
	request := server.Client.KafkaV1beta1().RESTClient().Patch(types.MergePatchType).Namespace(k.Object.Namespace).
		Resource("kafkatopics").Name(name).SubResource("scale").Body([]byte(body))
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		request = request.Param(key, value)
	}
	return scale, request.Do(context.Background()).Into(scale)
}

func mustScale(t *testing.T, k *apiservertest.Kafka, name string) *autoscalingv1.Scale {
	t.Helper()
	scale, err := topicsOf(server.Client, k).GetScale(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return scale
}

func TestScaleIsWhatTheBrokersHave(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Grow(t, "orders", 5)
	scale := mustScale(t, k, "orders")
	if scale.Spec.Replicas != 5 || scale.Status.Replicas != 5 || scale.UID != topic.UID || scale.ResourceVersion != topic.ResourceVersion {
		t.Errorf("the scale is %+v", scale)
	}
}

func TestScalingGrowsTheTopicBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	scale, err := patchScale(k, "orders", `{"spec":{"replicas":12}}`)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(k.Topics(t)["orders"].Partitions); n != 12 || scale.Spec.Replicas != 12 || scale.Status.Replicas != 12 {
		t.Errorf("the brokers have %d partitions, the answer is %+v", n, scale)
	}
	if got, want := kinds(k), []string{"CreatePartitions"}; !slices.Equal(got, want) {
		t.Errorf("the brokers got %v, want %v", got, want)
	}
	topic := mustGet(t, newTopic(k, "orders"))
	if ptr.Deref(topic.Spec.Partitions, 0) != 12 || topic.Status.Partitions != 12 || topic.Generation != 2 || topic.Status.ObservedGeneration != 2 {
		t.Errorf("the object has %+v, generation %d, %+v", topic.Spec, topic.Generation, topic.Status)
	}
	expectReady(t, topic, metav1.ConditionTrue, "Ready")
	if scale.ResourceVersion != topic.ResourceVersion {
		t.Errorf("the answer is version %s, stored is %s", scale.ResourceVersion, topic.ResourceVersion)
	}
}

func TestScalingRefuses(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Grow(t, "orders", 12)
	current := mustScale(t, k, "orders")
	put := func(change func(*autoscalingv1.Scale)) func() error {
		return func() error {
			scale := current.DeepCopy()
			scale.Spec.Replicas = 20
			change(scale)
			_, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "orders", scale, metav1.UpdateOptions{})
			return err
		}
	}
	patch := func(body string) func() error {
		return func() error { _, err := patchScale(k, "orders", body); return err }
	}
	for _, tc := range []struct {
		rule  string
		do    func() error
		code  int32
		words []string
	}{
		{"fewer partitions than the brokers have", patch(`{"spec":{"replicas":6}}`), 422, []string{"spec.replicas", "12 partitions", "only grow"}},
		{"no partitions", patch(`{"spec":{"replicas":0}}`), 422, []string{"spec.replicas", "12 partitions"}},
		{"a body for another name", put(func(s *autoscalingv1.Scale) { s.Name = "other" }), 400, []string{"other"}},
		{"a body for another namespace", put(func(s *autoscalingv1.Scale) { s.Namespace = "other" }), 400, []string{"namespace"}},
		{"a foreign uid", put(func(s *autoscalingv1.Scale) { s.UID = "other" }), 409, []string{string(topic.UID)}},
		{"a foreign uid in a patch", patch(`{"metadata":{"uid":"other"},"spec":{"replicas":20}}`), 409, []string{string(topic.UID)}},
		{"a stale resourceVersion", put(func(s *autoscalingv1.Scale) { s.ResourceVersion = "1" }), 409, []string{"has been modified"}},
		{"a stale resourceVersion in a patch", patch(`{"metadata":{"resourceVersion":"1"},"spec":{"replicas":20}}`), 409, []string{"has been modified"}},
		{"a topic without object", func() error { _, err := patchScale(k, "no-such", `{"spec":{"replicas":6}}`); return err }, 404, []string{"no-such"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			expectStatus(t, tc.do(), tc.code, tc.words...)
			if n := len(k.Topics(t)["orders"].Partitions); n != 12 {
				t.Errorf("the brokers have %d partitions, want 12", n)
			}
			if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
				t.Errorf("the object was changed: %+v", got.Spec)
			}
		})
	}
	k.DeleteTopic(t, "orders")
	_, err := patchScale(k, "orders", `{"spec":{"replicas":20}}`)
	expectStatus(t, err, 404, "orders", "not on the brokers")
}

func TestADryRunOfScalingAsksTheBrokersOnly(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	scale, err := patchScale(k, "orders", `{"spec":{"replicas":12}}`, "dryRun=All")
	if err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 12 || scale.Status.Replicas != 3 || len(k.Topics(t)["orders"].Partitions) != 3 || !slices.Equal(kinds(k), []string{"CreatePartitions?"}) {
		t.Errorf("answered %+v after %v, the brokers have %d partitions", scale, kinds(k), len(k.Topics(t)["orders"].Partitions))
	}
	if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion {
		t.Error("the object was changed")
	}
}

// A number that the spec has already is stored nowhere, and asks for nothing.
func TestScalingToWhatIsThereChangesNothing(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	if _, err := patchScale(k, "orders", `{"spec":{"replicas":3}}`); err != nil {
		t.Fatal(err)
	}
	if got := mustGet(t, topic); got.ResourceVersion != topic.ResourceVersion || len(kinds(k)) != 0 {
		t.Errorf("version %s became %s, the brokers got %v", topic.ResourceVersion, got.ResourceVersion, kinds(k))
	}
}

func TestAdmissionJudgesScalingBeforeTheBrokers(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	server.Admit(t, k.Object.Namespace, func(a admission.Attributes) error {
		scale, ok := a.GetObject().(*autoscalingv1.Scale)
		if a.GetSubresource() != "scale" || !ok {
			return nil
		}
		if old := a.GetOldObject().(*autoscalingv1.Scale); old.Spec.Replicas != 3 || scale.Spec.Replicas != 12 {
			t.Errorf("admission sees %d and %d, want 3 and 12", old.Spec.Replicas, scale.Spec.Replicas)
		}
		return admission.NewForbidden(a, errNo)
	})
	_, err := patchScale(k, "orders", `{"spec":{"replicas":12}}`)
	expectStatus(t, err, 403, "the policy says no")
	if len(kinds(k)) != 0 {
		t.Errorf("the brokers got %v", kinds(k))
	}
}

// Ownership of the number moves between the object and /scale, so that server-side apply sees a conflict where there is one.
func TestTheOwnerOfTheNumberFollowsScale(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	apply := func(partitions string, force bool) error {
		body := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},` +
			`"spec":{"clusterRef":{"name":"k"},"partitions":` + partitions + `,"replicas":2}}`
		_, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", types.ApplyPatchType, []byte(body),
			metav1.PatchOptions{FieldManager: "gitops", Force: &force})
		return err
	}
	if err := apply("3", false); err != nil {
		t.Fatal(err)
	}
	if n := len(k.Topics(t)["orders"].Partitions); n != 3 {
		t.Fatalf("the brokers have %d partitions after an apply that creates", n)
	}
	if _, err := patchScale(k, "orders", `{"spec":{"replicas":6}}`, "fieldManager=scaler"); err != nil {
		t.Fatal(err)
	}
	owner := ""
	for _, entry := range mustGet(t, newTopic(k, "orders")).ManagedFields {
		if strings.Contains(entry.FieldsV1.GetRawString(), `"f:partitions"`) && entry.Subresource != "status" {
			owner += entry.Manager + "/" + entry.Subresource + " "
		}
	}
	if owner != "scaler/scale " {
		t.Errorf("spec.partitions belongs to %q, want scaler/scale", owner)
	}
	expectStatus(t, apply("9", false), 409, "conflict", "scaler", "spec.partitions")
	if err := apply("9", true); err != nil {
		t.Fatal(err)
	}
	if n := len(k.Topics(t)["orders"].Partitions); n != 9 {
		t.Errorf("the brokers have %d partitions after a forced apply", n)
	}
}
