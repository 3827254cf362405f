package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// statusWrites is how the statuses of Kafkas are written.
var statusWrites = apiservertest.Guarded[*v1beta1.Kafka]{
	Kind: "Kafka", Resource: "kafkas", Subresource: "status", Replicas: kafkaWrites.Replicas,
	Beside: map[apiservertest.Way]apiservertest.Answer{
		apiservertest.WayPost:             {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
		apiservertest.WayPutCreate:        {Code: 404, Words: "not found", Why: "there is no status without its object"},
		apiservertest.WayApplyCreate:      {Code: 404, Words: "not found", Why: "there is no status without its object"},
		apiservertest.WayDeparture:        {Code: 200, Words: `"finalizers":["example.com/hold"]`, Why: "a status says nothing of finalizers"},
		apiservertest.WayDelete:           {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
		apiservertest.WayDeleteCollection: {Code: 405, Words: "does not allow this method", Why: "a status is read and updated only"},
	},
}

// saying arranges that a status is written. before makes what is there, say what the status says, and stored checks what has come of one that
// is answered with success.
func saying(before func(t *testing.T) *v1beta1.Kafka, say func(*v1beta1.Kafka), stored func(t *testing.T, k *v1beta1.Kafka)) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.Kafka] {
	return func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.Kafka] {
		t.Helper()
		if way.Creates() {
			k := newKafka(server.Namespace())
			say(k)
			return apiservertest.Attempt[*v1beta1.Kafka]{Object: k, Unchanged: func(t *testing.T) {
				t.Helper()
				if _, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					t.Errorf("it is there: %v", err)
				}
			}}
		}
		k := before(t)
		if way.Departs() {
			k = departing(t, k)
		}
		was := k.DeepCopy()
		say(k)
		now := func(t *testing.T) *v1beta1.Kafka {
			t.Helper()
			got, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		unchanged := func(t *testing.T) {
			t.Helper()
			if got := now(t); !equality.Semantic.DeepEqual(got.Status, was.Status) {
				t.Errorf("the status was %+v and is %+v", was.Status, got.Status)
			}
		}
		return apiservertest.Attempt[*v1beta1.Kafka]{Object: k, Stored: was.DeepCopy(), Unchanged: unchanged, Done: func(t *testing.T) {
			t.Helper()
			if way == apiservertest.WayDeparture {
				unchanged(t)
				return
			}
			stored(t, now(t))
		}}
	}
}

// departing deletes a Kafka that waits for a finalizer.
func departing(t *testing.T, k *v1beta1.Kafka) *v1beta1.Kafka {
	t.Helper()
	if _, err := kafkas(k.Namespace).Patch(t.Context(), k.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":["example.com/hold"]}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := kafkas(k.Namespace).Delete(t.Context(), k.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// isReady says that a Kafka is ready, as its controller does.
func isReady(k *v1beta1.Kafka) {
	k.Status.ObservedGeneration = k.Generation
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "BrokersReady", ObservedGeneration: k.Generation})
}

// Only this server says which cluster a Kafka is, and whether it is ready as that, whichever way the status comes. A dry run is answered as what it
// tries, and stores and claims nothing.
func TestEveryGuardOfAStatusIsOnEveryWay(t *testing.T) {
	t.Parallel()
	tenant, _ := server.As(t, withoutOwn)
	client := server.Client.KafkaV1beta1().RESTClient()
	scale := func(code int, words, why string) map[apiservertest.Way]apiservertest.Answer {
		return map[apiservertest.Way]apiservertest.Answer{apiservertest.WayScale: {Code: code, Words: words, Why: why}}
	}
	here := scale(503, "not up yet", "a scale is of brokers that answer")
	external := scale(422, "external", "an external Kafka has no scale")
	is := func(ready string, id func(namespace string) string) func(*testing.T, *v1beta1.Kafka) {
		return func(t *testing.T, k *v1beta1.Kafka) {
			t.Helper()
			if want := id(k.Namespace); readyReason(k) != ready || k.Status.ClusterID != want {
				t.Errorf("it is %s, cluster %q, want %s, cluster %q", readyReason(k), k.Status.ClusterID, ready, want)
			}
		}
	}
	always := func(id string) func(string) string { return func(string) string { return id } }
	never := func(t *testing.T, k *v1beta1.Kafka) {
		t.Helper()
		t.Errorf("stored: %+v", k.Status)
	}
	mine := func(t *testing.T) *v1beta1.Kafka { t.Helper(); return somebody(t, server.Namespace()) }
	// formed is a Kafka whose nodes have formatted themselves.
	formed := func(t *testing.T) *v1beta1.Kafka {
		t.Helper()
		k := mine(t)
		k.Status.ClusterID, k.Status.Mode, k.Status.Formed = "formed-"+k.Namespace, v1beta1.ModeCombined, ptr.To(true)
		k.Status.Quorum = []v1beta1.QuorumVoter{{ID: 0, DirectoryID: "AAAAAAAAAAAAAAAAAAAAAQ"}}
		k, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	left := apiservertest.Answer{Code: 200, Words: `"quorum":[`, Why: "what a patch leaves out stays as it is"}
	const claimed = "claimed-for-status-000"
	introduce(t, mine(t), claimed)
	table := statusWrites
	table.Guards = []apiservertest.Guard[*v1beta1.Kafka]{
		{
			Name: "the cluster of another", Client: client, Code: 200, Words: `"reason":"ClusterClaimed"`,
			Arrange: saying(mine, func(k *v1beta1.Kafka) { k.Status.ClusterID = claimed }, is("False ClusterClaimed", always(""))),
			Beside:  here,
		},
		{
			Name: "the cluster of another that is external", Client: client, Code: 200, Words: `"reason":"ClusterClaimed"`,
			Arrange: saying(func(t *testing.T) *v1beta1.Kafka {
				t.Helper()
				fake := server.NewKafka(t, 1, kfake.ClusterID(claimed))
				if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				return at(t, tenant, server.Namespace(), fake)
			}, isReady, is("False ClusterClaimed", always(claimed))),
			Beside: external,
		},
		{
			Name: "a cluster that is nobody's", Client: client, Code: 200, Words: `"clusterID":"of-nobody-`,
			Arrange: func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.Kafka] {
				t.Helper()
				var id string
				attempt := saying(mine, func(k *v1beta1.Kafka) { id = "of-nobody-" + k.Namespace; k.Status.ClusterID = id }, func(t *testing.T, k *v1beta1.Kafka) {
					t.Helper()
					if got := introduce(t, mine(t), id); k.Status.ClusterID != id || got.Status.ClusterID != "" {
						t.Errorf("it is cluster %q, and the next one is cluster %q", k.Status.ClusterID, got.Status.ClusterID)
					}
				})(t, way)
				unchanged := attempt.Unchanged
				attempt.Unchanged = func(t *testing.T) {
					t.Helper()
					unchanged(t)
					if got := introduce(t, mine(t), id); got.Status.ClusterID != id {
						t.Errorf("what was not stored claims the cluster: %+v", got.Status)
					}
				}
				return attempt
			},
			Beside: here,
		},
		{
			Name: "the id of an external cluster", Client: client, Code: 200, Words: `"clusterID":"id-of-`,
			Arrange: saying(func(t *testing.T) *v1beta1.Kafka { t.Helper(); return server.NewKafka(t, 1).Object },
				func(k *v1beta1.Kafka) { isReady(k); k.Status.ClusterID = "made-up" },
				is("True BrokersReady", func(namespace string) string { return "id-of-" + namespace })),
			Beside: external,
		},
		{
			Name: "ready before it is identified", Client: client, Code: 200, Words: `"reason":"ClusterNotIdentified"`,
			Arrange: saying(func(t *testing.T) *v1beta1.Kafka {
				t.Helper()
				fake := server.NewKafka(t, 1)
				fake.Refuse()
				return fake.Object
			}, func(k *v1beta1.Kafka) { isReady(k); k.Status.ClusterID = "made-up" }, is("False ClusterNotIdentified", always(""))),
			Beside: external,
		},
		{
			Name: "brokers where none may be", Client: client, Code: 200, Words: `"reason":"AddressNotAllowed"`,
			Arrange: saying(func(t *testing.T) *v1beta1.Kafka {
				t.Helper()
				fake := server.NewKafka(t, 1)
				advertise(t, fake, "id-of-"+fake.Object.Namespace, "169.254.169.254:9092")
				return fake.Object
			}, isReady, is("False AddressNotAllowed", always(""))),
			Beside: external,
		},
		{
			Name: "a condition that is none", Client: client, Code: 422, Words: "status.conditions[0].reason",
			Arrange: saying(mine, func(k *v1beta1.Kafka) {
				k.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: "no reason at all", LastTransitionTime: metav1.Now()}}
			}, never),
			Beside: here,
		},
		{
			Name: "a cluster that has served", Client: client, Code: 422, Words: "status.formed",
			Arrange: saying(formed, func(k *v1beta1.Kafka) { k.Status.Formed = ptr.To(false) }, never),
			Beside:  here,
		},
		{
			Name: "the quorum of a cluster that was formatted", Client: client, Code: 422, Words: "status.quorum",
			Arrange: saying(formed, func(k *v1beta1.Kafka) { k.Status.Quorum = nil }, never),
			Beside: map[apiservertest.Way]apiservertest.Answer{
				apiservertest.WayScale: here[apiservertest.WayScale], apiservertest.WayMergePatch: left, apiservertest.WayStrategicPatch: left, apiservertest.WayApply: left,
			},
		},
		{
			Name: "the id of a cluster that was formatted", Client: client, Code: 422, Words: "the id of a cluster never changes",
			Arrange: saying(formed, func(k *v1beta1.Kafka) { k.Status.ClusterID = "changed-" + k.Namespace }, never),
			Beside:  here,
		},
	}
	table.Test(t)
}
