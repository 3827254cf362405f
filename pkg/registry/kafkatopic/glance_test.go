package kafkatopic_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
)

const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// listed is a namespace's topics as kubectl prints them: the live cells by name.
func listed(t *testing.T, client versioned.Interface, namespace string, options metav1.ListOptions) (cells map[string][]any, next string) {
	t.Helper()
	var got metav1.Table
	err := client.KafkaV1beta1().RESTClient().Get().Namespace(namespace).Resource("kafkatopics").SetHeader("Accept", asTable).
		Param("limit", fmt.Sprint(options.Limit)).Param("continue", options.Continue).Do(t.Context()).Into(&got)
	if err != nil {
		t.Fatal(err)
	}
	cells = map[string][]any{}
	for _, row := range got.Rows {
		cells[row.Cells[0].(string)] = []any{row.Cells[2], row.Cells[3], row.Cells[7], row.Cells[8]}
	}
	return cells, got.Continue
}

// listedInTime lists until the brokers were fast enough for it, of which a list warns otherwise.
func listedInTime(t *testing.T, namespace string, options metav1.ListOptions) (cells map[string][]any, next string, tries int) {
	t.Helper()
	client, warnings := server.Warned(t)
	apiservertest.Eventually(t, "a list without a warning", func() bool {
		tries++
		cells, next = listed(t, client, namespace, options)
		return len(warnings.Take()) == 0
	})
	return cells, next, tries
}

func TestAListReadsOneSnapshot(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	const n = 12
	for i := range n {
		mustCreate(t, newTopic(k, fmt.Sprintf("topic-%d", i)))
	}
	asked := counted(k, int16(kmsg.Metadata))
	var options metav1.ListOptions
	options.Limit = 5
	seen, pages := 0, 0
	for ; pages == 0 || options.Continue != ""; pages++ {
		var cells map[string][]any
		var tries int
		cells, options.Continue, tries = listedInTime(t, k.Object.Namespace, options)
		if first := asked.Load(); pages == 0 && (first < 1 || first > int64(tries)) {
			t.Errorf("%d lists asked the brokers %d times", tries, first)
		} else if pages == 0 {
			asked.Store(0)
		}
		for _, row := range cells {
			seen++
			expectRow(t, row, int64(3), int64(2), int64(0), int64(0))
		}
	}
	if seen != n || pages != 3 {
		t.Errorf("%d rows on %d pages", seen, pages)
	}
	if got := asked.Load(); got != 0 {
		t.Errorf("the brokers were asked %d times more for the other pages", got)
	}
	// A write through this server is seen at once, though the snapshot is young.
	scale, err := topicsOf(server.Client, k).GetScale(t.Context(), "topic-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas = 7
	if _, err := topicsOf(server.Client, k).UpdateScale(t.Context(), "topic-0", scale, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	cells, _, _ := listedInTime(t, k.Object.Namespace, metav1.ListOptions{})
	expectRow(t, cells["topic-0"], int64(7), int64(2), int64(0), int64(0))
}

// A list is answered at once, with what was known last or without, whatever has become of the brokers.
func TestAListDoesNotWaitForBrokersThatAreAway(t *testing.T) {
	t.Parallel()
	known, unknown := server.NewKafka(t, 3), server.NewKafka(t, 3)
	mustCreate(t, newTopic(known, "orders"))
	doomed := mustCreate(t, newTopic(known, "doomed"))
	listed(t, server.Client, known.Object.Namespace, metav1.ListOptions{})
	// A write of our own makes the snapshot old, however young it is.
	mustDelete(t, doomed)
	known.Vanish()
	unknown.Vanish()
	mustCreate(t, newTopic(known, "later"))
	mustCreate(t, newTopic(unknown, "theirs", from(known.Object.Namespace, "")))
	client, warnings := server.Warned(t)
	start := time.Now()
	cells, _ := listed(t, client, known.Object.Namespace, metav1.ListOptions{})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a list took %s", took)
	}
	expectRow(t, cells["orders"], int64(3), int64(2), int64(0), int64(0))
	expectRow(t, cells["later"], "unknown", "unknown", "unknown", "unknown")
	expectRow(t, cells["theirs"], "unknown", "unknown", "unknown", "unknown")
	texts := warnings.Take()
	if len(texts) != 2 {
		t.Fatalf("the warnings are %q", texts)
	}
	for _, want := range []string{
		"what the brokers of Kafka " + unknown.Object.Namespace + "/k have is not known: ",
		"what the brokers of Kafka " + known.Object.Namespace + "/k have is as of 20",
	} {
		if !strings.HasPrefix(texts[0], want) && !strings.HasPrefix(texts[1], want) {
			t.Errorf("the warnings are %q, want one that begins with %q", texts, want)
		}
	}
}

// Events are many, and each is told at once: none makes a question.
func TestAWatchOfTablesAsksNobody(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	asked := counted(k, int16(kmsg.Metadata))
	stream, err := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkatopics").
		SetHeader("Accept", asTable).Param("watch", "true").Param("resourceVersion", topic.ResourceVersion).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	events := json.NewDecoder(stream)
	for i := range 3 {
		topic = mustGet(t, topic)
		topic.Labels = map[string]string{"n": fmt.Sprint(i)}
		if _, err := topicsOf(server.Client, k).Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		var event struct {
			Type   string
			Object metav1.Table
		}
		if err := events.Decode(&event); err != nil {
			t.Fatal(err)
		}
		if rows := event.Object.Rows; event.Type != "MODIFIED" || len(rows) != 1 || rows[0].Cells[0] != "orders" {
			t.Fatalf("event %d is %+v", i, event)
		}
	}
	if got := asked.Load(); got != 0 {
		t.Errorf("the brokers were asked %d times", got)
	}
}

// What is asked for is no number of what is there.
func TestAListShowsNoNumbersOfATopicThatIsNotThere(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	topic := newTopic(&apiservertest.Kafka{Object: &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Name: "later", Namespace: namespace}}}, "orders")
	body := asJSON(t, map[string]any{"apiVersion": "kafka.openshift.io/v1beta1", "kind": "KafkaTopic", "metadata": map[string]any{"name": topic.Name}, "spec": topic.Spec})
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(namespace).Patch(t.Context(), topic.Name, types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "test"}); err != nil {
		t.Fatal(err)
	}
	cells, _ := listed(t, server.Client, namespace, metav1.ListOptions{})
	expectRow(t, cells["orders"], "unknown", "unknown", "unknown", "unknown")
}

// Who makes an object of a name learns nothing of what somebody else has under it on the brokers, by no way to a table.
func TestNoTableShowsSomebodyElsesTopic(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "mine"))
	replaced := mustCreate(t, newTopic(k, "replaced"))
	k.DeleteTopic(t, "replaced")
	k.CreateTopic(t, "replaced", 7, 3)
	k.CreateTopic(t, "found", 7, 3)
	k.Refuse()
	found := mustCreate(t, newTopic(k, "found"))
	k.Return()
	brokersServe(t, k, "found")

	cells, _, _ := listedInTime(t, k.Object.Namespace, metav1.ListOptions{})
	expectRow(t, cells["mine"], int64(3), int64(2), int64(0), int64(0))
	expectRow(t, cells["replaced"], int64(3), int64(2), "unknown", "unknown")
	expectRow(t, cells["found"], "unknown", "unknown", "unknown", "unknown")
	for name, want := range map[string][]any{
		"mine": {3.0, 2.0, 0.0, 0.0}, "replaced": {3.0, 2.0, "unknown", "unknown"}, "found": {"unknown", "unknown", "unknown", "unknown"},
	} {
		_, rows := table(t, k, name, "")
		expectRow(t, []any{rows[0][2], rows[0][3], rows[0][7], rows[0][8]}, want...)
	}
	for _, topic := range []*v1beta1.KafkaTopic{replaced, found} {
		event := tableEvent(t, mustGet(t, topic))
		expectRow(t, []any{event[7], event[8]}, "unknown", "unknown")
		if event[2] == int64(7) || event[2] == 7.0 {
			t.Errorf("an event of topic %s is %v", topic.Name, event)
		}
	}
	// JSON has what is stored.
	list, err := topicsOf(server.Client, k).List(t.Context(), metav1.ListOptions{})
	if err != nil || strings.Contains(string(asJSON(t, list)), ":7") {
		t.Errorf("%v, %s", err, asJSON(t, list))
	}
}

// tableEvent changes a topic and returns the cells of the event that a watch of tables has of it.
func tableEvent(t *testing.T, topic *v1beta1.KafkaTopic) []any {
	t.Helper()
	stream, err := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(topic.Namespace).Resource("kafkatopics").
		SetHeader("Accept", asTable).Param("watch", "true").Param("resourceVersion", topic.ResourceVersion).
		Param("fieldSelector", "metadata.name="+topic.Name).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := server.Client.KafkaV1beta1().KafkaTopics(topic.Namespace).Patch(t.Context(), topic.Name, types.MergePatchType, []byte(`{"metadata":{"labels":{"seen":"again"}}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	var event struct{ Object metav1.Table }
	if err := json.NewDecoder(stream).Decode(&event); err != nil {
		t.Fatal(err)
	}
	return event.Object.Rows[0].Cells
}
