package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// patchScale is what kubectl scale sends.
func patchScale(t *testing.T, k *v1beta1.Kafka, body string, params ...string) (*autoscalingv1.Scale, error) {
	t.Helper()
	scale := &autoscalingv1.Scale{}
	request := server.Client.KafkaV1beta1().RESTClient().Patch(types.MergePatchType).Namespace(k.Namespace).
		Resource("kafkas").Name(k.Name).SubResource("scale").Body([]byte(body))
	for _, param := range params {
		key, value, _ := strings.Cut(param, "=")
		request = request.Param(key, value)
	}
	return scale, request.Do(t.Context()).Into(scale)
}

func replicasOf(t *testing.T, k *v1beta1.Kafka) int32 {
	t.Helper()
	got, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return *got.Spec.Brokers.Replicas
}

func TestScaleIsDesiredAndRegisteredBrokers(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 4)
	k := run(t, fake, 5)
	scale, err := kafkas(k.Namespace).GetScale(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 5 || scale.Status.Replicas != 4 || scale.Status.Selector != "app=my-cluster" || scale.UID != k.UID {
		t.Errorf("the scale is %+v", scale)
	}
}

func TestScalingOutIsStored(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 3)
	scale, err := patchScale(t, k, `{"spec":{"replicas":4}}`, "fieldManager=scaler")
	if err != nil {
		t.Fatal(err)
	}
	got, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 4 || *got.Spec.Brokers.Replicas != 4 || got.Generation != k.Generation+1 || scale.ResourceVersion != got.ResourceVersion {
		t.Errorf("answered %+v, stored %d, generation %d", scale, *got.Spec.Brokers.Replicas, got.Generation)
	}
	owners := []string{}
	for _, entry := range got.ManagedFields {
		if strings.Contains(entry.FieldsV1.GetRawString(), `"f:replicas"`) {
			owners = append(owners, entry.Manager+"/"+entry.Subresource)
		}
	}
	if !slices.Equal(owners, []string{"scaler/scale"}) {
		t.Errorf("spec.brokers.replicas belongs to %v, want scaler/scale", owners)
	}
	if _, err := patchScale(t, k, `{"spec":{"replicas":5}}`, "dryRun=All"); err != nil {
		t.Fatal(err)
	}
	if n := replicasOf(t, k); n != 4 {
		t.Errorf("a dry run stored %d", n)
	}
}

// inEveryWay tries a number of brokers through /scale, through a PUT of the spec and through a patch of it.
func inEveryWay(t *testing.T, k *v1beta1.Kafka, replicas int32, check func(t *testing.T, err error)) {
	t.Helper()
	t.Run("scale", func(t *testing.T) {
		_, err := patchScale(t, k, fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas))
		check(t, err)
	})
	t.Run("put", func(t *testing.T) {
		next := k.DeepCopy()
		next.ResourceVersion = ""
		next.Spec.Brokers.Replicas = ptr.To(replicas)
		_, err := kafkas(k.Namespace).Update(t.Context(), next, metav1.UpdateOptions{})
		check(t, err)
	})
	t.Run("patch", func(t *testing.T) {
		body := fmt.Sprintf(`{"spec":{"brokers":{"replicas":%d}}}`, replicas)
		_, err := kafkas(k.Namespace).Patch(t.Context(), k.Name, types.MergePatchType, []byte(body), metav1.PatchOptions{})
		check(t, err)
	})
}

func TestScalingInIsRefusedWhileABrokerThatWouldGoHostsAReplica(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 3)
	for i := range 12 {
		fake.CreateTopic(t, fmt.Sprintf("topic-%02d", i), 1, 3)
	}
	inEveryWay(t, k, 2, func(t *testing.T, err error) {
		expectStatus(t, err, 422, "spec.brokers.replicas", "broker 2 would go and hosts 12 replicas",
			"topic-00, topic-01, topic-02, topic-03, topic-04, topic-05, topic-06, topic-07, topic-08, topic-09 and 2 more")
		if strings.Contains(err.Error(), "topic-10") {
			t.Error("more than ten topics are named")
		}
	})
	inEveryWay(t, k, 1, func(t *testing.T, err error) { expectStatus(t, err, 422, "brokers 1 2 would go and host 24 replicas") })
	if n := replicasOf(t, k); n != 3 {
		t.Errorf("stored is %d", n)
	}
}

func TestEmptyBrokersCanGo(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 4)
	fake.CreateTopic(t, "orders", 3, 3)
	if _, err := patchScale(t, k, `{"spec":{"replicas":3}}`); err != nil {
		t.Fatal(err)
	}
	if n := replicasOf(t, k); n != 3 {
		t.Errorf("stored is %d", n)
	}
}

func TestBrokersThatCannotBeAskedAreNotTakenAway(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 3)
	fake.Refuse()
	inEveryWay(t, k, 2, func(t *testing.T, err error) { expectStatus(t, err, 503) })
	if n := replicasOf(t, k); n != 3 {
		t.Errorf("stored is %d", n)
	}
	// Everything else of the spec can be changed meanwhile.
	if _, err := kafkas(k.Namespace).Patch(t.Context(), k.Name, types.MergePatchType,
		[]byte(`{"spec":{"brokers":{"replicas":4,"config":{"log.retention.ms":"1"}}}}`), metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
}

// It is known of a cluster that never came up that its brokers host nothing.
func TestBrokersThatNeverServedCanBeTakenAway(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	fake.Refuse()
	k := run(t, fake, 9)
	k.Status.Formed = ptr.To(false)
	k, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale, err := kafkas(k.Namespace).GetScale(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil || scale.Spec.Replicas != 9 || scale.Status.Replicas != 0 {
		t.Errorf("the scale is %+v, %v", scale, err)
	}
	want := int32(9)
	for want > 5 {
		want--
		if _, err := patchScale(t, k, fmt.Sprintf(`{"spec":{"replicas":%d}}`, want)); err != nil {
			t.Fatal(err)
		}
		want--
		if _, err := kafkas(k.Namespace).Patch(t.Context(), k.Name, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"brokers":{"replicas":%d}}}`, want), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := replicasOf(t, k); n != want {
		t.Errorf("stored is %d, want %d", n, want)
	}
	if k, err = kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Status.Formed = ptr.To(true)
	if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	inEveryWay(t, k, 3, func(t *testing.T, err error) { expectStatus(t, err, 503) })
}

func TestScalingRefuses(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 3)
	current, err := kafkas(k.Namespace).GetScale(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(change func(*autoscalingv1.Scale)) error {
		scale := current.DeepCopy()
		scale.Spec.Replicas = 4
		change(scale)
		_, err := kafkas(k.Namespace).UpdateScale(t.Context(), k.Name, scale, metav1.UpdateOptions{})
		return err
	}
	for _, tc := range []struct {
		rule   string
		change func(*autoscalingv1.Scale)
		code   int32
		words  []string
	}{
		{"no brokers", func(s *autoscalingv1.Scale) { s.Spec.Replicas = 0 }, 422, []string{"spec.replicas", "at least 1 broker"}},
		{"more brokers than ids", func(s *autoscalingv1.Scale) { s.Spec.Replicas = 1001 }, 422, []string{"from 1 to 1000"}},
		{"a stale resourceVersion", func(s *autoscalingv1.Scale) { s.ResourceVersion = "1" }, 409, []string{"modified"}},
		{"a body for another name", func(s *autoscalingv1.Scale) { s.Name = "other" }, 400, []string{"other"}},
		{"a body for another namespace", func(s *autoscalingv1.Scale) { s.Namespace = "other" }, 400, []string{"namespace"}},
		{"a foreign uid", func(s *autoscalingv1.Scale) { s.UID = "other" }, 409, []string{string(k.UID)}},
	} {
		t.Run(tc.rule, func(t *testing.T) { expectStatus(t, put(tc.change), tc.code, tc.words...) })
	}
	if n := replicasOf(t, k); n != 3 {
		t.Errorf("stored is %d", n)
	}
	// The cluster of somebody else cannot be scaled, which needs no answer of its brokers.
	fake.Vanish()
	_, err = patchScale(t, fake.Object, `{"spec":{"replicas":4}}`)
	expectStatus(t, err, 422, "spec.external")
	_, err = kafkas(fake.Object.Namespace).GetScale(t.Context(), fake.Object.Name, metav1.GetOptions{})
	expectStatus(t, err, 422, "spec.external")
	_, err = kafkas(fake.Object.Namespace).UpdateScale(t.Context(), fake.Object.Name, &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: fake.Object.Name}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "spec.external")
}

func TestAdmissionSeesAScale(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	k := run(t, fake, 3)
	server.Admit(t, k.Namespace, func(a admission.Attributes) error {
		if a.GetSubresource() != "scale" {
			return nil
		}
		scale, old := a.GetObject().(*autoscalingv1.Scale), a.GetOldObject().(*autoscalingv1.Scale)
		if scale.Spec.Replicas != 4 || old.Spec.Replicas != 3 {
			t.Errorf("admission sees %d and %d", scale.Spec.Replicas, old.Spec.Replicas)
		}
		return admission.NewForbidden(a, errors.New("the policy says no"))
	})
	_, err := patchScale(t, k, `{"spec":{"replicas":4}}`)
	expectStatus(t, err, 403, "the policy says no")
	if n := replicasOf(t, k); n != 3 {
		t.Errorf("stored is %d", n)
	}
}

func TestBrokersAreWhatTheySay(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	fake.CreateTopic(t, "orders", 6, 2)
	view, err := kafkas(fake.Object.Namespace).GetBrokers(t.Context(), "k", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	leaders, replicas := int32(0), int32(0)
	for i, b := range view.Brokers {
		if b.ID != int32(i) || fmt.Sprintf("%s:%d", b.Host, b.Port) != fake.ListenAddrs()[i] || b.Fenced || !slices.Contains(b.Roles, "broker") {
			t.Errorf("broker %d is %+v", i, b)
		}
		leaders += b.Leaders
		replicas += b.Replicas
	}
	if len(view.Brokers) != 3 || leaders != 6 || replicas != 12 || view.ClusterID == "" || view.UID != fake.Object.UID {
		t.Errorf("the view is %+v", view)
	}
	columns, rows := table(t, fake.Object.Namespace, "k", "brokers")
	if want := []string{"ID", "Host", "Rack", "Roles", "Fenced", "Leaders", "Replicas", "Version"}; !slices.Equal(columns, want) {
		t.Errorf("columns are %v, want %v", columns, want)
	}
	if len(rows) != 3 {
		t.Errorf("rows are %v", rows)
	}
	_, err = kafkas(fake.Object.Namespace).GetBrokers(t.Context(), "no-such", metav1.GetOptions{})
	expectStatus(t, err, 404)
}

// Brokers that go must host nothing, of topics too of which a broker does not tell everything: in ZooKeeper mode it leaves out partitions
// that have never had a leader, and the others have records.
func TestScalingInSeesTopicsThatAreNotDescribedWhole(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// partitions are those of four that are told of.
		partitions []int32
		code       int32
		words      string
	}{
		"one is left out": {[]int32{0, 2, 3}, 422, "broker 2 would go and hosts 3 replicas"},
		"none is told":    {nil, 503, "topic orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := server.NewKafka(t, 3)
			k := run(t, fake, 3)
			fake.CreateTopic(t, "orders", 4, 3)
			client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			told, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			for i := range told.Topics {
				told.Topics[i].Partitions = slices.DeleteFunc(told.Topics[i].Partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
					return !slices.Contains(tc.partitions, p.Partition)
				})
			}
			fake.ControlKey(int16(kmsg.Metadata), func(request kmsg.Request) (kmsg.Response, error, bool) {
				fake.KeepControl()
				response := *told
				response.Version = request.GetVersion()
				return &response, nil, true
			})
			_, err = patchScale(t, k, `{"spec":{"replicas":2}}`)
			expectStatus(t, err, tc.code, tc.words)
			if n := replicasOf(t, k); n != 3 {
				t.Errorf("stored is %d", n)
			}
		})
	}
}

// What is not known of a broker that does not answer is not passed over.
func TestABrokerThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 3)
	fake.RefuseAt(t, 1)
	client, warnings := server.Warned(t)
	view, err := client.KafkaV1beta1().Kafkas(fake.Object.Namespace).GetBrokers(t.Context(), "k", metav1.GetOptions{})
	if err != nil || len(view.Brokers) != 3 {
		t.Fatalf("%+v, %v", view, err)
	}
	want := fmt.Sprintf("the version of broker 1 is not known: broker 1 of Kafka cluster %s/k does not answer", fake.Object.Namespace)
	if said := warnings.Take(); !slices.Equal(said, []string{want}) {
		t.Errorf("warnings %q, want %q", said, want)
	}
}
