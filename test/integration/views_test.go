//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

// bothModes runs a test on Kafka 4.3 with KRaft and on Kafka 3.9 with ZooKeeper. The topic orders of two partitions is there; its name on
// the brokers, which all tests share, is the namespace's.
func bothModes(t *testing.T, replicas map[*kafkaproc.Cluster]int, test func(t *testing.T, kafka *kafkaproc.Cluster, n, topic string)) {
	for name, kafka := range map[string]*kafkaproc.Cluster{"KRaft": cluster.Kafka, "ZooKeeper": cluster.ZooKeeper} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := cluster.Namespace(t)
			newKafka(t, n, kafka)
			topic := n + ".orders"
			kubectl(t, topicManifest(n, "orders", topic, fmt.Sprintf(`"partitions":2,"replicas":%d,"config":{"retention.ms":"604800001"}`, replicas[kafka])), "create -f -")
			test(t, kafka, n, topic)
		})
	}
}

func rawOf(n, subresource string) string {
	return "/apis/kafka.openshift.io/v1beta1/namespaces/" + n + "/kafkatopics/orders/" + subresource
}

func tool(t *testing.T, kafka *kafkaproc.Cluster, input, class, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{"--bootstrap-server", strings.Join(kafka.Bootstrap(), ",")}, strings.Fields(line)...)
	out, err := kafka.ToolInput(ctx, []byte(input), class, args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The settings and their sources are those that kafka-configs tells.
func TestTopicConfigs(t *testing.T) {
	t.Parallel()
	bothModes(t, map[*kafkaproc.Cluster]int{cluster.Kafka: 3, cluster.ZooKeeper: 1}, func(t *testing.T, kafka *kafkaproc.Cluster, n, topic string) {
		view, err := cluster.Client.KafkaV1beta1().KafkaTopics(n).GetConfigs(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out := tool(t, kafka, "", "kafka.admin.ConfigCommand", "--describe --all --entity-type topics --entity-name "+topic)
		line := regexp.MustCompile(`(?m)^\s+([a-z0-9.]+)=(.*) sensitive=(true|false) synonyms=\{(?:([A-Z_]+):)?`)
		told := map[string][]string{}
		for _, match := range line.FindAllStringSubmatch(out, -1) {
			told[match[1]] = match[2:]
		}
		if len(told) == 0 || len(told) != len(view.Configs) {
			t.Errorf("the view has %d settings, kafka-configs %d:\n%s", len(view.Configs), len(told), out)
		}
		for _, c := range view.Configs {
			value := "null"
			if c.Value != nil {
				value = *c.Value
			}
			want := told[c.Name]
			if len(want) == 0 || want[0] != value || want[1] != fmt.Sprint(c.Sensitive) || want[2] != "" && want[2] != c.Source {
				t.Errorf("%s is %q from %s, kafka-configs says %v", c.Name, value, c.Source, want)
			}
		}
		out = kubectl(t, "", "get kafkatopic orders --subresource=configs -n "+n)
		lines := strings.Split(out, "\n")
		if fields := strings.Fields(lines[0]); strings.Join(fields, " ") != "NAME VALUE SOURCE" ||
			strings.Join(strings.Fields(lines[1]), " ") != "retention.ms 604800001 DYNAMIC_TOPIC_CONFIG" {
			t.Errorf("settings are printed as\n%s", out)
		}
	})
}

// What a dry run tells would go goes, and kafka-get-offsets agrees.
func TestTruncate(t *testing.T) {
	t.Parallel()
	bothModes(t, map[*kafkaproc.Cluster]int{cluster.Kafka: 3, cluster.ZooKeeper: 1}, func(t *testing.T, kafka *kafkaproc.Cluster, n, topic string) {
		producer := map[*kafkaproc.Cluster]string{cluster.Kafka: "org.apache.kafka.tools.ConsoleProducer", cluster.ZooKeeper: "kafka.tools.ConsoleProducer"}[kafka]
		tool(t, kafka, strings.Repeat("record\n", 500), producer, "--topic "+topic+" --producer-property batch.size=0")
		starts := func() string {
			return tool(t, kafka, "", "org.apache.kafka.tools.GetOffsetShell", "--topic "+topic+" --time -2")
		}
		view, err := cluster.Client.KafkaV1beta1().KafkaTopics(n).GetPartitions(t.Context(), "orders", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ends := []int64{*view.Status.Partitions[0].EndOffset, *view.Status.Partitions[1].EndOffset}
		if ends[0]+ends[1] != 500 {
			t.Fatalf("the view counts %v records, 500 were written", ends)
		}
		for i, p := range view.Status.Partitions {
			for _, replica := range p.Replicas {
				if ends[i] > 0 && (replica.SizeBytes == nil || *replica.SizeBytes == 0) {
					t.Errorf("partition %d with records has %+v", i, replica)
				}
			}
		}
		cut := ends[0] / 2
		order := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicTruncation","spec":{"partitions":[{"partition":0,"beforeOffset":%d}]}}`, cut)
		for _, query := range []string{"?dryRun=All", ""} {
			out := kubectl(t, order, "create --raw "+rawOf(n, "truncate")+query+" -f -")
			var got v1beta1.KafkaTopicTruncation
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			if p := got.Status.Partitions; len(p) != 1 || p[0].StartOffset != 0 || p[0].NewStartOffset != cut || p[0].EndOffset != ends[0] || got.Status.Records != cut {
				t.Errorf("the answer is %s", out)
			}
			want := topic + ":0:0"
			if query == "" {
				want = fmt.Sprintf("%s:0:%d", topic, cut)
			}
			expectWords(t, "kafka-get-offsets after truncate"+query, starts(), want, topic+":1:0")
		}
		refused(t, strings.Replace(order, fmt.Sprint(cut), "501", 1), "create --raw "+rawOf(n, "truncate")+" -f -", 422, "ends at offset")
		refused(t, `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicTruncation","spec":{}}`, "create --raw "+rawOf(n, "truncate")+" -f -", 422, "beforeTime")
		// Everything is older than this moment.
		order = fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicTruncation","spec":{"beforeTime":%q}}`, time.Now().Add(-time.Millisecond).UTC().Format(time.RFC3339Nano))
		kubectl(t, order, "create --raw "+rawOf(n, "truncate")+" -f -")
		expectWords(t, "kafka-get-offsets", starts(), fmt.Sprintf("%s:0:%d", topic, ends[0]), fmt.Sprintf("%s:1:%d", topic, ends[1]))

		kubectl(t, "", `patch kafkatopic orders --type=merge -p {"spec":{"config":{"cleanup.policy":"compact"}}} -n `+n)
		refused(t, `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicTruncation","spec":{"partitions":[{"partition":0,"beforeOffset":-1}]}}`,
			"create --raw "+rawOf(n, "truncate")+" -f -", 403, "POLICY_VIOLATION")
	})
}

// Other replica lists make another leader the preferred one, and an election makes it lead.
func TestElectPreferredLeaders(t *testing.T) {
	t.Parallel()
	n := cluster.Namespace(t)
	newKafka(t, n, cluster.Kafka)
	topic := n + ".orders"
	kubectl(t, topicManifest(n, "orders", topic, `"partitions":2,"replicas":3`), "create -f -")
	topics := cluster.Client.KafkaV1beta1().KafkaTopics(n)
	view, err := topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := view.Status.Partitions[0].Leader
	old := view.Spec.Partitions[0].Replicas
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/partitions/0/replicas","value":[%d,%d,%d]}]`, old[1], old[2], old[0])
	kubectl(t, "", "patch kafkatopic orders --subresource=partitions --type=json -p "+patch+" -n "+n)
	harness.Eventually(t, 30*time.Second, "the replicas have the new order", func() string {
		view, err = topics.GetPartitions(t.Context(), "orders", metav1.GetOptions{})
		switch {
		case err != nil:
			return err.Error()
		case view.Status.Partitions[0].Adding != nil || view.Status.Partitions[0].Removing != nil || len(view.Status.Partitions[0].ISR) != 3:
			return fmt.Sprintf("the partition is %+v", view.Status.Partitions[0])
		}
		return ""
	})
	order := `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicElection"}`
	for _, query := range []string{"?dryRun=All", ""} {
		out := kubectl(t, order, "create --raw "+rawOf(n, "elect")+query+" -f -")
		var got v1beta1.KafkaTopicElection
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		p := got.Status.Partitions
		if len(p) != 2 || p[0].Result != v1beta1.ResultDone || p[0].LeaderBefore != before || p[0].LeaderAfter != old[1] || p[1].Result != v1beta1.ResultUnchanged {
			t.Errorf("elect%s answers %s", query, out)
		}
		leader := before
		if query == "" {
			leader = old[1]
		}
		expectWords(t, "kafka-topics after elect"+query, topicTool(t, cluster.Kafka, "--describe --topic "+topic), fmt.Sprintf("Partition: 0\tLeader: %d", leader))
	}
	refused(t, `{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicElection","spec":{"type":"Unclean"}}`, "create --raw "+rawOf(n, "elect")+" -f -", 422, "spec.partitions")

	// Server-side apply and a strategic patch know partitions by their id.
	manifest := fmt.Sprintf(`{"apiVersion":"kafka.openshift.io/v1beta1","kind":"KafkaTopicPartitions","metadata":{"name":"orders","namespace":%q},
		"spec":{"partitions":[{"partition":1,"replicas":[%d,%d,%d]}]}}`, n, old[0], old[1], old[2])
	if _, err := topics.Patch(t.Context(), "orders", "application/apply-patch+yaml", []byte(manifest), metav1.PatchOptions{FieldManager: "test", Force: ptr.To(true)}, "partitions"); err != nil {
		t.Errorf("server-side apply: %v", err)
	}
	kubectl(t, "", fmt.Sprintf(`patch kafkatopic orders --subresource=partitions -p {"spec":{"partitions":[{"partition":1,"replicas":[%d,%d,%d]}]}} -n `, old[2], old[1], old[0])+n)
	expectWords(t, "kafka-topics", topicTool(t, cluster.Kafka, "--describe --topic "+topic), fmt.Sprintf("Replicas: %d,%d,%d", old[2], old[1], old[0]))
}

// Lists show what the brokers have, in chunks too, and every topic of a cluster can be seen.
func TestListsShowWhatTheBrokersHave(t *testing.T) {
	t.Parallel()
	bothModes(t, map[*kafkaproc.Cluster]int{cluster.Kafka: 3, cluster.ZooKeeper: 1}, func(t *testing.T, kafka *kafkaproc.Cluster, n, topic string) {
		kubectl(t, topicManifest(n, "bills", n+".bills", oneOfEach), "create -f -")
		var out string
		// A list waits for brokers that take long for a moment only, and says that it does not know, or from when it is what it says.
		harness.Eventually(t, 30*time.Second, "the brokers answer in time for a list", func() string {
			line := "get kafkatopics -o wide --chunk-size=1 -n " + n
			r := cluster.Kubectl(t, "", line)
			if r.ExitCode != 0 {
				t.Fatalf("kubectl %s: %s%s", line, r.Stdout, r.Stderr)
			}
			out = r.Stdout
			if strings.Contains(out, "unknown") || strings.Contains(r.Stderr, " is as of ") {
				return out + r.Stderr
			}
			return ""
		})
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if fields := strings.Fields(lines[0]); strings.Join(fields, " ") != "NAME CLUSTER PARTITIONS REPLICAS READY AGE TOPIC UNDER-REPLICATED OFFLINE MESSAGE" || len(lines) != 3 {
			t.Fatalf("topics are printed as\n%s", out)
		}
		for _, line := range lines[1:] {
			if fields := strings.Fields(line); len(fields) != 9 || fields[7] != "0" || fields[8] != "0" {
				t.Errorf("a topic is printed as %q", line)
			}
		}
		topicTool(t, kafka, "--create --topic "+n+".unmanaged --partitions 2 --replication-factor 1")
		harness.Eventually(t, 20*time.Second, "the other topic is seen", func() string {
			out = kubectl(t, "", "get kafka my-cluster --subresource=topics -n "+n)
			if !strings.Contains(out, n+".unmanaged") {
				return out
			}
			return ""
		})
		for name, manager := range map[string]string{topic: n + "/orders", n + ".bills": n + "/bills", n + ".unmanaged": ""} {
			found := false
			for line := range strings.Lines(out) {
				fields := strings.Fields(line)
				if len(fields) > 5 && fields[0] == name {
					found = fields[3] == "0" && fields[4] == "0" && fields[5] == "false" && strings.Join(fields[6:], "") == manager
				}
			}
			if !found {
				t.Errorf("%s managed by %q is not in\n%s", name, manager, out)
			}
		}
	})
}
