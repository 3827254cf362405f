//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka.openshift.io/kafka-apiserver/test/integration/harness"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
)

const (
	groupCommand    = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	consumerCommand = "org.apache.kafka.tools.consumer.ConsoleConsumer"
)

// produce writes records to a partition, a minute apart from eight o'clock on.
func produce(t *testing.T, kafka *kafkaproc.Cluster, topic string, partition, n int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Bootstrap()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := range n {
		at := time.Date(2026, 1, 31, 8, i, 0, 0, time.UTC)
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("v"), Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// consume starts Kafka's own consumer, which leaves its group after n records. The function returned waits for that.
func consume(t *testing.T, kafka *kafkaproc.Cluster, group, topic string, n int, properties ...string) (wait func()) {
	t.Helper()
	args := []string{"--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), "--group", group, "--topic", topic, "--from-beginning", "--max-messages", fmt.Sprint(n)}
	for _, p := range append(properties, "client.id=app-1", "auto.commit.interval.ms=100") {
		args = append(args, "--consumer-property", p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	ended := make(chan error, 1)
	go func() {
		_, err := kafka.Tool(ctx, consumerCommand, args...)
		ended <- err
	}()
	t.Cleanup(cancel)
	return func() {
		t.Helper()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// toolOffsets is what kafka-consumer-groups says of a group: committed offset, end and lag by partition.
func toolOffsets(t *testing.T, kafka *kafkaproc.Cluster, group string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := kafka.Tool(ctx, groupCommand, "--bootstrap-server", strings.Join(kafka.Bootstrap(), ","), "--describe", "--group", group)
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, 0, 8)
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) >= 6 && fields[0] == group {
			lines = append(lines, strings.Join(fields[1:6], " "))
		}
	}
	return sortedLines(lines)
}

// ourOffsets is the same from the subresource.
func ourOffsets(t *testing.T, namespace, name string) string {
	t.Helper()
	lines := make([]string, 0, 8)
	for line := range strings.Lines(kubectl(t, "", "get kcg "+name+" --subresource=offsets --no-headers -n "+namespace)) {
		if fields := strings.Fields(line); len(fields) >= 5 {
			lines = append(lines, strings.Join(fields[:5], " "))
		}
	}
	return sortedLines(lines)
}

func sortedLines(lines []string) string {
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func expectAgreement(t *testing.T, kafka *kafkaproc.Cluster, namespace, group, want string) {
	t.Helper()
	theirs, ours := toolOffsets(t, kafka, group), ourOffsets(t, namespace, "my-cluster."+group)
	if theirs != ours || ours != want {
		t.Errorf("offsets are\n%s\nkafka-consumer-groups says\n%s\nwant\n%s", ours, theirs, want)
	}
}

// A group's life, as kubectl and Kafka's own tools see it.
func TestConsumerGroups(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kafka      *kafkaproc.Cluster
		properties []string
		groupType  string
	}{
		"classic":   {cluster.Kafka, nil, "Classic"},
		"consumer":  {cluster.Kafka, []string{"group.protocol=consumer"}, "Consumer"},
		"zookeeper": {cluster.ZooKeeper, nil, "Classic"},
	} {
		t.Run(name, func(t *testing.T) {
			n := cluster.Namespace(t)
			newKafka(t, n, tc.kafka)
			topic, group := n+".orders", n+".billing"
			object := "my-cluster." + group
			kubectl(t, topicManifest(n, "orders", topic, `"partitions":2,"replicas":1,"config":{"retention.ms":"-1"}`), "create -f -") // the records are old
			produce(t, tc.kafka, topic, 0, 3)
			produce(t, tc.kafka, topic, 1, 3)
			consume(t, tc.kafka, group, topic, 6, tc.properties...)()
			produce(t, tc.kafka, topic, 1, 2)

			var out string
			// A consumer tells that it leaves, and does not wait for an answer. One that did not tell would be missed after 45 seconds.
			harness.Eventually(t, 20*time.Second, "the group is empty", func() string {
				out = kubectl(t, "", "get kcg -n "+n)
				if line := lineOf(out, object); strings.Join(line[:min(3, len(line))], " ") != object+" Empty "+tc.groupType {
					return fmt.Sprintf("the list has %q", line)
				}
				return ""
			})
			expectWords(t, "the list", out, "NAME", "STATE", "TYPE", "COORDINATOR")
			if line := lineOf(kubectl(t, "", "get kcg "+object+" -n "+n), object); len(line) != 6 || line[4] != "0" || line[5] != "2" {
				t.Errorf("the group is shown as %q, want no members and a lag of 2", line)
			}
			expectAgreement(t, tc.kafka, n, group, topic+" 0 3 3 0\n"+topic+" 1 3 5 2")

			reset := func(entry, more string) string {
				return kubectl(t, "", "patch kcg "+object+" --subresource=offsets --type=merge -n "+n+more+` -p {"spec":{"reset":[`+entry+`]}}`)
			}
			out = reset(`{"to":"earliest"}`, ` --dry-run=server -o jsonpath={.status.partitions[*].committed}`)
			if out != "0 0" {
				t.Errorf("a dry run answers %q", out)
			}
			expectAgreement(t, tc.kafka, n, group, topic+" 0 3 3 0\n"+topic+" 1 3 5 2")
			reset(`{"to":"earliest"}`, "")
			expectAgreement(t, tc.kafka, n, group, topic+" 0 0 3 3\n"+topic+" 1 0 5 5")
			reset(`{"topic":"`+topic+`","partitions":[0],"offset":2},{"topic":"`+topic+`","partitions":[1],"time":"2026-01-31T08:02:00Z"}`, "")
			expectAgreement(t, tc.kafka, n, group, topic+" 0 2 3 1\n"+topic+" 1 2 5 3")
			refused(t, "", "patch kcg "+object+" --subresource=offsets --type=merge -n "+n+` -p {"spec":{"reset":[{"topic":"`+topic+`","offset":4}]}}`,
				422, "spec.reset[0].offset", "offsets 0 to 3")

			// The consumer goes on where it was put, and has its group to itself while it runs.
			wait := consume(t, tc.kafka, group, topic, 5, tc.properties...)
			harness.Eventually(t, time.Minute, "the group is shown with its member", func() string {
				line := lineOf(kubectl(t, "", "get kcg "+object+" -n "+n), object)
				if len(line) != 6 || line[1] != "Stable" || line[4] != "1" || line[5] != "0" {
					return fmt.Sprintf("it is shown as %q", line)
				}
				return ""
			})
			expectWords(t, "the member", kubectl(t, "", "get kcg "+object+" -o yaml -n "+n), "clientID: app-1", "host: 127.0.0.1", "topic: "+topic)
			expectWords(t, "offsets", kubectl(t, "", "get kcg "+object+" --subresource=offsets -n "+n), "OWNER", "app-1", "127.0.0.1")
			for _, dry := range []string{"", " --dry-run=server"} {
				refused(t, "", "patch kcg "+object+" --subresource=offsets --type=merge -n "+n+dry+` -p {"spec":{"reset":[{"to":"earliest"}]}}`,
					409, "Stable", "app-1", "127.0.0.1")
			}
			expectAgreement(t, tc.kafka, n, group, topic+" 0 3 3 0\n"+topic+" 1 5 5 0")
			produce(t, tc.kafka, topic, 0, 1)
			wait()
			expectAgreement(t, tc.kafka, n, group, topic+" 0 4 4 0\n"+topic+" 1 5 5 0")
		})
	}
}

// lineOf are the words of the line that begins with a name.
func lineOf(out, name string) []string {
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == name {
			return fields
		}
	}
	return nil
}
