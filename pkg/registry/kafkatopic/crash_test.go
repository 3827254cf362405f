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

	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/storage"
)

// A server that is killed between the claim and the object leaves the claim. Whoever finds it in the way is told, and it is free after
// a minute, whatever time its server thought it was.
func TestTheClaimOfAKilledServerIsFreed(t *testing.T) {
	later := putForward(t)
	k := server.NewKafka(t, 3)
	namespace := k.Object.Namespace
	if _, err := server.Claims.Take(t.Context(), storage.Claim{
		Cluster: types.NamespacedName{Namespace: namespace, Name: "k"}, Topic: "orders", Since: time.Now().Add(24 * time.Hour),
		Owner: storage.Owner{Namespace: namespace, Name: "orders", UID: "never-stored"},
	}); err != nil {
		t.Fatal(err)
	}
	_, err := create(server.Client, newTopic(k, "orders"))
	expectStatus(t, err, 409, "managed by")
	// It may be a request under way until this server has seen it stand for a minute.
	apiservertest.Eventually(t, "the name is free", func() bool {
		later()
		return len(claimsOn(t, k)) == 0
	})
	mustCreate(t, newTopic(k, "orders"))
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
	if took := time.Since(start); took > 30*time.Second {
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
