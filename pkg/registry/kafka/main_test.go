package kafka_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// server is shared by all tests; each has namespaces and brokers of its own.
var server *apiservertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		var addresses *target.Addresses
		// Fakes listen on loopback.
		if addresses, err = target.NewAddresses(target.Places{Allow: []string{"127.0.0.0/8"}}, clock.RealClock{}); err == nil {
			server, err = apiservertest.Start(apiservertest.Options{Secrets: noSecrets{}, Addresses: addresses})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		return m.Run()
	}())
}

func kafkas(namespace string) typed.KafkaInterface {
	return server.Client.KafkaV1beta1().Kafkas(namespace)
}

// newKafka is a cluster of three combined nodes.
func newKafka(namespace string, change ...func(*v1beta1.Kafka)) *v1beta1.Kafka {
	k := &v1beta1.Kafka{
		ObjectMeta: metav1.ObjectMeta{Name: "my-cluster", Namespace: namespace},
		Spec: v1beta1.KafkaSpec{Version: "4.3.1", Brokers: &v1beta1.BrokersSpec{Replicas: ptr.To[int32](3),
			Storage: v1beta1.StorageSpec{Type: v1beta1.PersistentClaim, Size: ptr.To(resource.MustParse("10Gi"))}}},
	}
	for _, c := range change {
		c(k)
	}
	return k
}

func mustCreate(t *testing.T, k *v1beta1.Kafka) *v1beta1.Kafka {
	t.Helper()
	created, err := kafkas(k.Namespace).Create(t.Context(), k, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return created
}

// run makes a cluster that is run here one whose brokers are those of a fake, as the controllers report it.
func run(t *testing.T, fake *apiservertest.Kafka, replicas int32) *v1beta1.Kafka {
	t.Helper()
	k := mustCreate(t, newKafka(fake.Object.Namespace, func(k *v1beta1.Kafka) { k.Spec.Brokers.Replicas = ptr.To(replicas) }))
	k.Status.Listeners = []v1beta1.ListenerStatus{{Name: "plain", BootstrapServers: fake.ListenAddrs()[0], Addresses: fake.ListenAddrs()}}
	k.Status.Selector = "app=my-cluster"
	k, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// expectStatus checks the code of an answer, and that its message says all the words.
func expectStatus(t *testing.T, err error, code int32, words ...string) {
	t.Helper()
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		t.Fatalf("got %v, want an answer with code %d", err, code)
	}
	if got := status.Status().Code; got != code {
		t.Errorf("code is %d (%s), want %d: %v", got, http.StatusText(int(got)), code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the message does not say %q: %v", word, err)
		}
	}
}
