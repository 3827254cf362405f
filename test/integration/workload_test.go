//go:build integration

package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// workload is somebody who creates, grows and deletes topics on my-cluster of a namespace, whatever comes of it.
type workload struct {
	client    versioned.Interface
	namespace string

	mu sync.Mutex
	// created are the topics whose creation was answered with success; touched those that somebody asked to delete.
	created, touched map[string]bool
	next             int
	cancel           context.CancelFunc
	running          sync.WaitGroup
}

// workloadEvery is the pause between two turns of each of its workers. A broker that was killed reads all its logs when it starts.
const workloadEvery = 800 * time.Millisecond

func startWorkload(t *testing.T, client versioned.Interface, namespace string) *workload {
	t.Helper()
	w := &workload{client: client, namespace: namespace, created: map[string]bool{}, touched: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	for range 2 {
		w.running.Go(func() {
			tick := time.NewTicker(workloadEvery)
			defer tick.Stop()
			for ctx.Err() == nil {
				w.turn(ctx)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(w.stop)
	return w
}

// stop waits for the answers that are due.
func (w *workload) stop() {
	w.cancel()
	w.running.Wait()
}

func (w *workload) turn(ctx context.Context) {
	w.mu.Lock()
	i := w.next
	w.next++
	w.mu.Unlock()
	topics := w.client.KafkaV1beta1().KafkaTopics(w.namespace)
	name := func(i int) string { return fmt.Sprintf("%s.orders-%d", w.namespace, i) }
	topic := newTopic(w.namespace, name(i))
	topic.Spec.Partitions, topic.Spec.Replicas = ptr.To[int32](2), ptr.To[int32](2)
	// A request that is under way when the workload stops is answered all the same.
	ctx = context.WithoutCancel(ctx)
	if _, err := topics.Create(ctx, topic, metav1.CreateOptions{}); err == nil {
		w.mu.Lock()
		w.created[topic.Name] = true
		w.mu.Unlock()
	}
	// What these answer does not matter: object and brokers have to agree in the end.
	switch i % 3 {
	case 1:
		_, _ = topics.UpdateScale(ctx, name(i-1), &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: name(i - 1), Namespace: w.namespace},
			Spec: autoscalingv1.ScaleSpec{Replicas: 3}}, metav1.UpdateOptions{})
	case 2:
		w.mu.Lock()
		w.touched[name(i-2)] = true
		w.mu.Unlock()
		_ = topics.Delete(ctx, name(i-2), metav1.DeleteOptions{})
	}
}

// made are the topics whose creation was answered with success.
func (w *workload) made() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.created))
}

// kept are the topics that must be there: created, and never asked to go.
func (w *workload) kept() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var names []string
	for name := range w.created {
		if !w.touched[name] {
			names = append(names, name)
		}
	}
	return names
}

// settled says why the objects of a namespace and the brokers do not agree; "" when they do. Each object is Ready and has its topic,
// with its id and its partitions, and the brokers have no topic besides.
func settled(t *testing.T, client versioned.Interface, namespace string, kafka *kafkaproc.Cluster) string {
	t.Helper()
	list, err := client.KafkaV1beta1().KafkaTopics(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		return err.Error()
	}
	for _, topic := range list.Items {
		ready := meta.FindStatusCondition(topic.Status.Conditions, v1beta1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionTrue || topic.Status.ObservedGeneration != topic.Generation {
			return fmt.Sprintf("%s is %+v", topic.Name, ready)
		}
	}
	have, err := brokerTopics(t, kafka, namespace+".")
	if err != nil {
		return err.Error()
	}
	for _, topic := range list.Items {
		want := brokerTopic{id: topic.Status.TopicID, partitions: fmt.Sprint(ptr.Deref(topic.Spec.Partitions, 0))}
		if have[topic.Name] != want {
			return fmt.Sprintf("%s is %+v on the brokers and %+v by its object", topic.Name, have[topic.Name], want)
		}
		delete(have, topic.Name)
	}
	if len(have) > 0 {
		return fmt.Sprintf("no object has the topics %v", have)
	}
	return ""
}

// ids are the topics of a namespace by their objects.
func ids(t *testing.T, client versioned.Interface, namespace string) map[string]string {
	t.Helper()
	list, err := client.KafkaV1beta1().KafkaTopics(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for _, topic := range list.Items {
		known[topic.Name] = topic.Status.TopicID
	}
	return known
}

type brokerTopic struct{ id, partitions string }

// brokerTopics asks Kafka's own tool for the topics whose names begin so.
func brokerTopics(t *testing.T, kafka *kafkaproc.Cluster, prefix string) (map[string]brokerTopic, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := kafka.Tool(ctx, topicCommand, "--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), "--describe")
	if err != nil {
		return nil, err
	}
	topics := map[string]brokerTopic{}
	for line := range strings.Lines(string(out)) {
		var name string
		var topic brokerTopic
		for field := range strings.SplitSeq(line, "\t") {
			key, value, _ := strings.Cut(strings.TrimSpace(field), ": ")
			switch key {
			case "Topic":
				name = value
			case "TopicId":
				topic.id = value
			case "PartitionCount":
				topic.partitions = value
			}
		}
		if topic.id != "" && strings.HasPrefix(name, prefix) {
			topics[name] = topic
		}
	}
	return topics, nil
}

// bystander asks for a topic of another cluster again and again, and keeps how long each answer took.
type bystander struct {
	mu      sync.Mutex
	took    []time.Duration
	errs    []error
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// bystanderEvery is the pause between two of its requests.
const bystanderEvery = 20 * time.Millisecond

func startBystander(t *testing.T, namespace, topic string) *bystander {
	t.Helper()
	b := &bystander{}
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	b.running.Go(func() {
		tick := time.NewTicker(bystanderEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			start := time.Now()
			_, err := cluster.Client.KafkaV1beta1().KafkaTopics(namespace).GetPartitions(ctx, topic, metav1.GetOptions{})
			if ctx.Err() != nil {
				return
			}
			b.mu.Lock()
			b.took = append(b.took, time.Since(start))
			if err != nil {
				b.errs = append(b.errs, err)
			}
			b.mu.Unlock()
		}
	})
	t.Cleanup(b.stop)
	return b
}

func (b *bystander) stop() {
	b.cancel()
	b.running.Wait()
}

// latency is what a bystander saw in one phase.
type latency struct{ median, p99 time.Duration }

// phase forgets what was, waits for so many answers and at least so long, and tells how long they took.
func (b *bystander) phase(t *testing.T, answers int, atLeast time.Duration) latency {
	t.Helper()
	b.mu.Lock()
	b.took = nil
	b.mu.Unlock()
	start := time.Now()
	tick := time.NewTicker(bystanderEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the test ends before the bystander has enough answers")
		}
		b.mu.Lock()
		took, errs := slices.Clone(b.took), b.errs
		b.mu.Unlock()
		if len(errs) > 0 {
			t.Fatalf("a request for another cluster fails: %v", errs[0])
		}
		if len(took) >= answers && time.Since(start) >= atLeast {
			slices.Sort(took)
			return latency{median: took[len(took)/2], p99: took[len(took)*99/100]}
		}
	}
}

// heldUp is longer than a machine that other things run on takes for an answer, and shorter than the wait for brokers that are away.
const heldUp = 2 * time.Second

// expectNotHeldUp checks that another cluster's requests did not wait for the brokers that a test took away. How much slower they were
// is told and not judged: that depends on what else the machine does, and each fault costs the brokers themselves a restart on it.
func expectNotHeldUp(t *testing.T, before, during, after latency) {
	t.Helper()
	t.Logf("another cluster's requests: before %+v, during %+v, after %+v", before, during, after)
	if during.p99 > heldUp {
		t.Errorf("the p99 of another cluster's requests is %v, before it was %v", during.p99, before.p99)
	}
}
