package kafkaconsumergroup_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/apiserver/apiservertest"
	"kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned"
	typed "kafka.openshift.io/kafka-apiserver/pkg/generated/clientset/versioned/typed/kafka/v1beta1"
)

// server is shared by all tests; each has namespaces and brokers of its own.
var server *apiservertest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if server, err = apiservertest.Start(apiservertest.Options{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Close()
		return m.Run()
	}())
}

func groupsOf(client versioned.Interface, k *apiservertest.Kafka) typed.KafkaConsumerGroupInterface {
	return client.KafkaV1beta1().KafkaConsumerGroups(k.Object.Namespace)
}

// newClient is a way to the fake cluster past the server under test.
func newClient(t *testing.T, k *apiservertest.Kafka, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// start is the timestamp of the first record that produce writes; each later one is a minute younger.
var start = time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)

// produce writes some records to each partition of a topic.
func produce(t *testing.T, k *apiservertest.Kafka, topic string, partitions, each int) {
	t.Helper()
	client := newClient(t, k, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for partition := range partitions {
		for i := range each {
			record := &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("v"), Timestamp: start.Add(time.Duration(i) * time.Minute)}
			if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// commit makes a group of offsets and no members; offset i is that of partition i, and none if it is negative.
func commit(t *testing.T, k *apiservertest.Kafka, group, topic string, offsets ...int64) {
	t.Helper()
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = group, -1
	part := kmsg.NewOffsetCommitRequestTopic()
	part.Topic, part.TopicID = topic, k.TopicInfo(topic).TopicID
	for i, offset := range offsets {
		if offset < 0 {
			continue
		}
		partition := kmsg.NewOffsetCommitRequestTopicPartition()
		partition.Partition, partition.Offset = int32(i), offset
		part.Partitions = append(part.Partitions, partition)
	}
	request.Topics = append(request.Topics, part)
	response, err := request.RequestWith(t.Context(), newClient(t, k))
	if err != nil {
		t.Fatal(err)
	}
	for _, partition := range response.Topics[0].Partitions {
		if partition.ErrorCode != 0 {
			t.Fatalf("commit for %s: code %d", group, partition.ErrorCode)
		}
	}
}

// join makes a consumer that stays in a group and commits nothing, and waits until it has all partitions of a topic.
func join(t *testing.T, k *apiservertest.Kafka, group, topic string, partitions int, opts ...kgo.Opt) {
	t.Helper()
	client := newClient(t, k, append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID("app-1"), kgo.InstanceID("pod-0"),
		kgo.DisableAutoCommit())...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			client.PollFetches(ctx)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	apiservertest.Eventually(t, "group "+group+" is stable", func() bool {
		g := k.GroupInfo(group)
		return g != nil && g.State == "Stable" && g.NumAssigned() == partitions
	})
}

// committed are the offsets on the brokers, by partition.
func committed(k *apiservertest.Kafka, group, topic string) map[int32]int64 {
	offsets := map[int32]int64{}
	if g := k.GroupInfo(group); g != nil {
		for partition, commit := range g.Commits[topic] {
			offsets[partition] = commit.Offset
		}
	}
	return offsets
}

// reset patches the offsets of a group.
func reset(client versioned.Interface, k *apiservertest.Kafka, name, body string, dryRun ...string) (*v1beta1.KafkaConsumerGroupOffsets, error) {
	answer := &v1beta1.KafkaConsumerGroupOffsets{}
	request := client.KafkaV1beta1().RESTClient().Patch(types.MergePatchType).Namespace(k.Object.Namespace).
		Resource("kafkaconsumergroups").Name(name).SubResource("offsets").Body([]byte(body))
	for _, value := range dryRun {
		request = request.Param("dryRun", value)
	}
	return answer, request.Do(context.Background()).Into(answer)
}

// tableOf asks for what kubectl shows.
func tableOf(t *testing.T, k *apiservertest.Kafka, path ...string) *metav1.Table {
	t.Helper()
	shown := &metav1.Table{}
	request := server.Client.KafkaV1beta1().RESTClient().Get().Namespace(k.Object.Namespace).Resource("kafkaconsumergroups").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	if len(path) > 0 {
		request = request.Name(path[0]).SubResource(path[1:]...)
	}
	if err := request.Do(t.Context()).Into(shown); err != nil {
		t.Fatal(err)
	}
	return shown
}

// lines are a table's headers and rows, as words.
func lines(shown *metav1.Table) []string {
	var all []string
	var words []string
	for _, column := range shown.ColumnDefinitions {
		if column.Priority == 0 {
			words = append(words, strings.ToUpper(column.Name))
		}
	}
	all = append(all, strings.Join(words, " "))
	for _, row := range shown.Rows {
		words = nil
		for i, cell := range row.Cells {
			if shown.ColumnDefinitions[i].Priority == 0 {
				words = append(words, fmt.Sprint(cell))
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// expectStatus checks the code of an answer, and that its message says all the words.
func expectStatus(t *testing.T, err error, code int32, words ...string) {
	t.Helper()
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		t.Fatalf("got %v, want an answer with code %d", err, code)
	}
	if got := status.Status().Code; got != code {
		t.Errorf("code is %d (%s), want %d: %v", got, http.StatusText(int(got)), code, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the message does not say %q: %v", word, err)
		}
	}
}

// count counts the requests of some kinds that reach the brokers.
func count(k *apiservertest.Kafka, keys ...kmsg.Key) *kfake.FaultHandle {
	return k.Fault(kfake.Fault{Keys: keys, Observe: true, Count: -1})
}
