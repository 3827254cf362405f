//go:build long

package releases

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/kafkaerr"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

// release is a version of Kafka, with ZooKeeper or without. KRaft mode of 2.8 was for trying only, and is not among them.
type release struct {
	version string
	kraft   bool
	// withoutIDs tells that topics have no ids (KIP-516), so that nobody deletes one for its object.
	withoutIDs bool
	// consumer tells whether groups of the type Consumer are there for all (KIP-848).
	consumer bool
}

var all = []release{
	{version: "2.7.2", withoutIDs: true},
	{version: "2.8.2"},
	{version: "3.3.2"},
	{version: "3.3.2", kraft: true},
	{version: "3.6.2"},
	{version: "3.6.2", kraft: true},
	{version: "3.9.2"},
	{version: "3.9.2", kraft: true},
	{version: "4.0.2", kraft: true, consumer: true},
	{version: "4.1.1", kraft: true, consumer: true},
	{version: kafkaproc.Version4, kraft: true, consumer: true},
	{version: "4.4.0", kraft: true, consumer: true},
}

func (r release) mode() string {
	if r.kraft {
		return "KRaft"
	}
	return "ZooKeeper"
}

// start starts a broker of the release, which ends with the test.
func (r release) start(t *testing.T) *kafkaproc.Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "kafka")
	config := map[string]string{"log.cleaner.dedupe.buffer.size": "4194304"}
	var kafka *kafkaproc.Cluster
	var err error
	if r.kraft {
		kafka, err = kafkaproc.StartKRaft(ctx, kafkaproc.Options{Version: r.version, Dir: dir, HeapMiB: 256, Config: config})
	} else {
		kafka, err = kafkaproc.StartZooKeeper(ctx, kafkaproc.ZooKeeperOptions{Version: r.version, Dir: dir, HeapMiB: 256, Config: config})
	}
	if err != nil {
		t.Fatal(err)
	}
	return kafka
}

// Each line of Kafka, one after the other, does what the API promises, and docs/external-clusters.md says what each gives.
func TestEachRelease(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "external-clusters.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := testbed.Start(t, namespace)
	for _, r := range all {
		t.Run(r.version+" "+r.mode(), func(t *testing.T) {
			begin := time.Now()
			b := &bed{s.Add(t, r.start(t), strings.ToLower("kafka-"+dotless(r.version)+"-"+r.mode()))}
			for _, part := range []struct {
				name string
				try  func(*testing.T, *bed, release)
			}{{"topics", tryTopics}, {"codecs", tryCodecs}, {"transactions", tryTransactions}, {"classic groups", tryClassicGroups},
				{"consumer groups", tryConsumerGroups}, {"elections and moves", tryMoves}} {
				t.Run(part.name, func(t *testing.T) { part.try(t, b, r) })
			}
			row := b.given(t, r)
			t.Logf("%v: %s", time.Since(begin).Round(time.Second), row)
			if !strings.Contains(string(docs), row+"\n") {
				t.Errorf("docs/external-clusters.md lacks the row\n%s", row)
			}
		})
	}
}

// given is the row of the release in the table of what each gives.
func (b *bed) given(t *testing.T, r release) string {
	t.Helper()
	brokers, err := b.Kafkas(namespace).GetBrokers(t.Context(), b.Name, metav1.GetOptions{})
	if err != nil || len(brokers.Brokers) != 1 {
		t.Fatalf("the brokers are %+v, %v", brokers, err)
	}
	topic := b.newTopic(t, b.Name+"-given", 1, nil)
	id := "yes"
	if topic.Status.TopicID == "" {
		id = "no"
	}
	if (id == "no") != r.withoutIDs {
		t.Errorf("the topic's id is %q", topic.Status.TopicID)
	}
	cluster := b.gateway(t)
	offered := func(err error) string {
		switch {
		case err == nil:
			return "yes"
		case kafkaerr.IsNotSupported(err):
			return "no"
		}
		t.Error(err)
		return err.Error()
	}
	_, quorum := cluster.Quorum(t.Context())
	_, eligible := cluster.EligibleLeaders(t.Context(), topic.Status.TopicName)
	consumer := "no"
	if r.consumer {
		consumer = "yes"
	}
	version := "not known"
	if told := brokers.Brokers[0].Version; told != "" {
		version = "`" + told + "`"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |", r.version, r.mode(), version, id, consumer, offered(quorum), offered(eligible))
}

// gateway is one of the test's own, for what the API does not do with a single broker.
func (b *bed) gateway(t *testing.T) *broker.Cluster {
	t.Helper()
	gateway := broker.New(broker.Options{})
	cluster := gateway.Cluster(broker.Target{Key: "releases/" + b.Name + "/1", Bootstrap: b.Kafka.Bootstrap()})
	t.Cleanup(func() { gateway.Forget(cluster.Key()) })
	return cluster
}

// described is what the brokers tell another client of a topic: its partitions, 0 when it is not there.
func (b *bed) described(t *testing.T, client *kgo.Client, topic string) int {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(t.Context(), client)
	if err != nil || len(answer.Topics) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	return len(answer.Topics[0].Partitions)
}

// setting is what the brokers tell another client of a topic's setting.
func (b *bed) setting(t *testing.T, client *kgo.Client, topic, name string) string {
	t.Helper()
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Resources = append(request.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}})
	answer, err := request.RequestWith(t.Context(), client)
	if err != nil || len(answer.Resources) != 1 || len(answer.Resources[0].Configs) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	return ptr.Deref(answer.Resources[0].Configs[0].Value, "null")
}

// tryTopics makes, grows, changes and deletes a topic; another client says what came of it.
func tryTopics(t *testing.T, b *bed, r release) {
	client := b.Client(t)
	name := b.Name + "-topics"
	b.newTopic(t, name, 2, v1beta1.TopicConfig{"cleanup.policy": "compact"})
	if n := b.described(t, client, name); n != 2 {
		t.Errorf("made with 2 partitions, there are %d", n)
	}
	if got := b.setting(t, client, name, "cleanup.policy"); got != "compact" {
		t.Errorf("made with cleanup.policy=compact, it is %q", got)
	}
	for _, bad := range []func(*v1beta1.KafkaTopic){
		func(topic *v1beta1.KafkaTopic) { topic.Spec.Partitions = ptr.To[int32](1) },
		func(topic *v1beta1.KafkaTopic) { topic.Spec.Config["retention.ms"] = "soon" },
	} {
		topic, err := b.Topics().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		bad(topic)
		if _, err := b.Topics().Update(t.Context(), topic, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
			t.Errorf("a change that cannot be: %v, want 422", err)
		}
	}
	topic, err := b.Topics().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	topic.Spec.Partitions = ptr.To[int32](5)
	topic.Spec.Config["cleanup.policy"], topic.Spec.Config["segment.ms"] = "delete", "3600000"
	if _, err := b.Topics().Update(t.Context(), topic, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	testbed.Until(t, "the change is there", func() string {
		n, policy, segment := b.described(t, client, name), b.setting(t, client, name, "cleanup.policy"), b.setting(t, client, name, "segment.ms")
		if n == 5 && policy == "delete" && segment == "3600000" {
			return ""
		}
		return fmt.Sprintf("%d partitions, cleanup.policy=%s, segment.ms=%s", n, policy, segment)
	})
	view, err := b.Topics().GetPartitions(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(view.Status.Partitions) != 5 {
		t.Fatalf("%+v, %v", view, err)
	}
	for _, p := range view.Status.Partitions {
		if p.Leader != 0 || len(p.Replicas) != 1 || p.Replicas[0].SizeBytes == nil || ptr.Deref(p.EndOffset, -1) != 0 {
			t.Errorf("partition %d is %+v", p.Partition, p)
		}
	}
	if err := b.Topics().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if r.withoutIDs {
		if n := b.described(t, client, name); n != 5 {
			t.Errorf("the topic of a deleted object has %d partitions, want all 5", n)
		}
		return
	}
	testbed.Until(t, "the topic is gone", func() string {
		if n := b.described(t, client, name); n > 0 {
			return fmt.Sprintf("it has %d partitions", n)
		}
		return ""
	})
}

// fewRecords are records of all kinds.
func fewRecords(mark string) []record {
	at := time.Date(2026, 1, 31, 8, 0, 0, int(7*time.Millisecond), time.UTC).UnixMilli()
	return []record{
		{Value: []byte(mark + " without a key"), Time: at},
		{Key: []byte{}, Value: []byte(mark + " with an empty key"), Time: at + 1},
		{Key: []byte("tombstone"), Time: at - 1},
		{Key: []byte("empty value"), Value: []byte{}, Time: at},
		{Key: []byte{0, 255}, Value: slices.Repeat([]byte(mark), 10_000), Time: at,
			Headers: []header{{"h", []byte("1")}, {"h", nil}, {"h", []byte{}}, {"other", []byte{0, 255}}}},
	}
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// tryCodecs reads what another client writes in each codec, and has it read what is written here and compressed by the brokers.
func tryCodecs(t *testing.T, b *bed, _ release) {
	for _, codec := range slices.Sorted(maps.Keys(codecs)) {
		theirs, ours := b.Name+"-read-"+codec, b.Name+"-written-"+codec
		b.newTopic(t, theirs, 1, nil)
		produced(t, b.Client(t, kgo.ProducerBatchCompression(codecs[codec])), theirs, fewRecords(codec))
		expectRecords(t, "read here, by another with "+codec, b.log(t, theirs), fewRecords(codec))
		config := v1beta1.TopicConfig{"compression.type": codec}
		if codec == "none" {
			config["compression.type"] = "uncompressed"
		}
		b.newTopic(t, ours, 1, config)
		b.write(t, ours, fewRecords(codec))
		expectRecords(t, "written here, compressed with "+codec, b.consumed(t, ours, len(fewRecords(codec))), fewRecords(codec))
	}
}

// tryTransactions reads what was committed, and nothing of what was aborted.
func tryTransactions(t *testing.T, b *bed, _ release) {
	name := b.Name + "-transactions"
	b.newTopic(t, name, 1, nil)
	client := b.Client(t, kgo.TransactionalID(name))
	var committed []record
	for i, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		records := fewRecords(fmt.Sprintf("transaction %d", i))
		produced(t, client, name, records)
		if err := client.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
		if how == kgo.TryCommit {
			committed = append(committed, records...)
		}
	}
	b.write(t, name, fewRecords("plain"))
	committed = append(committed, fewRecords("plain")...)
	// Brokers answer the end of a transaction before it is in the partition.
	testbed.Until(t, "all that was committed is read", func() string {
		if n := len(b.log(t, name)); n < len(committed) {
			return fmt.Sprintf("%d records of %d", n, len(committed))
		}
		return ""
	})
	expectRecords(t, "read here", b.log(t, name), committed)
}

// tryMoves elects and moves where there is nowhere to go, which brokers refuse or do as ever.
func tryMoves(t *testing.T, b *bed, _ release) {
	name := b.Name + "-moves"
	b.newTopic(t, name, 2, nil)
	elected, err := b.Topics().Elect(t.Context(), name, &v1beta1.KafkaTopicElection{}, metav1.CreateOptions{})
	if err != nil || len(elected.Status.Partitions) != 2 {
		t.Fatalf("%+v, %v", elected, err)
	}
	for _, p := range elected.Status.Partitions {
		if p.LeaderAfter != 0 || p.Message != "" {
			t.Errorf("the election is %+v", p)
		}
	}
	cluster := b.gateway(t)
	if err := cluster.Reassign(t.Context(), name, map[int32][]int32{0: {0}, 1: nil}); err != nil {
		t.Errorf("a move to where it is, and the end of none: %v", err)
	}
	if err := cluster.Reassign(t.Context(), name, map[int32][]int32{0: {7}}); err == nil || len(kafkaerr.Refusals(err)) != 1 {
		t.Errorf("a move to a broker that is not there: %v", err)
	}
	if moving, err := cluster.AllReassignments(t.Context()); err != nil || len(moving[name]) != 0 {
		t.Errorf("%v moves, %v", moving, err)
	}
	view, err := b.Topics().GetPartitions(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	view.Spec.Partitions[0].Replicas = []int32{7}
	if _, err := b.Topics().UpdatePartitions(t.Context(), name, view, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("a move to a broker that is not there, through the API: %v, want 422", err)
	}
	b.write(t, name, fewRecords("x"))
	truncated, err := b.Topics().Truncate(t.Context(), name, &v1beta1.KafkaTopicTruncation{
		Spec: v1beta1.KafkaTopicTruncationSpec{Partitions: []v1beta1.TruncationTarget{{Partition: 0, BeforeOffset: ptr.To[int64](2)}}}}, metav1.CreateOptions{})
	if err != nil || truncated.Status.Records != 2 {
		t.Errorf("%+v, %v", truncated, err)
	}
	expectRecords(t, "read after the truncation", b.log(t, name), fewRecords("x")[2:])
}
