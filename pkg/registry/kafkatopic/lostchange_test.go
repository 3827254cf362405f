package kafkatopic_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
)

// A change asks the first cluster to make the topic; the fail-over is confirmed before the (lost) answer is noted.
func TestALostChangeIsOfTheClusterThatWasAsked(t *testing.T) {
	b := newTwoSites(t)
	b.recovery.CreateTopic(t, "orders", 3, 2)
	b.k.Refuse()
	if _, err := create(b.user, newTopic(b.k, "orders")); err != nil {
		t.Fatal(err)
	}
	b.k.Return()
	apiservertest.Eventually(t, "brokers serve", func() bool {
		_, err := b.Client.KafkaV1beta1().Kafkas(b.k.Object.Namespace).GetBrokers(t.Context(), b.k.Object.Name, metav1.GetOptions{})
		return err == nil
	})
	var lost atomic.Bool
	asked, goOn := make(chan struct{}), make(chan struct{})
	b.k.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
		b.k.KeepControl()
		if request.(*kmsg.CreateTopicsRequest).ValidateOnly || lost.Swap(true) {
			return nil, nil, false
		}
		close(asked)
		b.k.SleepControl(func() { <-goOn })
		return nil, errors.New("closed"), true
	})
	done := make(chan error, 1)
	go func() {
		_, err := topicsOf(b.user, b.k).Patch(t.Context(), "orders", types.MergePatchType, []byte(`{"spec":{"driftPolicy":"Report"}}`), metav1.PatchOptions{})
		done <- err
	}()
	select {
	case <-asked:
	case err := <-done:
		t.Fatalf("not asked: %v", err)
	}
	kafkas := b.Client.KafkaV1beta1().Kafkas(b.k.Object.Namespace)
	apiservertest.Eventually(t, "the other cluster is confirmed", func() bool {
		o, err := kafkas.Get(t.Context(), b.k.Object.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o.Spec.External.ClusterID = "id-of-" + b.recovery.Object.Namespace
		_, err = kafkas.Update(t.Context(), o, metav1.UpdateOptions{})
		return err == nil
	})
	b.k.LeadTo(b.recovery)
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.eventually("the wish is settled", slowly, func() bool { return len(b.claim().Wanted) == 0 })
	got, err := topicsOf(b.user, b.k).Get(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status.TopicID != "" {
		t.Errorf("who has use only has the mirror's topic: %s, claim %+v", got.Status.TopicID, b.claim().ID)
	}
	if err := topicsOf(b.user, b.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.eventually("nothing is waited for", slowly, func() bool { return b.claim() == nil })
	if len(b.recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted")
	}
}

// A Kafka whose brokers refuse to be described does not keep others from getting back claims that were lost.
func TestAScanGoesOnWithoutAKafkaThatRefuses(t *testing.T) {
	t.Parallel()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	sick, well := s.NewKafka(t, 3), s.NewKafka(t, 3)
	user, _ := s.As(t, without("own"))
	loseCreate(sick)
	if _, err := create(user, newTopic(sick, "orders")); err != nil {
		t.Fatal(err)
	}
	pinned(t, s, sick)
	sick.ControlKey(int16(kmsg.DescribeCluster), func(request kmsg.Request) (kmsg.Response, error, bool) {
		sick.KeepControl()
		response := request.ResponseKind().(*kmsg.DescribeClusterResponse)
		response.ErrorCode = kafkaerr.ClusterAuthorizationFailed
		return response, nil, true
	})
	if _, err := create(user, newTopic(well, "orders")); err != nil {
		t.Fatal(err)
	}
	w := &latecomer{Server: s, t: t, k: well, user: user}
	apiservertest.Eventually(t, "the claim is dropped", func() bool {
		c := w.claim()
		return c == nil || s.Claims.Drop(t.Context(), c) == nil
	})
	w.eventually("the claim is taken again", time.Minute, func() bool { return w.claim() != nil })
}
