//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const consumerTool = "org.apache.kafka.tools.consumer.ConsoleConsumer"

// generation is a cluster that records are written to and read from, with the class of Kafka's own producer and the option by which
// its consumer is told what to print.
type generation struct {
	kafka           *kafkaproc.Cluster
	producer, print string
}

func generations() map[string]generation {
	return map[string]generation{
		"KRaft":     {cluster.Kafka, "org.apache.kafka.tools.ConsoleProducer", "--formatter-property"},
		"ZooKeeper": {cluster.ZooKeeper, "kafka.tools.ConsoleProducer", "--property"},
	}
}

// recordsTopic makes a topic orders in a namespace of its own, and returns its path in the API and its name on the brokers.
func recordsTopic(t *testing.T, kafka *kafkaproc.Cluster, partitions int32, config map[string]string) (path, name string) {
	t.Helper()
	n := cluster.Namespace(t)
	newKafka(t, n, kafka)
	topic := newTopic(n, "orders")
	topic.Spec.TopicName, topic.Spec.Partitions, topic.Spec.Config = n+".orders", &partitions, config
	mustCreate(t, topic)
	return "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkatopics/orders", n + ".orders"
}

func recordsBody(t *testing.T, records ...v1beta1.TopicRecord) string {
	t.Helper()
	body, err := json.Marshal(v1beta1.KafkaTopicRecords{Spec: v1beta1.KafkaTopicRecordsSpec{Records: records}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// logEntries reads a log that ends, through kubectl.
func logEntries(t *testing.T, path, query string) []v1beta1.TopicLogEntry {
	t.Helper()
	var entries []v1beta1.TopicLogEntry
	for line := range strings.Lines(kubectl(t, "", "get --raw "+path+"/log?"+query)) {
		var entry v1beta1.TopicLogEntry
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		entries = append(entries, entry)
	}
	return entries
}

// What is written through the API is what Kafka's own consumer reads.
func TestRecordsReachKafkasOwnConsumer(t *testing.T) {
	t.Parallel()
	for name, g := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, topic := recordsTopic(t, g.kafka, 3, nil)
			const records = 200
			var body []v1beta1.TopicRecord
			for i := range records {
				body = append(body, v1beta1.TopicRecord{Key: ptr.To(strconv.Itoa(i)), Value: ptr.To(fmt.Sprintf("value %d", i)),
					Headers: []v1beta1.TopicRecordHeader{{Name: "n", Value: ptr.To(strconv.Itoa(i))}}})
			}
			var answer v1beta1.KafkaTopicRecords
			if err := json.Unmarshal([]byte(kubectl(t, recordsBody(t, body...), "create --raw "+path+"/records -f -")), &answer); err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			for i, result := range answer.Status.Results {
				want[fmt.Sprintf("Partition:%d\tOffset:%d\tn:%d\t%d\tvalue %d", result.Partition, *result.Offset, i, i, i)] = true
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			// A message more than there are: it ends by its timeout, and would show one that was written twice.
			out, _ := g.kafka.Tool(ctx, consumerTool, "--bootstrap-server", strings.Join(g.kafka.Bootstrap(), ","), "--topic", topic,
				"--from-beginning", "--max-messages", strconv.Itoa(records+1), "--timeout-ms", "30000", g.print, "print.partition=true",
				g.print, "print.offset=true", g.print, "print.headers=true", g.print, "print.key=true")
			got := strings.Split(strings.TrimSpace(string(out)), "\n")
			if len(got) != records || len(want) != records {
				t.Errorf("%d records are read, %d were answered, %d were sent", len(got), len(want), records)
			}
			for _, line := range got {
				if !want[line] {
					t.Errorf("the consumer reads %q", line)
				}
			}
		})
	}
}

// What Kafka's own producer writes, in every compression, is what the log shows; its partitioner agrees with ours.
func TestLogShowsWhatKafkasOwnProducerWrites(t *testing.T) {
	t.Parallel()
	for name, g := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, topic := recordsTopic(t, g.kafka, 4, nil)
			codecs := []string{"none", "gzip", "snappy", "lz4", "zstd"}
			padding := strings.Repeat("padding ", 50)
			for _, codec := range codecs {
				var input bytes.Buffer
				for i := range 50 {
					fmt.Fprintf(&input, "codec:%s\t%s-%d\t%s%d\n", codec, codec, i, padding, i)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := g.kafka.ToolInput(ctx, input.Bytes(), g.producer, "--bootstrap-server", strings.Join(g.kafka.Bootstrap(), ","), "--topic", topic,
					"--compression-codec", codec, "--property", "parse.key=true", "--property", "parse.headers=true"); err != nil {
					t.Fatal(err)
				}
			}
			entries := logEntries(t, path, "")
			seen := map[string]v1beta1.TopicLogEntry{}
			next := map[int32]int64{}
			for _, e := range entries {
				seen[*e.Key] = e
				if *e.Offset != next[*e.Partition] {
					t.Errorf("partition %d: offset %d after %d", *e.Partition, *e.Offset, next[*e.Partition]-1)
				}
				next[*e.Partition] = *e.Offset + 1
			}
			var keyed []v1beta1.TopicRecord
			for _, codec := range codecs {
				for i := range 50 {
					key := fmt.Sprintf("%s-%d", codec, i)
					e, there := seen[key]
					if !there || *e.Value != padding+strconv.Itoa(i) || len(e.Headers) != 1 || e.Headers[0].Name != "codec" || *e.Headers[0].Value != codec {
						t.Fatalf("%s is %+v", key, e)
					}
					keyed = append(keyed, v1beta1.TopicRecord{Key: &key, Tombstone: true})
				}
			}
			if len(entries) != len(codecs)*50 {
				t.Errorf("%d records", len(entries))
			}
			var planned v1beta1.KafkaTopicRecords
			if err := json.Unmarshal([]byte(kubectl(t, recordsBody(t, keyed...), "create --raw "+path+"/records?dryRun=All -f -")), &planned); err != nil {
				t.Fatal(err)
			}
			for i, plan := range planned.Status.Results {
				if key := *keyed[i].Key; plan.Partition != *seen[key].Partition {
					t.Errorf("Kafka's producer puts %s into partition %d, we into %d", key, *seen[key].Partition, plan.Partition)
				}
			}
		})
	}
}

func TestLogRespectsTransactions(t *testing.T) {
	t.Parallel()
	for name, g := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, topic := recordsTopic(t, g.kafka, 2, nil)
			client, err := kgo.NewClient(kgo.SeedBrokers(g.kafka.Bootstrap()...), kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			transact := func(value string, how kgo.TransactionEndTry) {
				t.Helper()
				if err := client.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				for p := range int32(2) {
					for range 3 {
						if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: p, Value: []byte(value)}).FirstErr(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := client.EndTransaction(t.Context(), how); err != nil {
					t.Fatal(err)
				}
			}
			transact("aborted first", kgo.TryAbort)
			transact("committed", kgo.TryCommit)
			transact("aborted last", kgo.TryAbort)
			kubectl(t, recordsBody(t, v1beta1.TopicRecord{Value: ptr.To("plain"), Partition: ptr.To[int32](0)}), "create --raw "+path+"/records -f -")
			// Brokers answer the end of a transaction before it is in the partitions. Until it is, a log ends where it begins.
			harness.Eventually(t, 30*time.Second, "the log has what was committed", func() string {
				found := map[string]int{}
				entries, tail := logEntries(t, path, ""), logEntries(t, path, "tail=2&partition=1")
				for _, e := range entries {
					found[*e.Value]++
				}
				for _, e := range append(entries, tail...) {
					if *e.Value != "committed" && *e.Value != "plain" {
						t.Fatalf("found %v, the tail is %+v", found, tail)
					}
				}
				if found["committed"] != 6 || found["plain"] != 1 || len(tail) != 2 {
					return fmt.Sprintf("found %v, the tail is %+v", found, tail)
				}
				return ""
			})
		})
	}
}

func TestLargeRecords(t *testing.T) {
	t.Parallel()
	for name, g := range generations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, topic := recordsTopic(t, g.kafka, 1, map[string]string{"max.message.bytes": "10485760"})
			large := strings.Repeat("x", 5<<20)
			kubectl(t, recordsBody(t, v1beta1.TopicRecord{Key: ptr.To("api"), Value: &large}), "create --raw "+path+"/records -f -")
			client, err := kgo.NewClient(kgo.SeedBrokers(g.kafka.Bootstrap()...), kgo.ProducerBatchMaxBytes(10<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("client"), Value: []byte(large)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			entries := logEntries(t, path, "")
			if len(entries) != 2 || *entries[0].Value != large || *entries[1].Value != large || *entries[1].Key != "client" {
				t.Errorf("%d records, or others", len(entries))
			}

			small, _ := recordsTopic(t, g.kafka, 1, nil)
			refused(t, recordsBody(t, v1beta1.TopicRecord{Value: &large}), "create --raw "+small+"/records -f -", 413, "spec.records[0]", "max.message.bytes")
			if entries := logEntries(t, small, ""); len(entries) != 0 {
				t.Errorf("%d records after the refusal", len(entries))
			}
		})
	}
}

// fetches is how often the server has asked the brokers of a namespace's Kafka for records, by its own metric.
func fetches(t *testing.T, namespace string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://localhost:%d/metrics", cluster.Server.Port), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+harness.AdminToken)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	asked := 0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "kafka_apiserver_broker_rpcs_total{") && strings.Contains(line, `api="Fetch"`) && strings.Contains(line, `cluster="`+namespace+"/") {
			value, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			asked += int(value)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return asked
}

// asksMore says "" when the brokers of a namespace's Kafka are asked for records within two seconds, which is more than they hold a
// question back for.
func asksMore(t *testing.T, namespace string) func() string {
	return func() string {
		before := fetches(t, namespace)
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			if fetches(t, namespace) > before {
				return ""
			}
			select {
			case <-t.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
		return fmt.Sprintf("%d questions, and no more", before)
	}
}

// A stream lives on past the minute after which kube-apiserver cuts other requests, and ends with its client.
func TestFollowOutlivesAMinuteAndEndsWithItsClient(t *testing.T) {
	t.Parallel()
	path, topic := recordsTopic(t, cluster.Kafka, 3, nil)
	send := func(value string) {
		kubectl(t, recordsBody(t, v1beta1.TopicRecord{Value: &value}), "create --raw "+path+"/records -f -")
	}
	cmd := exec.Command(cluster.Programs["kubectl"], "--kubeconfig", cluster.Host.AdminKubeconfig, "get", "--raw", path+"/log?follow=true")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	lines := make(chan string)
	go func() {
		defer close(lines)
		in := bufio.NewReader(stdout)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	expect := func(value string) {
		t.Helper()
		select {
		case line, ok := <-lines:
			if !ok || !strings.Contains(line, value) {
				t.Fatalf("after %v there is %q, want %s", time.Since(started), line, value)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no line with %s", value)
		}
	}
	send("first")
	expect("first")
	namespace := strings.TrimSuffix(topic, ".orders")
	harness.Eventually(t, 20*time.Second, "the brokers are asked for more", asksMore(t, namespace))
	over := time.NewTimer(65*time.Second - time.Since(started))
	defer over.Stop()
	select {
	case line, ok := <-lines:
		t.Fatalf("a line %q, or the end of the stream (%v) after %v", line, !ok, time.Since(started))
	case <-over.C:
	}
	send("after a minute")
	expect("after a minute")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	killed := time.Now()
	harness.Eventually(t, 20*time.Second, "the brokers are left alone", func() string {
		if asksMore(t, namespace)() == "" {
			return "they are still asked"
		}
		return ""
	})
	t.Logf("brokers are asked no more %v after the client went, with two seconds of watching", time.Since(killed))
	_, _ = io.Copy(io.Discard, stdout)
}

// A restart of brokers neither ends a stream nor makes it lose or repeat records.
func TestFollowOutlivesARestart(t *testing.T) {
	t.Parallel()
	kafka := cluster.Fragile(t)
	path, topic := recordsTopic(t, kafka, 1, nil)
	stream, err := cluster.Client.KafkaV1beta1().KafkaTopics(strings.TrimSuffix(topic, ".orders")).
		GetLog("orders", &v1beta1.KafkaTopicLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	in := bufio.NewReader(stream)
	for i := range 3 {
		body := recordsBody(t, v1beta1.TopicRecord{Value: ptr.To(strconv.Itoa(i))})
		harness.Eventually(t, time.Minute, "the record is written", func() string {
			r := cluster.Kubectl(t, body, "create --raw "+path+"/records -f -")
			if r.ExitCode != 0 {
				return r.Stderr
			}
			return ""
		})
		line, err := in.ReadString('\n')
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"offset":%d`, i)) {
			t.Fatalf("record %d: %q, %v", i, line, err)
		}
		if i == 2 {
			break
		}
		// A broker that was killed comes back only when its session is over, which may be later than a reader waits for.
		ctx, cancel := context.WithTimeout(t.Context(), startLimit)
		defer cancel()
		if err := kafka.Broker(0).Stop(ctx); err != nil {
			t.Fatal(err)
		}
		if err := kafka.Broker(0).Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
