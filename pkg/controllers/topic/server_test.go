package topic_test

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/controllertest"
	"kafka.openshift.io/kafka-apiserver/pkg/controllers/topic"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
)

// start starts an API server with a Kafka of three brokers. tenant may do everything there but what needs "own".
func start(t *testing.T) (server *apiservertest.Server, k *apiservertest.Kafka, tenant versioned.Interface) {
	t.Helper()
	server, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k = server.NewKafka(t, 3)
	tenant, _ = server.As(t, func(a authorizer.Attributes) bool { return a.GetVerb() != "own" })
	return server, k, tenant
}

// store has somebody store KafkaTopics, and returns how he reaches them.
func store(t *testing.T, client versioned.Interface, topics ...*v1beta1.KafkaTopic) typed.KafkaTopicInterface {
	t.Helper()
	var all typed.KafkaTopicInterface
	for _, topic := range topics {
		all = client.KafkaV1beta1().KafkaTopics(topic.Namespace)
		if _, err := all.Create(t.Context(), topic, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// newTopic is a topic of three partitions and two replicas on a Kafka, in the namespace of that.
func newTopic(on *v1beta1.Kafka, name string) *v1beta1.KafkaTopic {
	return &v1beta1.KafkaTopic{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: on.Namespace},
		Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: on.Name}, Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](2)}}
}

// control runs a controller of the topics of a server, by a fast clock. The way to the brokers has the options given.
func control(t *testing.T, server *apiservertest.Server, clock *controllertest.FastClock, options broker.Options) {
	t.Helper()
	options.ClientID = "controllers"
	gateway := broker.New(options)
	controller, err := topic.New(topic.Config{Kafka: server.Client, Clock: clock,
		Connect: func(target broker.Target) topic.Cluster { return gateway.Cluster(target) }})
	if err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, gateway.Run, controller.Run)
}

// A thousand topics are stored while their brokers are away, are made when these return, and then cost nothing: with the real API
// server and its etcd on one side, and brokers that count on the other.
func TestAThousandTopics(t *testing.T) {
	server, err := apiservertest.Start(apiservertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	k := server.NewKafka(t, 3)
	var requests requestCount
	k.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		requests.add(request.Key())
		return nil, nil, false
	})
	k.Refuse()
	const topics = 1000
	inParallel(topics, func(i int) {
		_, err := server.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace).Create(t.Context(), &v1beta1.KafkaTopic{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("t-%d", i)},
			Spec: v1beta1.KafkaTopicSpec{ClusterRef: v1beta1.ClusterReference{Name: k.Object.Name}, Partitions: ptr.To[int32](1), Replicas: ptr.To[int32](1),
				Config: v1beta1.TopicConfig{"retention.ms": "86400000"}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return
	}

	k.Return()
	start := time.Now()
	clock := controllertest.NewFastClock()
	control(t, server, clock, broker.Options{NegativeTTL: time.Second, Clock: clock})
	awaitReady(t, server, k, topics)
	t.Logf("%d topics were ready after %s, with %v", topics, time.Since(start).Round(time.Millisecond), requests.take())
	if n := len(k.Topics(t)); n != topics {
		t.Errorf("the brokers have %d topics", n)
	}

	// Five minutes of the controller's time, with whatever was under way before them.
	<-clock.After(time.Minute)
	requests.take()
	before := revision(t, server)
	<-clock.After(5 * time.Minute)
	seen := requests.take()
	if after := revision(t, server); after != before {
		t.Errorf("%d writes to etcd in five minutes", after-before)
	}
	// Ten looks, each at one snapshot and the settings of 200 topics, and one that may fall on either edge.
	const looks, apiVersions = 11, 18
	for key, n := range seen {
		if key == apiVersions {
			// Comes with a connection, and a busy machine may make one more: a broker that is slow to answer is asked on another.
			continue
		}
		limit := map[int16]int{3: looks, 32: looks}[key]
		if n > limit {
			t.Errorf("%d requests of key %d in five minutes, want at most %d", n, key, limit)
		}
	}
	if seen[3] == 0 || seen[32] == 0 {
		t.Errorf("nobody looked: %v", seen)
	}
}

// inParallel calls do with 0 to n-1, many at a time.
func inParallel(n int, do func(i int)) {
	var next atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

// awaitReady waits for all topics. A list of them is not cheap, so it looks now and then.
func awaitReady(t *testing.T, server *apiservertest.Server, k *apiservertest.Kafka, want int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		list, err := server.Client.KafkaV1beta1().KafkaTopics(k.Object.Namespace).List(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			t.Fatal(err)
		}
		ready := 0
		for i := range list.Items {
			if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1beta1.ConditionReady) {
				ready++
			}
		}
		if ready == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of %d topics are ready", ready, want)
		}
	}
}

// revision is etcd's: it grows with each write.
func revision(t *testing.T, server *apiservertest.Server) int64 {
	t.Helper()
	got, err := server.Etcd.Get(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	return got.Header.Revision
}

// requestCount counts requests to brokers by Kafka's key.
type requestCount struct {
	mu   sync.Mutex
	seen map[int16]int
}

func (r *requestCount) add(key int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[int16]int{}
	}
	r.seen[key]++
}

// take returns the counts since the last take.
func (r *requestCount) take() map[int16]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := maps.Clone(r.seen)
	clear(r.seen)
	return seen
}
