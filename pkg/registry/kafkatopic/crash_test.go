package kafkatopic_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// A server that is killed between the claim and the object leaves the claim, and perhaps the topic. It is in nobody's way: who creates
// the object again takes both over at once.
func TestTheClaimOfAKilledServerIsTakenOver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		partitions int32
		produced   bool
	}{
		{"no topic was made", 0, false},
		{"the topic was made", 3, false},
		{"a topic was made for another spec", 5, false},
		{"somebody uses the topic", 3, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := server.NewKafka(t, 3)
			namespace := k.Object.Namespace
			if _, err := server.Claims.Take(t.Context(), claim{
				Name:  storage.Name{Kind: storage.TopicClaim, Cluster: types.NamespacedName{Namespace: namespace, Name: "k"}, Name: "orders"},
				Owner: storage.Owner{Namespace: namespace, Name: "orders", UID: "never-stored"}, Server: "killed", Since: time.Now().Add(24 * time.Hour),
				Wanted: wanted(max(tc.partitions, 3)),
			}, ""); err != nil {
				t.Fatal(err)
			}
			if tc.partitions > 0 {
				k.CreateTopic(t, "orders", tc.partitions, 2)
			}
			if tc.produced {
				k.Produce(t, "orders")
			}
			before := k.Topics(t)["orders"]
			created := mustCreate(t, newTopic(k, "orders"))
			have := k.Topics(t)["orders"]
			expectReady(t, created, metav1.ConditionTrue, "Ready")
			if created.Status.TopicID != have.ID || len(have.Partitions) != 3 {
				t.Errorf("the object has topic %s, the brokers %+v", created.Status.TopicID, have)
			}
			if tc.produced && (have.ID != before.ID || created.Spec.DeletionPolicy != v1beta1.TopicRetain) {
				t.Errorf("a topic with records became %+v with %+v", have, created.Spec)
			}
			if !tc.produced && created.Spec.DeletionPolicy != v1beta1.TopicDelete {
				t.Errorf("what was made for the object has the policy %s", created.Spec.DeletionPolicy)
			}
		})
	}
}

// inFlight is the time after which a claim is no longer taken for that of a request under way.
const inFlight = time.Minute

// putForward returns what puts the clock of the server forward by inFlight, until the test ends. All tests share that clock: one that
// does so must not run beside others, whose claims would be taken for old ones.
func putForward(t *testing.T) (later func()) {
	var ahead time.Duration
	t.Cleanup(func() { server.Clock.Step(-ahead) })
	return func() {
		ahead += inFlight
		server.Clock.Step(inFlight)
	}
}

// Many topics go together: what is asked of the brokers at the same time is one request.
func TestManyTopicsOfDeletedObjectsGoInFewRequests(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	const topics = 200
	var wg sync.WaitGroup
	for worker := range 20 {
		wg.Go(func() {
			for i := worker; i < topics; i += 20 {
				if _, err := create(server.Client, newTopic(k, fmt.Sprintf("t-%d", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	k.Refuse()
	start := time.Now()
	if err := topicsOf(server.Client, k).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	// Each that waited for the brokers would take seconds.
	if took := time.Since(start); took > topics*time.Second {
		t.Errorf("%d objects went in %s", topics, took)
	}
	if n := countObjects(t, k.Object.Namespace); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	k.Forget()
	// Whoever comes while a request is under way shares the next.
	k.ControlKey(int16(kmsg.DeleteTopics), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.SleepControl(func() { time.Sleep(50 * time.Millisecond) })
		return nil, nil, false
	})
	k.Return()
	apiservertest.Eventually(t, "topics and claims go", func() bool { return len(k.Topics(t)) == 0 && len(claimsOn(t, k)) == 0 })
	deletes := 0
	for _, kind := range kinds(k) {
		if kind == "DeleteTopics" {
			deletes++
		}
	}
	if deletes > topics/4 {
		t.Errorf("%d requests deleted %d topics", deletes, topics)
	}
}

// A cluster whose brokers hang does not delay the deletions of another.
func TestASilentClusterDelaysNoOthersDeletions(t *testing.T) {
	t.Parallel()
	sick, well := server.NewKafka(t, 3), server.NewKafka(t, 3)
	for _, k := range []*apiservertest.Kafka{sick, well} {
		for i := range 3 {
			mustCreate(t, newTopic(k, fmt.Sprintf("t-%d", i)))
		}
	}
	sick.Vanish()
	for _, k := range []*apiservertest.Kafka{sick, well} {
		if err := topicsOf(server.Client, k).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	apiservertest.Eventually(t, "the topics of the cluster that is well go", func() bool { return len(well.Topics(t)) == 0 })
	if got := claimsOn(t, sick); len(got) != 3 {
		t.Errorf("claims on the silent cluster are %v", slices.Sorted(slices.Values(got)))
	}
	sick.Return()
	apiservertest.Eventually(t, "the others follow", func() bool { return len(sick.Topics(t)) == 0 && len(claimsOn(t, sick)) == 0 })
}
