package kafkatopic_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// What was asked of one cluster and not answered says nothing of what another one has, which the Kafka stands for from then on: a mirror has
// topics of the same names, partitions and settings, the quiet ones without a record.
func TestALostCreateIsOfTheClusterThatWasAsked(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	site, recovery := s.NewKafka(t, 3), s.NewKafka(t, 3)
	if err := s.Client.KafkaV1beta1().Kafkas(recovery.Object.Namespace).Delete(t.Context(), recovery.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	recovery.CreateTopic(t, "orders", 3, 2)
	kafkas := s.Client.KafkaV1beta1().Kafkas(site.Object.Namespace)
	k, err := kafkas.Get(t.Context(), site.Object.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "BrokersReady"})
	if k, err = kafkas.UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	user, _ := s.As(t, without("own"))
	l := &latecomer{Server: s, t: t, k: site, user: user}
	loseCreate(site)
	if _, err := create(user, newTopic(site, "orders")); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(user, site).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	site.LeadTo(recovery)
	if k, err = kafkas.Get(t.Context(), k.Name, metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Spec.External.ClusterID = "id-of-" + recovery.Object.Namespace
	if _, err = kafkas.Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	l.eventually("nothing is waited for", time.Second, func() bool { return l.claim() == nil })
	if len(recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted")
	}
}
