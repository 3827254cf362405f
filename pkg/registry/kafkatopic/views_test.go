package kafkatopic_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
)

// script lets a function answer the requests of a type; what it does not answer the fake does. It returns how many there were.
func script(k *apiservertest.Kafka, key int16, answer func(kmsg.Request) kmsg.Response) *atomic.Int64 {
	var count atomic.Int64
	k.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		count.Add(1)
		response := answer(request)
		return response, nil, response != nil
	})
	return &count
}

func counted(k *apiservertest.Kafka, key int16) *atomic.Int64 {
	return script(k, key, func(kmsg.Request) kmsg.Response { return nil })
}

func configNamed(view *v1beta1.KafkaTopicConfigs, name string) v1beta1.EffectiveConfig {
	for _, c := range view.Configs {
		if c.Name == name {
			return c
		}
	}
	return v1beta1.EffectiveConfig{}
}

func TestConfigsAreTheEffectiveOnes(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) {
		topic.Spec.Config = map[string]string{"retention.ms": "86400000"}
	}))
	view, err := topicsOf(server.Client, k).GetConfigs(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if view.Name != "orders" || view.UID != topic.UID || len(view.Configs) < 10 {
		t.Fatalf("the view is %+v", view)
	}
	own := view.Configs[0]
	if own.Name != "retention.ms" || ptr.Deref(own.Value, "") != "86400000" || own.Source != "DYNAMIC_TOPIC_CONFIG" || own.IsDefault {
		t.Errorf("the topic's own setting does not come first: %+v", own)
	}
	if other := configNamed(view, "cleanup.policy"); ptr.Deref(other.Value, "") != "delete" || !other.IsDefault || other.Source != "DEFAULT_CONFIG" {
		t.Errorf("a setting that nobody made is %+v", other)
	}
	columns, rows := table(t, k, "orders", "configs")
	if want := []string{"Name", "Value", "Source", "[Read-Only]", "[Sensitive]", "[Otherwise]"}; !slices.Equal(columns, want) {
		t.Errorf("columns are %v, want %v", columns, want)
	}
	expectRow(t, rows[0], "retention.ms", "86400000", "DYNAMIC_TOPIC_CONFIG", false, false, nil)
	if _, err := topicsOf(server.Client, k).GetConfigs(t.Context(), "no-such", metav1.GetOptions{}); err == nil {
		t.Error("a topic that does not exist has settings")
	}
	k.DeleteTopic(t, "orders")
	_, err = topicsOf(server.Client, k).GetConfigs(t.Context(), "orders", metav1.GetOptions{})
	expectStatus(t, err, 404, "not on the brokers")
}

// Brokers do not tell secrets; this server would not either if they did.
func TestASensitiveValueNeverLeavesTheServer(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 1)
	mustCreate(t, newTopic(k, "orders", func(topic *v1beta1.KafkaTopic) { topic.Spec.Replicas = ptr.To[int32](1) }))
	const secret = "hunter2"
	script(k, int16(kmsg.DescribeConfigs), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
		resource := kmsg.NewDescribeConfigsResponseResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, "orders"
		config := kmsg.NewDescribeConfigsResponseResourceConfig()
		config.Name, config.Value, config.IsSensitive, config.Source = "tier.password", kmsg.StringPtr(secret), true, kmsg.ConfigSourceDynamicTopicConfig
		synonym := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
		synonym.Name, synonym.Value = "tier.password", kmsg.StringPtr(secret)
		config.ConfigSynonyms = append(config.ConfigSynonyms, synonym, synonym)
		resource.Configs = append(resource.Configs, config)
		response.Resources = append(response.Resources, resource)
		return response
	})
	for _, accept := range []string{"application/json", "application/yaml", "application/json;as=Table;v=v1;g=meta.k8s.io"} {
		raw, err := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkatopics").Name("orders").
			SubResource("configs").SetHeader("Accept", accept).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if text := string(raw); strings.Contains(text, secret) || !strings.Contains(text, "tier.password") {
			t.Errorf("as %s the answer is %s", accept, text)
		}
	}
}

// Clients that sort ask for the object of each row: it must not be the whole view again.
func TestTheRowsOfViewsHaveThemselvesAlone(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	for _, name := range []string{"invoices", "orders", "payments"} {
		mustCreate(t, newTopic(k, name))
	}
	rows := func(resource, name, subresource string) []metav1.TableRow {
		t.Helper()
		shown := &metav1.Table{}
		if err := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource(resource).Name(name).SubResource(subresource).
			SetHeader("Accept", asTable).Param("includeObject", "Object").Do(t.Context()).Into(shown); err != nil {
			t.Fatal(err)
		}
		return shown.Rows
	}
	decode := func(row metav1.TableRow, into any) {
		t.Helper()
		if err := json.Unmarshal(row.Object.Raw, into); err != nil {
			t.Fatalf("%v in %s", err, row.Object.Raw)
		}
	}
	for _, row := range rows("kafkas", k.Object.Name, "topics") {
		var one v1beta1.KafkaHostedTopics
		if decode(row, &one); one.Kind != "KafkaHostedTopics" || len(one.Topics) != 1 || one.Topics[0].Name != row.Cells[0] {
			t.Errorf("the row of topic %v has %s", row.Cells[0], row.Object.Raw)
		}
	}
	for i, row := range rows("kafkatopics", "orders", "partitions") {
		var one v1beta1.KafkaTopicPartitions
		if decode(row, &one); len(one.Status.Partitions) != 1 || len(one.Spec.Partitions) != 1 || one.Status.Partitions[0].Partition != int32(i) || one.Spec.Partitions[0].Partition != int32(i) {
			t.Errorf("the row of partition %d has %s", i, row.Object.Raw)
		}
	}
	for _, row := range rows("kafkatopics", "orders", "configs") {
		var one v1beta1.KafkaTopicConfigs
		if decode(row, &one); len(one.Configs) != 1 || one.Configs[0].Name != row.Cells[0] {
			t.Errorf("the row of setting %v has %s", row.Cells[0], row.Object.Raw)
		}
	}
}

// mustSizes gets the partitions until the answer has their sizes, which brokers can be too slow for. They are kept for the next.
func mustSizes(t *testing.T, k *apiservertest.Kafka, topic string) (view *v1beta1.KafkaTopicPartitions) {
	t.Helper()
	apiservertest.Eventually(t, "the brokers tell the sizes in time", func() bool {
		view = mustPartitions(t, k, topic)
		return !slices.ContainsFunc(view.Status.Partitions, func(p v1beta1.PartitionStatus) bool {
			return p.Replicas == nil || slices.ContainsFunc(p.Replicas, func(r v1beta1.ReplicaStatus) bool { return r.SizeBytes == nil })
		})
	})
	return view
}

func TestPartitionsTellEligibleLeadersAndSizes(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	script(k, int16(kmsg.DescribeTopicPartitions), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
		topic := kmsg.NewDescribeTopicPartitionsResponseTopic()
		topic.Topic = kmsg.StringPtr("orders")
		partition := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		partition.Partition, partition.EligibleLeaderReplicas, partition.LastKnownELR = 1, []int32{2}, []int32{0}
		topic.Partitions = append(topic.Partitions, partition)
		response.Topics = append(response.Topics, topic)
		return response
	})
	asked := counted(k, int16(kmsg.DescribeLogDirs))
	view := mustSizes(t, k, "orders")
	if p := view.Status.Partitions[1]; !slices.Equal(p.ELR, []int32{2}) || !slices.Equal(p.LastKnownELR, []int32{0}) || view.Status.Partitions[0].ELR != nil {
		t.Errorf("eligible leaders are %+v", view.Status.Partitions)
	}
	for i, p := range view.Status.Partitions {
		var brokers []int32
		for _, replica := range p.Replicas {
			brokers = append(brokers, replica.Broker)
			if replica.SizeBytes == nil || replica.OffsetLag == nil || replica.LogDir == "" || replica.Problem != "" {
				t.Errorf("partition %d has %+v", i, replica)
			}
		}
		if !slices.Equal(brokers, view.Spec.Partitions[i].Replicas) {
			t.Errorf("partition %d has sizes on %v, replicas on %v", i, brokers, view.Spec.Partitions[i].Replicas)
		}
	}
	first := asked.Load()
	mustPartitions(t, k, "orders")
	if again := asked.Load(); first == 0 || again != first {
		t.Errorf("brokers were asked to walk their folders %d and %d times", first, again)
	}
}

// Brokers with many logs take long to tell their sizes, and those of ZooKeeper know of no eligible leaders.
func TestPartitionsDoNotWaitForSizes(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	client, warnings := server.Warned(t)
	release := make(chan struct{})
	k.ControlKey(int16(kmsg.DescribeLogDirs), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		k.SleepControl(func() { <-release })
		return nil, nil, false
	})
	start := time.Now()
	view, err := topicsOf(client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the view took %s", took)
	}
	if view.Status.Partitions[0].EndOffset == nil {
		t.Errorf("the view has %+v", view.Status.Partitions[0])
	}
	for _, replica := range view.Status.Partitions[0].Replicas {
		if replica.SizeBytes != nil || !strings.Contains(replica.Problem, "not answered yet") {
			t.Errorf("a replica whose size is not known is %+v", replica)
		}
	}
	// Who is not shown sizes is not told that they are not known.
	if texts := warnings.Take(); len(view.Status.Partitions[0].Replicas) != 2 || len(texts) != 0 {
		t.Errorf("%d replicas, the warnings are %q", len(view.Status.Partitions[0].Replicas), texts)
	}
	// The question goes on, so that its answer is there for whoever comes next.
	close(release)
	apiservertest.Eventually(t, "sizes are known", func() bool { return mustPartitions(t, k, "orders").Status.Partitions[0].Replicas[0].SizeBytes != nil })
}

// While replicas move, nobody can tell how many a partition has to have.
func TestAMovingTopicDoesNotGrow(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	topic := mustCreate(t, newTopic(k, "orders"))
	script(k, int16(kmsg.ListPartitionReassignments), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		moving := kmsg.NewListPartitionReassignmentsResponseTopic()
		moving.Topic = "orders"
		partition := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
		partition.Partition, partition.Replicas, partition.AddingReplicas, partition.RemovingReplicas = 0, []int32{2, 0, 1}, []int32{2}, []int32{0}
		moving.Partitions = append(moving.Partitions, partition)
		response.Topics = append(response.Topics, moving)
		return response
	})
	view := mustPartitions(t, k, "orders")
	if !slices.Equal(view.Spec.Partitions[0].Replicas, []int32{2, 1}) || !slices.Equal(view.Status.Partitions[0].Adding, []int32{2}) || !slices.Equal(view.Status.Partitions[0].Removing, []int32{0}) {
		t.Errorf("a moving partition is %+v %+v", view.Spec.Partitions[0], view.Status.Partitions[0])
	}
	k.Forget()
	topics := topicsOf(server.Client, k)
	for what, grow := range map[string]func() error{
		"through its spec": func() error {
			topic.Spec.Partitions = ptr.To[int32](4)
			_, err := topics.Update(t.Context(), topic, metav1.UpdateOptions{})
			return err
		},
		"through scale": func() error {
			scale, err := topics.GetScale(t.Context(), "orders", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			scale.Spec.Replicas = 4
			_, err = topics.UpdateScale(t.Context(), "orders", scale, metav1.UpdateOptions{})
			return err
		},
		"through its partitions": func() error {
			view.Spec.Partitions = append(view.Spec.Partitions[:3:3], v1beta1.PartitionAssignment{Partition: 3, Replicas: []int32{0, 1}})
			_, err := put(t, k, "orders", view)
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			expectStatus(t, grow(), 409, "reassigned", "REASSIGNMENT_IN_PROGRESS")
			if got := kinds(k); len(got) != 0 {
				t.Errorf("the brokers got %v", got)
			}
		})
	}
}

func TestEveryTopicOfAClusterIsShown(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	tenant := server.Namespace()
	mustCreate(t, newTopic(k, "orders"))
	mustCreate(t, newTopic(k, "orders", from(tenant, "")))
	k.CreateTopic(t, "unmanaged", 2, 1)
	k.CreateTopic(t, "__consumer_offsets", 1, 1)
	kafkas := server.Client.KafkaV1beta1().Kafkas(k.Object.Namespace)
	// What was created behind the server's back is seen by a snapshot that is new enough.
	var view *v1beta1.KafkaHostedTopics
	apiservertest.Eventually(t, "all topics are shown", func() bool {
		var err error
		if view, err = kafkas.GetTopics(t.Context(), "k", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		return len(view.Topics) == 4
	})
	want := map[string]v1beta1.HostedTopic{
		"orders":             {Partitions: 3, Replicas: 2, Managed: true, ManagedBy: &v1beta1.TopicReference{Namespace: k.Object.Namespace, Name: "orders"}},
		tenant + ".orders":   {Partitions: 3, Replicas: 2, Managed: true, ManagedBy: &v1beta1.TopicReference{Namespace: tenant, Name: "orders"}},
		"unmanaged":          {Partitions: 2, Replicas: 1},
		"__consumer_offsets": {Partitions: 1, Replicas: 1},
	}
	have := k.Topics(t)
	for _, got := range view.Topics {
		expected := want[got.Name]
		if got.TopicID != have[got.Name].ID || got.Partitions != expected.Partitions || got.Replicas != expected.Replicas ||
			got.Managed != expected.Managed || !ptr.Equal(got.ManagedBy, expected.ManagedBy) || got.UnderReplicated != 0 || got.Offline != 0 {
			t.Errorf("%+v, want %+v", got, expected)
		}
	}
	if !slices.IsSortedFunc(view.Topics, func(a, b v1beta1.HostedTopic) int { return strings.Compare(a.Name, b.Name) }) || view.ObservedTime.IsZero() {
		t.Errorf("the view is %+v", view)
	}

	// The names of objects are told to those who may get them.
	stranger, _ := server.As(t, func(a authorizer.Attributes) bool {
		return a.GetResource() == "kafkas" || a.GetNamespace() == k.Object.Namespace
	})
	if view, err := stranger.KafkaV1beta1().Kafkas(k.Object.Namespace).GetTopics(t.Context(), "k", metav1.GetOptions{}); err != nil {
		t.Error(err)
	} else {
		for _, got := range view.Topics {
			if got.Name == tenant+".orders" && (!got.Managed || got.ManagedBy != nil) || got.Name == "orders" && got.ManagedBy == nil {
				t.Errorf("a stranger sees %+v", got)
			}
		}
	}
	_, err := kafkas.GetTopics(t.Context(), "no-such", metav1.GetOptions{})
	expectStatus(t, err, 404)
}

// Without a controller nobody knows what moves. Who looks at partitions then is shown the rest.
func TestPartitionsAreShownWithoutAController(t *testing.T) {
	t.Parallel()
	k := server.NewKafka(t, 3)
	mustCreate(t, newTopic(k, "orders"))
	script(k, int16(kmsg.ListPartitionReassignments), func(request kmsg.Request) kmsg.Response {
		response := request.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
		response.ErrorCode = 41
		return response
	})
	client, warnings := server.Warned(t)
	started := time.Now()
	view, err := topicsOf(client, k).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	if err != nil || len(view.Status.Partitions) != 3 {
		t.Fatalf("%+v, %v", view, err)
	}
	if text := onlyWarning(t, warnings); !strings.Contains(text, "moves are not known: ") || strings.Contains(text, "deadline") {
		t.Errorf("the warning is %q", text)
	}
	if took := time.Since(started); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}
