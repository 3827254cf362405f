package kafka_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// kafkaWrites is how Kafkas are written, and what no guard of theirs has to do with.
var kafkaWrites = apiservertest.Guarded[*v1beta1.Kafka]{
	Kind: "Kafka", Resource: "kafkas",
	Replicas: func(k *v1beta1.Kafka) int32 {
		if k.Spec.Brokers == nil {
			return 1
		}
		return *k.Spec.Brokers.Replicas
	},
	Beside: map[apiservertest.Way]apiservertest.Answer{
		apiservertest.WayPutCreate:        {Code: 404, Words: "not found", Why: "an update makes no Kafka"},
		apiservertest.WayStatus:           {Code: 200, Words: `"kind":"Kafka"`, Why: "a status says nothing of the spec"},
		apiservertest.WayDeparture:        {Code: 200, Words: `"deletionTimestamp":`, Why: "what goes says nothing of the spec"},
		apiservertest.WayDelete:           {Code: 200, Words: `"status":"Success"`, Why: "a delete says nothing of the spec"},
		apiservertest.WayDeleteCollection: {Code: 200, Words: `"kind":"KafkaList"`, Why: "a delete says nothing of the spec"},
	},
}

// offence arranges that a write is refused. before makes what is there, and offend changes it into what a guard refuses.
func offence(before func(namespace string) *v1beta1.Kafka, offend func(*v1beta1.Kafka)) func(*testing.T, apiservertest.Way) apiservertest.Attempt[*v1beta1.Kafka] {
	return func(t *testing.T, way apiservertest.Way) apiservertest.Attempt[*v1beta1.Kafka] {
		t.Helper()
		k := before(server.Namespace())
		var stored *v1beta1.Kafka
		if !way.Creates() {
			terminating := way.Departs()
			if terminating {
				k.Finalizers = []string{"example.com/f"}
			}
			// A cluster is one Kafka's.
			fake := server.NewKafka(t, 3)
			fake.CreateTopic(t, "orders", 3, 3)
			stored = there(t, k, fake.ListenAddrs(), terminating)
			k = stored.DeepCopy()
		}
		offend(k)
		return apiservertest.Attempt[*v1beta1.Kafka]{Object: k, Stored: stored.DeepCopy(), Unchanged: func(t *testing.T) {
			t.Helper()
			got, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
			switch {
			case stored == nil:
				if !apierrors.IsNotFound(err) {
					t.Errorf("it is there: %v", err)
				}
			case err != nil:
				t.Error(err)
			case !equality.Semantic.DeepEqual(got.Spec, stored.Spec):
				t.Errorf("the spec was stored: %+v", got.Spec)
			}
		}, Done: func(t *testing.T) {
			t.Helper()
			if _, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("it is there: %v", err)
			}
		}}
	}
}

// Nothing that a guard of a spec refuses is stored, whichever way it comes.
func TestEveryGuardIsOnEveryWay(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, withoutSecret("creds"))
	client := server.Client.KafkaV1beta1().RESTClient()
	external := map[apiservertest.Way]apiservertest.Answer{apiservertest.WayScale: {Code: 422, Words: "external", Why: "an external Kafka has no scale, whatever it says"}}
	table := kafkaWrites
	table.Guards = []apiservertest.Guard[*v1beta1.Kafka]{
		{
			Name: "who refers to a Secret may read it", Client: user.KafkaV1beta1().RESTClient(), Code: 403, Words: "secrets/creds",
			Arrange: offence(func(namespace string) *v1beta1.Kafka { return externalKafka(namespace, withPassword) },
				func(k *v1beta1.Kafka) { k.Spec.External.BootstrapServers = []string{"evil.example.com:9092"} }),
			Beside: external,
		},
		{
			Name: "external clusters are where they may be", Client: client, Code: 422, Words: "spec.external.bootstrapServers[1]",
			Arrange: offence(func(namespace string) *v1beta1.Kafka { return externalKafka(namespace) }, func(k *v1beta1.Kafka) {
				k.Spec.External.BootstrapServers = []string{"kafka.example.com:9092", "169.254.169.254:80"}
			}),
			Beside: external,
		},
		{
			Name: "brokers that host something stay", Client: client, Code: 422, Words: "broker 2 would go and hosts 3 replicas",
			Arrange: offence(func(namespace string) *v1beta1.Kafka { return newKafka(namespace) },
				func(k *v1beta1.Kafka) { k.Spec.Brokers.Replicas = ptr.To[int32](2) }),
			Beside: map[apiservertest.Way]apiservertest.Answer{
				apiservertest.WayPost:        {Code: 201, Words: `"uid":`, Why: "a new Kafka has no brokers yet"},
				apiservertest.WayApplyCreate: {Code: 201, Words: `"uid":`, Why: "a new Kafka has no brokers yet"},
			},
		},
	}
	table.Test(t)
}

// there stores an object as somebody who may, and reports the brokers of a fake as its own when it is run here.
func there(t *testing.T, k *v1beta1.Kafka, addresses []string, terminating bool) *v1beta1.Kafka {
	t.Helper()
	k = mustCreate(t, k)
	var err error
	if k.Spec.Brokers != nil {
		k.Status.ClusterID = "id-of-" + k.Namespace
		k.Status.Listeners = []v1beta1.ListenerStatus{{Name: "plain", BootstrapServers: addresses[0], Addresses: addresses}}
		if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if terminating {
		if err := kafkas(k.Namespace).Delete(t.Context(), k.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if k, err = kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return k
}
