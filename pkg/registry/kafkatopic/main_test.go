package kafkatopic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// server is shared by all tests; each has namespaces and brokers of its own.
var server *apiservertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if server, err = apiservertest.Start(apiservertest.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		return m.Run()
	}())
}

// newTopic is a topic of three partitions and two replicas on k.
func newTopic(k *apiservertest.Kafka, name string, change ...func(*v1beta1.KafkaTopic)) *v1beta1.KafkaTopic {
	topic := &v1beta1.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: k.Object.Namespace},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Object.Name},
			Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)},
	}
	for _, c := range change {
		c(topic)
	}
	return topic
}

func topicsOf(client versioned.Interface, k *apiservertest.Kafka) typed.KafkaTopicInterface {
	return client.KafkaV1beta1().KafkaTopics(k.Object.Namespace)
}

func create(client versioned.Interface, topic *v1beta1.KafkaTopic, dryRun ...string) (*v1beta1.KafkaTopic, error) {
	return client.KafkaV1beta1().KafkaTopics(topic.Namespace).Create(context.Background(), topic, metav1.CreateOptions{DryRun: dryRun})
}

func mustCreate(t *testing.T, topic *v1beta1.KafkaTopic) *v1beta1.KafkaTopic {
	t.Helper()
	created, err := create(server.Client, topic)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func mustGet(t *testing.T, topic *v1beta1.KafkaTopic) *v1beta1.KafkaTopic {
	t.Helper()
	got, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Get(t.Context(), topic.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustDelete(t *testing.T, topic *v1beta1.KafkaTopic) {
	t.Helper()
	if err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Delete(t.Context(), topic.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
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

func expectReady(t *testing.T, topic *v1beta1.KafkaTopic, status metav1.ConditionStatus, reason string) {
	t.Helper()
	ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
	switch {
	case ready == nil:
		t.Errorf("topic %s has no condition Ready", topic.Name)
	case ready.Status != status || ready.Reason != reason:
		t.Errorf("topic %s has Ready=%s %s (%s), want %s %s", topic.Name, ready.Status, ready.Reason, ready.Message, status, reason)
	}
}

type claim = storage.Claim

// kinds are the requests that reached the brokers, as words.
func kinds(k *apiservertest.Kafka) []string {
	words := []string{}
	for _, request := range k.Requests() {
		word := request.Kind
		if request.ValidateOnly {
			word += "?"
		}
		words = append(words, word)
	}
	return words
}

// expectNothing checks that neither brokers, nor etcd, nor claims know of a topic.
func listClaims(t *testing.T) (all []*storage.Claim) {
	t.Helper()
	if err := server.Claims.List(t.Context(), func(c *storage.Claim) error {
		all = append(all, c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func expectNothing(t *testing.T, k *apiservertest.Kafka, name string) {
	t.Helper()
	if _, there := k.Topics(t)[name]; there {
		t.Errorf("the brokers have topic %s", name)
	}
	_, err := topicsOf(server.Client, k).Get(t.Context(), name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("KafkaTopic %s: %v, want that there is none", name, err)
	}
	for _, claim := range listClaims(t) {
		if claim.Cluster.Namespace == k.Object.Namespace && claim.Name.Name == name {
			t.Errorf("there is a claim on %s by %+v", name, claim.Owner)
		}
	}
}

var errNo = errors.New("the policy says no")

var defaultPartitions = kfake.DefaultNumPartitions
