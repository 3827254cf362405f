package kafkatopic_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// pinned has the status of a Kafka say which cluster it is.
func pinned(t *testing.T, s *apiservertest.Server, k *apiservertest.Kafka) {
	t.Helper()
	kafkas := s.Client.KafkaV1beta1().Kafkas(k.Object.Namespace)
	// On a busy machine the brokers may not say in time which cluster they are, and others write the object.
	apiservertest.Eventually(t, "the status says which cluster it is", func() bool {
		o, err := kafkas.Get(t.Context(), k.Object.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "BrokersReady"})
		o, err = kafkas.UpdateStatus(t.Context(), o, metav1.UpdateOptions{})
		return err == nil && o.Status.PinnedClusterID != ""
	})
}

// failOver has the addresses of a Kafka lead to another cluster, which somebody confirms.
func failOver(t *testing.T, s *apiservertest.Server, site, recovery *apiservertest.Kafka) {
	t.Helper()
	site.LeadTo(recovery)
	names(t, s, site, "id-of-"+recovery.Object.Namespace)
}

// A topic is made before the Kafka's status has said which cluster it is (the first minute of a Kafka, or before this release).
func TestWhatHasNoIDIsOfTheClusterThatWasAsked(t *testing.T) {
	for name, first := range map[string]bool{"pinned when the claim was taken": true, "pinned later": false} {
		t.Run(name, func(t *testing.T) {
			s := server
			user, _ := s.As(t, without("own"))
			site, recovery := s.NewKafka(t, 3), s.NewKafka(t, 3)
			if err := s.Client.KafkaV1beta1().Kafkas(recovery.Object.Namespace).Delete(t.Context(), recovery.Object.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			recovery.CreateTopic(t, "orders", 3, 2)
			recovery.Produce(t, "orders")
			site.Upgrade(kversion.V2_7_0())
			if first {
				pinned(t, s, site)
			}
			topic, err := create(user, newTopic(site, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			if !first {
				pinned(t, s, site)
			}
			failOver(t, s, site, recovery)
			apiservertest.Eventually(t, "the other cluster serves", func() bool {
				_, err := s.Client.KafkaV1beta1().Kafkas(site.Object.Namespace).GetBrokers(t.Context(), site.Object.Name, metav1.GetOptions{})
				return err == nil
			})
			got, err := topicsOf(user, site).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
			if err == nil && got.Status.TopicID != "" {
				t.Error("who has only use has taken over the topic of the other cluster")
			}
			if err := topicsOf(user, site).Delete(t.Context(), topic.Name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			apiservertest.Eventually(t, "nothing is to be done for the object any more", func() bool { return len(recovery.Topics(t)) == 0 || claimOn(t, site, "orders") == nil })
			if len(recovery.Topics(t)) == 0 {
				t.Error("the topic of the other cluster was deleted, with its records")
			}
		})
	}
}

// As TestALostCreateIsOfTheClusterThatWasAsked, but the status has the id a moment after the create.
func TestALostCreateIsOfTheClusterBeforeThatIsKnown(t *testing.T) {
	l := startTwoSites(t)
	s, site, recovery, user := l.Server, l.k, l.recovery, l.user
	recovery.CreateTopic(t, "orders", 3, 2)
	loseCreate(site)
	if _, err := create(user, newTopic(site, "orders")); err != nil {
		t.Fatal(err)
	}
	pinned(t, s, site)
	if err := topicsOf(user, site).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	failOver(t, s, site, recovery)
	l.eventually("nothing is waited for", time.Second, func() bool { return l.claim() == nil || len(recovery.Topics(t)) == 0 })
	if len(recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted")
	}
}

// A cluster id is mistyped, and mended. Meanwhile an object was changed, and nobody was asked anything.
func TestAMistypedClusterIDCostsNothing(t *testing.T) {
	for name, ids := range map[string]bool{"without ids": false, "a topic that is to be taken over": true} {
		t.Run(name, func(t *testing.T) {
			user, _ := server.As(t, without("own"))
			site := server.NewKafka(t, 3)
			if ids {
				user = server.Client
				pinned(t, server, site)
				site.CreateTopic(t, "orders", 3, 2)
				site.Refuse()
			} else {
				site.Upgrade(kversion.V2_7_0())
				pinned(t, server, site)
			}
			topic, err := create(user, newTopic(site, "orders"))
			if err != nil {
				t.Fatal(err)
			}
			names(t, server, site, "mistyped")
			if _, err := topicsOf(user, site).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			names(t, server, site, "")
			site.Return()
			brokersServeIt(t, server, site)
			c := claimOn(t, site, "orders")
			if ids {
				if !c.MayAdopt {
					t.Error("that its maker may take over is forgotten")
				}
				return
			}
			if _, err := topicsOf(user, site).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"5000"}}}`), metav1.PatchOptions{}); err != nil {
				t.Errorf("the object has lost its topic: %v", err)
			}
			if _, err := topicsOf(server.Client, site).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Revert"}}`), metav1.PatchOptions{}); err != nil {
				t.Errorf("also for who has own: %v", err)
			}
		})
	}
}

// A create while its Kafka is not there takes over what was asked of a former Kafka, and forgets which that was.
func TestAClaimRemembersItsKafkaWithoutIt(t *testing.T) {
	l := startTwoSites(t)
	s, site, recovery, user := l.Server, l.k, l.recovery, l.user
	kafkas := s.Client.KafkaV1beta1()
	recovery.CreateTopic(t, "orders", 3, 2)
	pinned(t, s, site)
	loseCreate(site)
	if _, err := create(user, newTopic(site, "orders")); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(user, site).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := kafkas.Kafkas(site.Object.Namespace).Delete(t.Context(), site.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := create(user, newTopic(site, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}
	})); err != nil {
		t.Fatal(err)
	}
	s.NewKafkaObject(t, site.Object.Namespace, recovery.ListenAddrs()...)
	l.eventually("the wish is settled", slowly, func() bool { return len(l.claim().Wanted) == 0 })
	got, err := topicsOf(user, site).Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status.TopicID != "" || l.claim().ID != "" {
		t.Errorf("the object has the topic of another cluster, without own: status %q, claim %+v", got.Status.TopicID, l.claim())
	}
}

// A fail-over is confirmed, and the confirmation is taken out of the spec again, as by an apply of the manifest that never had it.
func TestAConfirmationThatIsTakenOutConfirmsStill(t *testing.T) {
	t.Parallel()
	l := startTwoSites(t)
	s, site, recovery, user := l.Server, l.k, l.recovery, l.user
	recovery.CreateTopic(t, "orders", 3, 2)
	recovery.Produce(t, "orders")
	site.Upgrade(kversion.V2_7_0())
	if _, err := create(user, newTopic(site, "orders")); err != nil {
		t.Fatal(err)
	}
	pinned(t, s, site)
	failOver(t, s, site, recovery)
	brokersServeIt(t, s, site)
	pinned(t, s, site)
	names(t, s, site, "")
	got, err := topicsOf(user, site).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
	if err == nil && got.Status.TopicID != "" {
		t.Error("who has only use has taken over the topic of the other cluster")
	}
	if err := topicsOf(user, site).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	l.eventually("nothing is to be done for the object any more", slowly, func() bool { return len(recovery.Topics(t)) == 0 || l.claim() == nil })
	if len(recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted, with its records")
	}
}

// To name the cluster that a Kafka is costs nobody what he has there, also a topic that was made before the status said which it is.
func TestNamingTheClusterThatAKafkaIsChangesNothing(t *testing.T) {
	t.Parallel()
	user, _ := server.As(t, without("own"))
	site := server.NewKafka(t, 3)
	site.Upgrade(kversion.V2_7_0())
	if _, err := create(user, newTopic(site, "orders")); err != nil {
		t.Fatal(err)
	}
	pinned(t, server, site)
	names(t, server, site, "id-of-"+site.Object.Namespace)
	brokersServeIt(t, server, site)
	if _, err := topicsOf(user, site).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"config":{"retention.ms":"5000"}}}`), metav1.PatchOptions{}); err != nil {
		t.Errorf("the object has lost its topic: %v", err)
	}
}

// names has the spec of a Kafka say which cluster it is.
func names(t *testing.T, s *apiservertest.Server, k *apiservertest.Kafka, id string) {
	t.Helper()
	kafkas := s.Client.KafkaV1beta1().Kafkas(k.Object.Namespace)
	apiservertest.Eventually(t, "the spec is written", func() bool {
		o, err := kafkas.Get(t.Context(), k.Object.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o.Spec.External.ClusterID = id
		_, err = kafkas.Update(t.Context(), o, metav1.UpdateOptions{})
		return err == nil
	})
}

func brokersServeIt(t *testing.T, s *apiservertest.Server, k *apiservertest.Kafka) {
	t.Helper()
	apiservertest.Eventually(t, "the brokers answer", func() bool {
		_, err := s.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).GetBrokers(t.Context(), k.Object.Name, metav1.GetOptions{})
		return err == nil
	})
}
