package kafka_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/pkg/target"
)

// confirm says in the spec of an external Kafka which cluster it is.
func confirm(t *testing.T, client versioned.Interface, k *v1beta1.Kafka, id string) *v1beta1.Kafka {
	t.Helper()
	k, err := kafkas(k.Namespace).Get(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.Spec.External.ClusterID = id
	if k, err = client.KafkaV1beta1().Kafkas(k.Namespace).Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	return k
}

// nobodys is a cluster that no Kafka stands for.
func nobodys(t *testing.T) (fake *apiservertest.Kafka, id string) {
	t.Helper()
	fake = server.NewKafka(t, 1)
	if err := kafkas(fake.Object.Namespace).Delete(t.Context(), fake.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	return fake, "id-of-" + fake.Object.Namespace
}

// A name that leads to the disaster recovery site one day does not make that site the cluster: nothing is read or written there, by whatever
// request, until somebody says that it is meant.
func TestAnotherClusterBehindAKnownAddress(t *testing.T) {
	t.Parallel()
	site := server.NewKafka(t, 1)
	recovery, theirs := nobodys(t)
	recovery.CreateTopic(t, "orders", 1, 1)
	k, ours := site.Object, "id-of-"+site.Object.Namespace
	if got := report(t, k, ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID != ours {
		t.Fatalf("%+v", got.Status)
	}
	for _, name := range []string{"orders", "going"} {
		if err := makeTopic(t, server.Client, k, name); err != nil {
			t.Fatal(err)
		}
	}
	before := recovery.Topics(t)

	site.LeadTo(recovery)
	topics := server.Client.KafkaV1beta1().KafkaTopics(k.Namespace)
	for what, request := range liveRequests(k, "orders") {
		code := 0
		err := request.Do(t.Context()).StatusCode(&code).Error()
		if err == nil || code != 503 || !strings.Contains(err.Error(), "another cluster answers") && (!strings.Contains(err.Error(), ours) || !strings.Contains(err.Error(), theirs)) {
			t.Errorf("%s: code %d, %v", what, code, err)
		}
		if err != nil && strings.Contains(err.Error(), "not reachable") {
			t.Errorf("%s: the other cluster can be reached: %v", what, err)
		}
	}
	// What is written to objects waits, as while no broker answers.
	if err := makeTopic(t, server.Client, k, "new"); err != nil {
		t.Errorf("create: %v", err)
	}
	orders, err := topics.Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	orders.Spec.Partitions, orders.Spec.Config = ptr.To[int32](3), map[string]string{"retention.ms": "1"}
	if _, err := topics.Update(t.Context(), orders, metav1.UpdateOptions{}); err != nil {
		t.Errorf("update: %v", err)
	}
	if err := topics.Delete(t.Context(), "going", metav1.DeleteOptions{}); err != nil {
		t.Errorf("delete: %v", err)
	}
	if asked := recovery.Requests(); len(asked) > 0 {
		t.Errorf("the other cluster was asked %+v", asked)
	}
	if after := recovery.Topics(t); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the other cluster has %v, before %v", after, before)
	}
	got := report(t, k, "")
	if readyReason(got) != "False ClusterReplaced" || got.Status.ClusterID != ours {
		t.Errorf("the status is %+v", got.Status)
	}
	if ready := meta.FindStatusCondition(got.Status.Conditions, "Ready"); !strings.Contains(ready.Message, ours) || !strings.Contains(ready.Message, theirs) {
		t.Errorf("the status says %q", ready.Message)
	}

	// From here on it is meant.
	k = confirm(t, server.Client, k, theirs)
	if err := look(t, k); err != nil {
		t.Errorf("confirmed: %v", err)
	}
	if err := makeTopic(t, server.Client, k, "later"); err != nil || recovery.Topics(t)["later"].ID == "" {
		t.Errorf("confirmed, a topic is made: %v, %v", err, recovery.Topics(t))
	}
	if got := report(t, k, ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID != theirs {
		t.Errorf("confirmed: %+v", got.Status)
	}
	// The object's topic was in the former cluster: the one of its name here is not taken for it.
	code := 0
	if err := liveRequests(k, "orders")["records"].Do(t.Context()).StatusCode(&code).Error(); code != 422 || !strings.Contains(err.Error(), recovery.Topics(t)["orders"].ID) {
		t.Errorf("records for a topic of the former cluster: code %d, %v", code, err)
	}
	view, err := kafkas(k.Namespace).GetTopics(t.Context(), k.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	managed := map[string]bool{}
	for _, topic := range view.Topics {
		managed[topic.Name] = topic.Managed
	}
	if want := map[string]bool{"orders": false, "later": true}; !maps.Equal(managed, want) {
		t.Errorf("topics are managed: %v, want %v", managed, want)
	}
	// The way back is the same.
	site.LeadTo(nil)
	if got := report(t, k, ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID != theirs {
		t.Errorf("its brokers are known by their own addresses: %+v", got.Status)
	}
}

// The brokers of the cluster that a Kafka stands for may still be where they advertise to be, while all that is told of the Kafka is that another
// answers in its place. Requests are answered by that, and not written to a site that is being left.
func TestWhatTheStatusSaysOfAReplacedClusterIsWhatRequestsMeet(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	k, id := fake.Object, "id-of-"+fake.Object.Namespace
	if k = report(t, k, ""); readyReason(k) != "True BrokersReady" {
		t.Fatalf("%+v", k.Status)
	}
	if err := makeTopic(t, server.Client, k, "orders"); err != nil {
		t.Fatal(err)
	}
	if k = say(t, k, "", metav1.ConditionFalse, "ClusterReplaced"); readyReason(k) != "False ClusterReplaced" {
		t.Fatalf("%+v", k.Status)
	}
	fake.Forget()
	for what, request := range liveRequests(k, "orders") {
		code := 0
		if err := request.Do(t.Context()).StatusCode(&code).Error(); err == nil || code != 503 || !strings.Contains(err.Error(), "the brokers cannot be asked") {
			t.Errorf("%s: code %d, %v", what, code, err)
		}
	}
	if err := makeTopic(t, server.Client, k, "new"); err != nil {
		t.Errorf("create: %v", err)
	}
	if asked := fake.Requests(); len(asked) > 0 {
		t.Errorf("the brokers were asked %+v", asked)
	}
	// What the spec of before met says nothing of another one.
	if err := look(t, confirm(t, server.Client, k, id)); err != nil {
		t.Errorf("confirmed: %v", err)
	}
}

// A Kafka that says which cluster it is takes no other one, not even the first that answers.
func TestAClusterThatIsNamedBeforehand(t *testing.T) {
	t.Parallel()
	fake, id := nobodys(t)
	namespace := server.Namespace()
	k, err := kafkas(namespace).Create(t.Context(), externalKafka(namespace, func(e *v1beta1.ExternalSpec) {
		e.BootstrapServers, e.ClusterID = fake.ListenAddrs(), "another"
	}), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	expectStatus(t, look(t, k), 503, `"another"`, id)
	if got := report(t, k, id); readyReason(got) != "False ClusterReplaced" || got.Status.ClusterID != "" {
		t.Errorf("%+v", got.Status)
	}
	if got := report(t, confirm(t, server.Client, k, id), ""); readyReason(got) != "True BrokersReady" || got.Status.ClusterID != id {
		t.Errorf("%+v", got.Status)
	}
}

// Which cluster it is is known as soon as one broker says so, also when clients cannot be sent to the others.
func TestAClusterWhoseBrokersAreNotReachedIsKnown(t *testing.T) {
	t.Parallel()
	fake := server.NewKafka(t, 1)
	k, err := kafkas(fake.Object.Namespace).Get(t.Context(), fake.Object.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: target.ReasonBrokersUnreachable})
	if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if k.Status.ClusterID != "id-of-"+k.Namespace || readyReason(k) != "False BrokersUnreachable" {
		t.Errorf("%+v", k.Status)
	}
}
