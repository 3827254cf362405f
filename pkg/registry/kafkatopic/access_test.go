package kafkatopic_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// without is a user who may do everything but some verbs on kafkas.
func without(verbs ...string) func(authorizer.Attributes) bool {
	return func(a authorizer.Attributes) bool {
		for _, verb := range verbs {
			if a.GetResource() == "kafkas" && a.GetVerb() == verb {
				return false
			}
		}
		return true
	}
}

func TestATopicNeedsUseOfItsKafka(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	tenant := server.Namespace()
	nobody, name := server.As(t, without("use"))
	user, _ := server.As(t, without("own"))
	for _, topic := range []*v1beta1.KafkaTopic{newTopic(k, "orders"), newTopic(k, "orders", from(tenant, ""))} {
		_, err := create(nobody, topic)
		expectStatus(t, err, 403, name, `"use"`, "kafkas/k", k.Object.Namespace, "the test says no")
		if _, err := create(user, topic); err != nil {
			t.Error(err)
		}
	}
	have := k.Topics(t)
	for _, topic := range []string{"orders", tenant + ".orders"} {
		if _, there := have[topic]; !there {
			t.Errorf("there is no topic %s: %v", topic, have)
		}
	}
}

// Otherwise a tenant could take, read or delete any topic by its name.
func TestANameOfOnesOwnNeedsOwn(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	tenant := server.Namespace()
	user, name := server.As(t, without("own"))
	owner, _ := server.As(t, without())
	_, err := create(user, newTopic(k, "orders", from(tenant, "payments")))
	expectStatus(t, err, 403, name, `"own"`, "kafkas/k", `"payments"`)
	// Written out, the own name is no other name.
	if _, err := create(user, newTopic(k, "orders", from(tenant, tenant+".orders"))); err != nil {
		t.Error(err)
	}
	if _, err := create(owner, newTopic(k, "theirs", from(tenant, "payments"))); err != nil {
		t.Error(err)
	}
}

// Whoever may not use a Kafka does not learn whether it exists, nor which topics it has.
func TestAccessGoesFirst(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	k.Forget()
	nobody, _ := server.As(t, without("use"))
	tenant := server.Namespace()
	for _, topic := range []*v1beta1.KafkaTopic{
		newTopic(k, "orders", from(tenant, "orders")),
		newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.ClusterRef.Name = "no-such" }, from(tenant, "")),
	} {
		_, err := create(nobody, topic)
		expectStatus(t, err, 403)
	}
	if got := kinds(k); len(got) != 0 {
		t.Errorf("the brokers got %v", got)
	}
}

// What was placed can be changed by whoever may update the object.
func TestAChangeNeedsNoUse(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	nobody, _ := server.As(t, without("use"))
	topic.Spec.Config = map[string]string{"retention.ms": "1000"}
	if _, err := topicsOf(nobody, k).Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
		t.Error(err)
	}
}

// Each subresource is a right of its own.
func TestSubresourcesAreAuthorizedSeparately(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	reader, _ := server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() == "get" && a.GetSubresource() == "" })
	topics := topicsOf(reader, k)
	if _, err := topics.Get(t.Context(), "orders", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	for what, try := range map[string]func() error{
		"get kafkatopics/scale":      func() error { _, err := topics.GetScale(t.Context(), "orders", metav1.GetOptions{}); return err },
		"get kafkatopics/partitions": func() error { _, err := topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{}); return err },
		"update kafkatopics/scale": func() error {
			_, err := topics.UpdateScale(t.Context(), "orders", mustScale(t, k, "orders"), metav1.UpdateOptions{})
			return err
		},
		"update kafkatopics/partitions": func() error {
			_, err := topics.UpdatePartitions(t.Context(), "orders", mustPartitions(t, k, "orders"), metav1.UpdateOptions{})
			return err
		},
		"update kafkatopics/status": func() error {
			_, err := topics.UpdateStatus(t.Context(), newTopic(k, "orders"), metav1.UpdateOptions{})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) { expectStatus(t, try(), 403) })
	}
}

func TestStatusIsTheControllers(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	created := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Status.TopicID = "forged" }))
	if created.Status.TopicID == "forged" {
		t.Error("a user wrote the status at create")
	}
	topics := topicsOf(server.Client, k)
	forged := created.DeepCopy()
	forged.Status.TopicID = "forged"
	updated, err := topics.Update(t.Context(), forged, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if updated.Status.TopicID == "forged" || updated.ResourceVersion != created.ResourceVersion {
		t.Error("a user wrote the status at update")
	}
	report := updated.DeepCopy()
	report.Status.Partitions = 7
	report.Labels = map[string]string{"x": "y"}
	seven := int32(7)
	report.Spec.Partitions = &seven
	k.Forget()
	reported, err := topics.UpdateStatus(t.Context(), report, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if reported.Status.Partitions != 7 || *reported.Spec.Partitions != 3 || len(reported.Labels) != 0 || reported.Generation != created.Generation {
		t.Errorf("a status wrote %+v, labels %v, generation %d", reported.Spec, reported.Labels, reported.Generation)
	}
	if got := kinds(k); len(got) != 0 {
		t.Errorf("for a status the brokers got %v", got)
	}
	_, err = topics.UpdateStatus(t.Context(), newTopic(k, "no-such"), metav1.UpdateOptions{})
	expectStatus(t, err, 404)
}

// A topic id that a controller reports is what is deleted in the end. It is reported when brokers confirm it: else who may write a status
// while they are away could have anything deleted that is like the object.
func TestAReportedTopicIDIsDeleted(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	k.Refuse()
	created := mustCreate(t, newTopic(k, "orders"))
	k.CreateTopic(t, "orders", 3, 2)
	created.Status.TopicID = k.Topics(t)["orders"].ID
	_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), created, metav1.UpdateOptions{})
	expectStatus(t, err, 503, "status.topicID", created.Status.TopicID, "not reachable")
	k.Return()
	apiservertest.Eventually(t, "the id is believed", func() bool {
		_, err := topicsOf(server.Client, k).UpdateStatus(t.Context(), created, metav1.UpdateOptions{})
		return err == nil
	})
	k.Refuse()
	mustDelete(t, created)
	k.Return()
	apiservertest.Eventually(t, fmt.Sprintf("topic %s goes", created.Status.TopicID), func() bool { return len(k.Topics(t)) == 0 })
}
