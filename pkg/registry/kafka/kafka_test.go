package kafka_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

func TestBadInputOfAKafka(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	existing := mustCreate(t, newKafka(namespace))
	for _, tc := range []struct {
		name   string
		change func(*v1beta1.Kafka)
		words  []string
	}{
		{"an unknown version", func(k *v1beta1.Kafka) { k.Spec.Version = "4.2.0" }, []string{"spec.version", "3.9.2", "4.3.1"}},
		{"ZooKeeper with 4.x", func(k *v1beta1.Kafka) {
			k.Spec.ZooKeeper = &v1beta1.ZooKeeperSpec{Storage: k.Spec.Brokers.Storage}
		}, []string{"spec.zookeeper", "3.9.2"}},
		{"ZooKeeper together with controllers", func(k *v1beta1.Kafka) {
			k.Spec.Version = "3.9.2"
			k.Spec.ZooKeeper = &v1beta1.ZooKeeperSpec{Storage: k.Spec.Brokers.Storage}
			k.Spec.Controllers = &v1beta1.ControllersSpec{Storage: k.Spec.Brokers.Storage}
		}, []string{"spec.controllers", "leave out zookeeper or controllers"}},
		{"an even quorum", func(k *v1beta1.Kafka) {
			k.Spec.Controllers = &v1beta1.ControllersSpec{Storage: k.Spec.Brokers.Storage, Replicas: ptr.To[int32](2)}
		}, []string{"spec.controllers.replicas", "1, 3 or 5"}},
		{"an empty quorum", func(k *v1beta1.Kafka) {
			k.Spec.Controllers = &v1beta1.ControllersSpec{Storage: k.Spec.Brokers.Storage, Replicas: ptr.To[int32](0)}
		}, []string{"spec.controllers.replicas", "1, 3 or 5"}},
		{"a name that is no label", func(k *v1beta1.Kafka) { k.Name = "My_Cluster" }, []string{"metadata.name"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := kafkas(namespace).Create(t.Context(), newKafka(namespace, func(k *v1beta1.Kafka) { k.Name = "bad" }, tc.change), metav1.CreateOptions{})
			expectStatus(t, err, 422, tc.words...)
		})
	}
	for _, tc := range []struct {
		name   string
		change func(*v1beta1.Kafka)
		words  []string
	}{
		{"a smaller claim", func(k *v1beta1.Kafka) { k.Spec.Brokers.Storage.Size = ptr.To(resource.MustParse("9Gi")) }, []string{"spec.brokers.storage.size", "it has 10Gi"}},
		{"another type of storage", func(k *v1beta1.Kafka) { k.Spec.Brokers.Storage = v1beta1.StorageSpec{Type: v1beta1.Ephemeral} }, []string{"spec.brokers.storage.type", "immutable"}},
		{"another class", func(k *v1beta1.Kafka) { k.Spec.Brokers.Storage.Class = ptr.To("fast") }, []string{"spec.brokers.storage.class", "immutable"}},
		{"another mode", func(k *v1beta1.Kafka) {
			k.Spec.Controllers = &v1beta1.ControllersSpec{Storage: k.Spec.Brokers.Storage}
		}, []string{"spec.controllers", "KRaftCombined"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := existing.DeepCopy()
			tc.change(next)
			_, err := kafkas(namespace).Update(t.Context(), next, metav1.UpdateOptions{})
			expectStatus(t, err, 422, tc.words...)
		})
	}
	list, err := kafkas(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].ResourceVersion != existing.ResourceVersion {
		t.Errorf("something was stored: %d objects, the first has version %s", len(list.Items), list.Items[0].ResourceVersion)
	}
}

func TestDefaultsAreStored(t *testing.T) {
	t.Parallel()
	k := mustCreate(t, newKafka(server.Namespace(), func(k *v1beta1.Kafka) {
		k.Spec.Version, k.Spec.Brokers.Replicas, k.Spec.Brokers.Storage.Type = "", nil, ""
	}))
	if k.Spec.Version != "4.3.1" || ptr.Deref(k.Spec.Brokers.Replicas, 0) != 3 || k.Spec.Brokers.Storage.Type != v1beta1.PersistentClaim {
		t.Errorf("stored is %+v", k.Spec)
	}
}

// GitOps tools take an object without conditions for one that is as it should be.
func TestACreatedKafkaIsNotKnownToBeReady(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	applied := newKafka(namespace, func(k *v1beta1.Kafka) { k.Name = "applied" })
	applied.APIVersion, applied.Kind = "kafka.openshift.io/v1beta1", "Kafka"
	body, err := json.Marshal(applied)
	if err != nil {
		t.Fatal(err)
	}
	forged := newKafka(namespace, func(k *v1beta1.Kafka) {
		k.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Forged", LastTransitionTime: metav1.Now()}}
	})
	for what, create := range map[string]func() (*v1beta1.Kafka, error){
		"created": func() (*v1beta1.Kafka, error) {
			return kafkas(namespace).Create(t.Context(), forged, metav1.CreateOptions{})
		},
		"applied": func() (*v1beta1.Kafka, error) {
			return kafkas(namespace).Patch(t.Context(), "applied", types.ApplyPatchType, body, metav1.PatchOptions{FieldManager: "test"})
		},
	} {
		k, err := create()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionUnknown || ready.Reason != v1beta1.ReasonPending ||
			!ready.LastTransitionTime.Equal(&k.CreationTimestamp) || len(k.Status.Conditions) != 1 || k.Status.ObservedGeneration != 0 {
			t.Errorf("%s: the status is %+v, want Ready=Unknown since %s", what, k.Status, k.CreationTimestamp)
		}
	}
}

func TestGenerationCountsSpecs(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	k := mustCreate(t, newKafka(namespace))
	for _, step := range []struct {
		name   string
		change func(*v1beta1.Kafka)
		want   int64
	}{
		{"a label", func(k *v1beta1.Kafka) { k.Labels = map[string]string{"a": "b"} }, 1},
		{"a setting", func(k *v1beta1.Kafka) { k.Spec.Brokers.Config = map[string]string{"log.retention.ms": "1"} }, 2},
		{"the same quantity in other words", func(k *v1beta1.Kafka) { k.Spec.Brokers.Storage.Size = ptr.To(resource.MustParse("10240Mi")) }, 2},
		{"a generation of one's own", func(k *v1beta1.Kafka) { k.Generation = 99 }, 2},
		{"a status", func(k *v1beta1.Kafka) { k.Status.ClusterID = "forged" }, 2},
	} {
		step.change(k)
		var err error
		if k, err = kafkas(namespace).Update(t.Context(), k, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if k.Generation != step.want {
			t.Errorf("after %s the generation is %d, want %d", step.name, k.Generation, step.want)
		}
	}
	if k.Status.ClusterID != "" {
		t.Error("a user wrote the status")
	}
}

func TestStatusIsTheControllers(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	k := mustCreate(t, newKafka(namespace))
	// The id is nobody else's.
	id := "id-of-" + namespace
	k.Status = v1beta1.KafkaStatus{ClusterID: id, Quorum: []v1beta1.QuorumVoter{{ID: 0, DirectoryID: "a"}}, ObservedGeneration: 1}
	k.Spec.Brokers.Replicas = ptr.To[int32](9)
	k.Labels = map[string]string{"a": "b"}
	k, err := kafkas(namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if *k.Spec.Brokers.Replicas != 3 || len(k.Labels) != 0 || k.Generation != 1 || k.Status.ClusterID != id {
		t.Errorf("a status wrote %+v, labels %v, generation %d", k.Spec, k.Labels, k.Generation)
	}
	k.Status.Quorum = nil
	_, err = kafkas(namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "status.quorum")
	_, err = kafkas(namespace).UpdateStatus(t.Context(), newKafka(namespace, func(k *v1beta1.Kafka) { k.Name = "no-such" }), metav1.UpdateOptions{})
	expectStatus(t, err, 404)
}

// Conditions are what people and scripts go by, and are in every copy of the object.
func TestConditionsInAStatusAreJudgedAndCut(t *testing.T) {
	t.Parallel()
	k := mustCreate(t, newKafka(server.Namespace()))
	ready := metav1.Condition{Type: "Ready", Status: "Perhaps", Reason: "it is so", LastTransitionTime: metav1.Now()}
	k.Status.Conditions = []metav1.Condition{ready}
	_, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{})
	expectStatus(t, err, 422, "status.conditions[0].status", "status.conditions[0].reason")
	ready.Status, ready.Reason, ready.Message = "False", "SoItIs", strings.Repeat("word ", 100000)
	k.Status.Conditions = []metav1.Condition{ready}
	if k, err = kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := k.Status.Conditions[0].Message; len(got) > 4096 || !strings.HasSuffix(got, "…") {
		t.Errorf("the message has %d bytes", len(got))
	}
}

// A null in spec.brokers.config takes a setting away, whichever kind of write brings it.
func TestANullIsASettingThatIsNotThere(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	object := func(config string) string {
		return `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"Kafka","metadata":{"name":"my-cluster"},"spec":{"version":"4.3.1","brokers":{"storage":{"type":"Ephemeral"},"config":` + config + `}}}`
	}
	client := server.Client.KafkaV1beta1().RESTClient()
	for _, tc := range []struct {
		name    string
		request func() *rest.Request
		body    string
	}{
		{"merge", func() *rest.Request { return client.Patch(types.MergePatchType) }, `{"spec":{"brokers":{"config":{"log.retention.ms":null}}}}`},
		{"strategic", func() *rest.Request { return client.Patch(types.StrategicMergePatchType) }, `{"spec":{"brokers":{"config":{"log.retention.ms":null}}}}`},
		{"JSON", func() *rest.Request { return client.Patch(types.JSONPatchType) }, `[{"op":"replace","path":"/spec/brokers/config/log.retention.ms","value":null}]`},
		{"apply", func() *rest.Request { return client.Patch(types.ApplyPatchType).Param("fieldManager", "team") }, object(`{"log.retention.ms":null,"log.roll.ms":"2"}`)},
		{"update", client.Put, object(`{"log.retention.ms":null,"log.roll.ms":"2"}`)},
	} {
		at := func(request *rest.Request, body string) *v1beta1.Kafka {
			k := &v1beta1.Kafka{}
			if err := request.Namespace(namespace).Resource("kafkas").Name("my-cluster").Param("fieldValidation", "Strict").Body([]byte(body)).Do(t.Context()).Into(k); err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			return k
		}
		k := at(client.Patch(types.ApplyPatchType).Param("fieldManager", "team").Param("force", "true"), object(`{"log.retention.ms":"1","log.roll.ms":"2","log.segment.bytes":null}`))
		if want := (v1beta1.BrokerConfig{"log.retention.ms": "1", "log.roll.ms": "2"}); !maps.Equal(k.Spec.Brokers.Config, want) {
			t.Errorf("created with %v, want %v", k.Spec.Brokers.Config, want)
		}
		k = at(tc.request(), tc.body)
		if want := (v1beta1.BrokerConfig{"log.roll.ms": "2"}); !maps.Equal(k.Spec.Brokers.Config, want) {
			t.Errorf("%s: the spec has %v, want %v", tc.name, k.Spec.Brokers.Config, want)
		}
	}
	for _, request := range []*rest.Request{client.Patch(types.MergePatchType), client.Patch(types.ApplyPatchType).Param("fieldManager", "other").Param("force", "true")} {
		k := &v1beta1.Kafka{}
		body := strings.Replace(object(`{}`), `"config":{}`, `"resources":{"requests":{"cpu":null,"memory":"1Gi"},"limits":{"memory":null}}`, 1)
		if err := request.Namespace(namespace).Resource("kafkas").Name("my-cluster").Param("fieldValidation", "Strict").Body([]byte(body)).Do(t.Context()).Into(k); err != nil {
			t.Fatal(err)
		}
		if have := k.Spec.Brokers.Resources; len(have.Limits) > 0 || len(have.Requests) != 1 {
			t.Errorf("the resources are %+v", have)
		}
	}
	err := client.Post().Namespace(namespace).Resource("kafkas").Body([]byte(object(`{"log.retention.ms":1}`))).Do(t.Context()).Error()
	expectStatus(t, err, 422, `spec.brokers.config[log.retention.ms]: Invalid value: 1: must be a string in quotes`)
}

func TestKafkaTables(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	k := mustCreate(t, newKafka(namespace))
	k.Status = v1beta1.KafkaStatus{ClusterID: "id", Version: "4.3.1", Brokers: v1beta1.BrokerCounts{Desired: 3, Registered: 2},
		Listeners:  []v1beta1.ListenerStatus{{Name: "plain", BootstrapServers: "my-cluster:9092"}},
		Conditions: []metav1.Condition{{Type: "Ready", Status: "False", Reason: "Starting", Message: "broker 2 starts", LastTransitionTime: metav1.Now()}}}
	if _, err := kafkas(namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	columns, rows := table(t, namespace, "", "")
	want := []string{"Name", "Version", "Mode", "Brokers", "Ready", "Age", "[Cluster ID]", "[Bootstrap]", "[Message]"}
	if !slices.Equal(columns, want) {
		t.Errorf("columns are %v, want %v", columns, want)
	}
	rows[0][5] = nil // the age
	if want := []any{"my-cluster", "4.3.1", "KRaftCombined", "2/3", "False", nil, "id", "my-cluster:9092", "broker 2 starts"}; !slices.Equal(rows[0], want) {
		t.Errorf("the row is %v, want %v", rows[0], want)
	}
}

// Of an external Kafka that is Ready the table shows how many brokers its clients reach, and why not all.
func TestTheTableOfADegradedKafka(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 2).Object
	k.Status.ObservedGeneration, k.Status.Brokers = k.Generation, v1beta1.BrokerCounts{Desired: 2, Registered: 2, Ready: 1}
	k.Status.Conditions = []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "BrokersReady", Message: "1 of 2 brokers answer at the addresses that they advertise", LastTransitionTime: metav1.Now()},
		{Type: "Degraded", Status: "True", Reason: "BrokersUnreachable", Message: "broker 1 is not reached", LastTransitionTime: metav1.Now()},
	}
	if _, err := kafkas(k.Namespace).UpdateStatus(t.Context(), k, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, rows := table(t, k.Namespace, "", "")
	if row := rows[0]; row[3] != "1/2" || row[4] != "True" || row[8] != "broker 1 is not reached" {
		t.Errorf("the row is %v", row)
	}
}

// table gets what kubectl prints: the columns, the wide ones in brackets, and the rows.
func table(t *testing.T, namespace, name, subresource string) (columns []string, rows [][]any) {
	t.Helper()
	request := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(namespace).Resource("kafkas").
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

func TestAWatchOfNegativeLengthIsABadRequest(t *testing.T) {
	t.Parallel()
	_, err := kafkas(server.Namespace()).Watch(t.Context(), metav1.ListOptions{TimeoutSeconds: ptr.To[int64](-1)})
	expectStatus(t, err, 400, "timeoutSeconds")
}

func TestKafkaFieldSelectors(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace()
	mustCreate(t, newKafka(namespace))
	for selector, want := range map[string]int{"metadata.name=my-cluster": 1, "metadata.name=other": 0, "metadata.namespace=" + namespace: 1} {
		list, err := kafkas(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: selector})
		if err != nil || len(list.Items) != want {
			t.Errorf("%s: %v, %d objects, want %d", selector, err, len(list.Items), want)
		}
	}
	_, err := kafkas(namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "spec.version=4.3.1"})
	expectStatus(t, err, 400, "not supported", "metadata.name")
}
