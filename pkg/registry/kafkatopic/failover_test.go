package kafkatopic_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

// twoSites is a Kafka that stands for one cluster, and another cluster that its addresses may lead to. Its user may not take over topics.
type twoSites struct {
	*latecomer
	recovery *apiservertest.Kafka
}

// startTwoSites makes a Kafka whose status does not say yet which cluster it is.
func startTwoSites(t *testing.T) *twoSites {
	t.Helper()
	s, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	site, recovery := s.NewKafka(t, 3), s.NewKafka(t, 3)
	if err := s.Client.KafkaV1beta1().Kafkas(recovery.Object.Namespace).Delete(t.Context(), recovery.Object.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	user, _ := s.As(t, without("own"))
	return &twoSites{&latecomer{Server: s, t: t, k: site, user: user}, recovery}
}

func newTwoSites(t *testing.T) *twoSites {
	t.Helper()
	b := startTwoSites(t)
	pinned(t, b.Server, b.k)
	return b
}

// failOver has the addresses lead to the other cluster, and somebody say that the Kafka stands for that one.
func (b *twoSites) failOver() {
	b.t.Helper()
	failOver(b.t, b.Server, b.k, b.recovery)
}

// What was asked of one cluster and not answered says nothing of what another one has, which the Kafka stands for from then on: a mirror has
// topics of the same names, partitions and settings, the quiet ones without a record.
func TestALostCreateIsOfTheClusterThatWasAsked(t *testing.T) {
	t.Parallel()
	b := newTwoSites(t)
	b.recovery.CreateTopic(t, "orders", 3, 2)
	loseCreate(b.k)
	if _, err := create(b.user, newTopic(b.k, "orders")); err != nil {
		t.Fatal(err)
	}
	if err := topicsOf(b.user, b.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.failOver()
	b.eventually("nothing is waited for", time.Second, func() bool { return b.claim() == nil })
	if len(b.recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted")
	}
}

// So does a look at the brokers that began when the Kafka stood for the first cluster, and reaches the other one when that is confirmed.
func TestALookThatOutlastsAFailOverFindsNothing(t *testing.T) {
	t.Parallel()
	b := newTwoSites(t)
	b.recovery.CreateTopic(t, "orders", 3, 2)
	loseCreate(b.k)
	if _, err := create(b.user, newTopic(b.k, "orders")); err != nil {
		t.Fatal(err)
	}
	begun, goOn := b.k.Hold()
	b.k.LeadTo(b.recovery)
	deleted := make(chan error, 1)
	go func() { deleted <- topicsOf(b.user, b.k).Delete(t.Context(), "orders", metav1.DeleteOptions{}) }()
	<-begun
	b.failOver()
	goOn()
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	b.eventually("nothing is waited for", time.Second, func() bool { return b.claim() == nil })
	if len(b.recovery.Topics(t)) == 0 {
		t.Error("the topic of the other cluster was deleted")
	}
}

// An object outlives the fail-over, and is changed while the other cluster has not answered yet. What its claim says of the first
// one is not said of the other: its topic is somebody's, as it is that of no object.
func TestAClaimThatFailsOverForgetsTheFirstCluster(t *testing.T) {
	t.Parallel()
	patch := func(client versioned.Interface, b *twoSites, spec string) error {
		_, err := topicsOf(client, b.k).Patch(b.t.Context(), "orders", types.MergePatchType, []byte(`{"spec":`+spec+`}`), metav1.PatchOptions{})
		return err
	}
	// needsOwn fails when somebody gets the topic that the other cluster has, who may not take over topics.
	needsOwn := func(b *twoSites) {
		brokersServeTo(b.t, b.Client, b.k, "orders")
		expectStatus(b.t, patch(b.user, b, `{"config":{"retention.ms":"7000"}}`), 403, `"own"`)
		if value := b.recovery.Config(b.t, "orders")["retention.ms"]; value == "7000" {
			b.t.Error("the topic of the other cluster was changed")
		}
	}
	mustCreate := func(b *twoSites, client versioned.Interface) {
		if _, err := create(client, newTopic(b.k, "orders")); err != nil {
			b.t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		// first is how the object comes to be on the first cluster, and says whether its claim says by that what the case is about.
		first func(*twoSites) bool
		then  func(*twoSites)
	}{
		"a right to take over": {
			func(b *twoSites) bool {
				b.k.Refuse()
				mustCreate(b, b.Client)
				b.recovery.Produce(b.t, "orders")
				return b.claim().MayAdopt
			},
			needsOwn,
		},
		"a topic without an id": {
			func(b *twoSites) bool {
				b.k.Upgrade(kversion.V2_7_0())
				b.recovery.Upgrade(kversion.V2_7_0())
				mustCreate(b, b.user)
				return b.claim().WithoutID != nil
			},
			needsOwn,
		},
		"what was asked for": {
			func(b *twoSites) bool {
				loseCreate(b.k)
				mustCreate(b, b.user)
				return len(b.claim().Wanted) > 0
			},
			needsOwn,
		},
		"what may come late": {
			func(b *twoSites) bool {
				loseCreate(b.k)
				mustCreate(b, b.user)
				b.recovery.DeleteTopic(b.t, "orders")
				return len(b.claim().Unanswered) > 0
			},
			func(b *twoSites) {
				if err := topicsOf(b.user, b.k).Delete(b.t.Context(), "orders", metav1.DeleteOptions{}); err != nil {
					b.t.Fatal(err)
				}
				// What is made under the name from now on is somebody's.
				b.eventually("nothing is waited for", slowly, func() bool { return b.claim() == nil })
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newTwoSites(t)
			b.recovery.CreateTopic(t, "orders", 3, 2)
			if !tc.first(b) {
				t.Fatalf("the claim is %+v", b.claim())
			}
			b.failOver()
			// Brokers that are away cannot say whose the topic is, and the change is stored.
			b.k.Refuse()
			if err := patch(b.user, b, `{"driftPolicy":"Report"}`); err != nil {
				t.Fatal(err)
			}
			b.k.Return()
			tc.then(b)
		})
	}
}
