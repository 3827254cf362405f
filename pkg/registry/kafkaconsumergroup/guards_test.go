package kafkaconsumergroup_test

import (
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// resetting arranges that a reset is refused, of the group billing or of one that does not exist.
func resetting(prepare func(t *testing.T, k *apiservertest.Kafka), reset v1beta1.OffsetReset) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaConsumerGroupOffsets] {
	return func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaConsumerGroupOffsets] {
		t.Helper()
		k := newGroup(t)
		prepare(t, k)
		group := "billing"
		if way.Creates() {
			group = "fresh"
		}
		before := committed(k, group, "orders")
		offsets := &v1beta1.KafkaConsumerGroupOffsets{ObjectMeta: metav1.ObjectMeta{Name: "k." + group, Namespace: k.Object.Namespace},
			Spec: v1beta1.KafkaConsumerGroupOffsetsSpec{Reset: []v1beta1.OffsetReset{reset}}}
		return apiservertest.Attempt[*v1beta1.KafkaConsumerGroupOffsets]{
			// A group has no finalizers: the last one goes with an update like any other.
			Object: offsets, Stored: offsets,
			Unchanged: func(t *testing.T) {
				t.Helper()
				if got := committed(k, group, "orders"); !maps.Equal(got, before) {
					t.Errorf("the group had committed %v, and has %v", before, got)
				}
			},
		}
	}
}

// second makes another Kafka of the cluster that the Kafka in a namespace is, and returns where.
func second(t *testing.T, maker versioned.Interface, first string) string {
	t.Helper()
	// The first one's is the cluster when it was asked.
	owner, err := server.Client.KafkaV1beta1().Kafkas(first).Get(t.Context(), "k", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Client.KafkaV1beta1().Kafkas(first).GetBrokers(t.Context(), owner.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	namespace := server.Namespace()
	_, err = maker.KafkaV1beta1().Kafkas(namespace).Create(t.Context(), &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: owner.Name}, Spec: owner.Spec}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace
}

// Nothing that a guard of offsets refuses is committed, whichever way it comes.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	client := server.Client.KafkaV1beta1().RESTClient()
	// Whose Kafka it is counts, not who asks.
	maker, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "own" })
	noPart := apiservertest.Answer{Code: 404, Words: "could not find the requested resource", Why: "a group has no such part"}
	noVerb := apiservertest.Answer{Code: 405, Words: "does not allow this method", Why: "offsets are read and updated only"}
	apiservertest.Guarded[*v1beta1.KafkaConsumerGroupOffsets]{
		Kind: "KafkaConsumerGroupOffsets", Resource: "kafkaconsumergroups", Subresource: "offsets",
		Beside: map[apiservertest.Way]apiservertest.Answer{
			apiservertest.WayPost: noVerb, apiservertest.WayDelete: noVerb, apiservertest.WayDeleteCollection: noVerb,
			apiservertest.WayScale: noPart, apiservertest.WayStatus: noPart,
		},
		Guards: []apiservertest.Guard[*v1beta1.KafkaConsumerGroupOffsets]{
			{
				Name: "a group with members is not reset", Client: client, Code: 409, Words: "while it has no members",
				Arrange: resetting(func(t *testing.T, k *apiservertest.Kafka) { join(t, k, "billing", "orders", 3) },
					v1beta1.OffsetReset{Topic: "orders", To: v1beta1.EarliestOffset}),
				Beside: map[apiservertest.Way]apiservertest.Answer{
					apiservertest.WayPutCreate:   {Code: 201, Words: `"state":"Empty"`, Why: "a group that is made has no members"},
					apiservertest.WayApplyCreate: {Code: 201, Words: `"state":"Empty"`, Why: "a group that is made has no members"},
				},
			},
			{
				Name: "offsets are within the log", Client: client, Code: 422, Words: "has the offsets 0 to 5",
				Arrange: resetting(func(*testing.T, *apiservertest.Kafka) {}, v1beta1.OffsetReset{Topic: "orders", Offset: ptr.To[int64](99)}),
			},
			{
				Name: "topics are on the brokers", Client: client, Code: 422, Words: "no such topic",
				Arrange: resetting(func(*testing.T, *apiservertest.Kafka) {}, v1beta1.OffsetReset{Topic: "payments", To: v1beta1.LatestOffset}),
			},
			{
				Name: "a cluster is that of its first Kafka", Client: client, Code: 403, Words: `"own"`,
				Arrange: func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.KafkaConsumerGroupOffsets] {
					t.Helper()
					attempt := resetting(func(*testing.T, *apiservertest.Kafka) {}, v1beta1.OffsetReset{Topic: "orders", To: v1beta1.EarliestOffset})(t, way)
					attempt.Object.Namespace = second(t, maker, attempt.Object.Namespace)
					return attempt
				},
			},
		},
	}.Test(t)
}
