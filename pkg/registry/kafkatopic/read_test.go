package kafkatopic_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// table gets what kubectl prints: the columns, the wide ones in brackets, and the rows.
func table(t *testing.T, k *apiservertest.Kafka, name, subresource string) (columns []string, rows [][]any) {
	t.Helper()
	request := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkatopics").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	if name != "" {
		request = request.Name(name)
	}
	if subresource != "" {
		request = request.SubResource(subresource)
	}
	raw, err := request.DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got metav1.Table
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, column := range got.ColumnDefinitions {
		name := column.Name
		if column.Priority > 0 {
			name = "[" + name + "]"
		}
		columns = append(columns, name)
	}
	for _, row := range got.Rows {
		rows = append(rows, row.Cells)
	}
	return columns, rows
}

func expectRow(t *testing.T, got []any, want ...any) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("the row is %v, want %v", got, want)
		return
	}
	for i := range want {
		// nil stands for a cell that differs from run to run.
		if want[i] != nil && got[i] != want[i] {
			t.Errorf("cell %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestTopicTable(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	// What was seen last is shown while brokers are away.
	table(t, k, "", "")
	k.Refuse()
	mustCreate(t, newTopic(k, "later", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = nil }))
	columns, rows := table(t, k, "", "")
	if want := []string{"Name", "Cluster", "Partitions", "Replicas", "Ready", "Age", "[Topic]", "[Under-Replicated]", "[Offline]", "[Message]"}; !slices.Equal(columns, want) {
		t.Errorf("columns are %v, want %v", columns, want)
	}
	if len(rows) != 2 {
		t.Fatalf("rows are %v", rows)
	}
	if message, _ := rows[0][9].(string); message == "" {
		t.Error("the row of a topic that is not ready does not say why")
	}
	expectRow(t, rows[0], "later", "k", "unknown", "unknown", "False", nil, "later", "unknown", "unknown", nil)
	expectRow(t, rows[1], "orders", "k", 3.0, 2.0, "True", nil, "orders", 0.0, 0.0, "")

	k.Return()
	apiservertest.Eventually(t, "the brokers are back", func() bool {
		_, err := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace).GetBrokers(t.Context(), "k", metav1.GetOptions{})
		return err == nil
	})
	tenant := server.Namespace()
	mustCreate(t, newTopic(k, "orders", from(tenant, "")))
	elsewhere := &apiservertest.Kafka{Object: &v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: tenant}}}
	_, rows = table(t, elsewhere, "orders", "")
	expectRow(t, rows[0], "orders", k.Object.Namespace+"/k", 3.0, 2.0, nil, nil, tenant+".orders", nil, nil, nil)
}

func TestPartitionsTableHasARowForEachPartition(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) }))
	mustSizes(t, k, "orders")
	columns, rows := table(t, k, "orders", "partitions")
	want := []string{"Partition", "Leader", "Replicas", "ISR", "Offline", "Start", "End", "[Epoch]", "[Adding]", "[Removing]", "[ELR]", "[Size]"}
	if !slices.Equal(columns, want) {
		t.Errorf("columns are %v, want %v", columns, want)
	}
	if len(rows) != 3 {
		t.Fatalf("rows are %v, want three", rows)
	}
	for i, row := range rows {
		expectRow(t, row, float64(i), 0.0, "0", "0", "", 0.0, 0.0, nil, "", "", "", "0")
	}
}

func TestFieldSelectors(t *testing.T) {
	t.Parallel()
	k, other := server.NewKafka(t, 3), server.NewKafka(t, 3)
	tenant := server.Namespace()
	mustCreate(t, newTopic(k, "a"))
	mustCreate(t, newTopic(k, "b", from(tenant, "")))
	mustCreate(t, newTopic(other, "c"))
	for selector, want := range map[string][]string{
		"metadata.name=a": {"a"},
		"spec.clusterRef.name=k,spec.clusterRef.namespace=" + k.Object.Namespace: {"a", "b"},
		"spec.clusterRef.namespace=" + other.Object.Namespace:                    {"c"},
		"metadata.namespace=" + tenant:                                           {"b"},
		"spec.clusterRef.name=no-such":                                           {},
	} {
		list, err := server.Client.KafkaV1beta1().KafkaTopics("").List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			t.Errorf("%s: %v", selector, err)
			continue
		}
		names := []string{}
		for _, item := range list.Items {
			// Other tests work beside this one.
			if slices.Contains([]string{k.Object.Namespace, other.Object.Namespace, tenant}, item.Namespace) {
				names = append(names, item.Name)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("%s selects %v, want %v", selector, names, want)
		}
	}
	for _, selector := range []string{"spec.topicName=a", "status.topicID=x", "spec.partitions=3"} {
		_, err := topicsOf(server.Client, k).List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		expectStatus(t, err, 400, "not supported", "spec.clusterRef.name")
		_, err = topicsOf(server.Client, k).Watch(t.Context(), metav1.ListOptions{FieldSelector: selector})
		expectStatus(t, err, 400, "not supported")
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	w, err := topicsOf(server.Client, k).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=orders,spec.clusterRef.name=k"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	mustCreate(t, newTopic(k, "unrelated"))
	topic := mustCreate(t, newTopic(k, "orders"))
	mustDelete(t, topic)
	var seen []watch.EventType
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(seen) == 0 || seen[len(seen)-1] != watch.Deleted {
		select {
		case event, open := <-w.ResultChan():
			if !open {
				t.Fatalf("the watch ended after %v", seen)
			}
			if got := event.Object.(*v1beta1.KafkaTopic); got.Name != "orders" {
				t.Errorf("%s of %s", event.Type, got.Name)
			}
			seen = append(seen, event.Type)
		case <-ctx.Done():
			t.Fatalf("in ten seconds there was only %v", seen)
		}
	}
	// It is stored once, with what the brokers answered.
	if want := []watch.EventType{watch.Added, watch.Deleted}; !slices.Equal(seen, want) {
		t.Errorf("events are %v, want %v", seen, want)
	}
}

func TestPatchesOfEveryType(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	for i, tc := range []struct {
		kind types.PatchType
		body string
	}{
		{types.JSONPatchType, `[{"op":"replace","path":"/spec/partitions","value":4}]`},
		{types.MergePatchType, `{"spec":{"partitions":5}}`},
		{types.StrategicMergePatchType, `{"spec":{"partitions":6}}`},
	} {
		if _, err := topicsOf(server.Client, k).Patch(t.Context(), "orders", tc.kind, []byte(tc.body), metav1.PatchOptions{}); err != nil {
			t.Errorf("%s: %v", tc.kind, err)
		}
		if n := len(k.Topics(t)["orders"].Partitions); n != 4+i {
			t.Errorf("%s: the brokers have %d partitions, want %d", tc.kind, n, 4+i)
		}
	}
}

func TestUnknownFieldsAreRefusedWhenAskedTo(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	body := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopic","metadata":{"name":"orders"},"spec":{"clusterRef":{"name":"k"},"partition":3}}`
	err := server.Client.KafkaV1beta1().RESTClient().Post().Namespace(k.Object.Namespace).Resource("kafkatopics").
		Param("fieldValidation", "Strict").Body([]byte(body)).Do(t.Context()).Error()
	expectStatus(t, err, 400, `unknown field "spec.partition"`)
	expectNothing(t, k, "orders")
}
