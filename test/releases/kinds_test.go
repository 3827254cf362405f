//go:build long

package releases

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/test/kafkaproc"
	"kafka.openshift.io/kafka-apiserver/test/testbed"
)

// groupTool is Kafka's own tool for a kind of groups, with the words that it has for the same things.
type groupTool struct {
	of               v1beta1.ConsumerGroupType
	class            string
	member, at, lags string
}

var (
	shareGroups   = groupTool{v1beta1.GroupTypeShare, "org.apache.kafka.tools.consumer.group.ShareGroupCommand", "CONSUMER-ID", "START-OFFSET", "LAG"}
	streamsGroups = groupTool{v1beta1.GroupTypeStreams, "org.apache.kafka.tools.streams.StreamsGroupCommand", "MEMBER", "CURRENT-OFFSET", "OFFSET-LAG"}
)

// Share groups (KIP-932) and groups of Kafka Streams (KIP-1071) are shown as Kafka's own tools show them.
func TestGroupsOfOtherKinds(t *testing.T) {
	b := &bed{testbed.Start(t, namespace).Add(t, release{version: kafkaproc.Version4, kraft: true}.start(t), "kinds")}
	t.Run("share", func(t *testing.T) { tryShareGroup(t, b) })
	t.Run("streams", func(t *testing.T) { tryStreamsGroup(t, b) })
}

func tryShareGroup(t *testing.T, b *bed) {
	topic, group := "jobs", "workers"
	b.grouped(t, topic)
	b.configureGroup(t, group, "share.auto.offset.reset", "earliest")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	member := b.Client(t, kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ClientID("worker"))
	for read := 0; read < 6; {
		fetches := member.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		read += fetches.NumRecords()
		member.MarkAcks(kgo.AckAccept)
		if err := member.FlushAcks(ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.awaitGroup(t, group, "Stable", 0)
	b.expectAsTold(t, group, shareGroups, 1)
	member.Close()
	b.minutes(t, topic, 3, 2)
	b.awaitGroup(t, group, "Empty", 4)
	b.expectAsTold(t, group, shareGroups, 0)
}

func tryStreamsGroup(t *testing.T, b *bed) {
	topic, group := "words", "counter"
	b.grouped(t, topic)
	b.newTopic(t, "counts", 2, nil)
	// It commits nothing before it ends. What it has read is in the topic in between by then.
	end := b.startStreams(t, group, topic, "counts")
	b.awaitGroup(t, group, "Stable", 12)
	b.expectAsTold(t, group, streamsGroups, 1)
	end()
	b.awaitGroup(t, group, "Empty", 0)
	b.expectAsTold(t, group, streamsGroups, 0)
	b.minutes(t, topic, 3, 2)
	end = b.startStreams(t, group, topic, "counts")
	b.awaitGroup(t, group, "Stable", 8)
	b.expectAsTold(t, group, streamsGroups, 1)
	end()
}

// startStreams starts an application of Kafka Streams that counts the records of a topic.
func (b *bed) startStreams(t *testing.T, application, from, to string) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	input, closing := io.Pipe()
	ended := make(chan error, 1)
	folder := t.TempDir()
	go func() {
		out, err := b.Kafka.Streams(ctx, input, filepath.Join("testdata", "Counts.java"), b.Kafka.Bootstrap()[0], application, from, to, folder)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		ended <- err
	}()
	t.Cleanup(func() { closing.Close(); cancel() })
	return func() {
		t.Helper()
		closing.Close()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// configureGroup changes a setting of a group.
func (b *bed) configureGroup(t *testing.T, group, name, value string) {
	t.Helper()
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = name, &value
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName, resource.Configs = kmsg.ConfigResourceTypeGroupConfig, group, append(resource.Configs, config)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(t.Context(), b.Client(t))
	if err != nil || len(answer.Resources) != 1 || answer.Resources[0].ErrorCode != 0 {
		t.Fatalf("%+v, %v", answer, err)
	}
}

func (b *bed) awaitGroup(t *testing.T, group, state string, lag int64) {
	t.Helper()
	testbed.Until(t, fmt.Sprintf("the group is %s and %d behind", state, lag), func() string {
		got, err := b.Groups().Get(t.Context(), v1beta1.ConsumerGroupName(b.Name, group), metav1.GetOptions{})
		if err == nil && got.Status.State == state && got.Status.Lag != nil && *got.Status.Lag == lag {
			return ""
		}
		return fmt.Sprintf("it is %+v, %d, %v", got, ptr.Deref(got.Status.Lag, -1), err)
	})
}

// expectAsTold compares a group, which nothing changes meanwhile, with what Kafka's own tool tells of it.
func (b *bed) expectAsTold(t *testing.T, group string, by groupTool, members int) {
	t.Helper()
	name := v1beta1.ConsumerGroupName(b.Name, group)
	got, err := b.Groups().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := b.Groups().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := b.tell(t, by, group, "--list", "--state")[0]
	listed := slices.IndexFunc(list.Items, func(g v1beta1.KafkaConsumerGroup) bool { return g.Name == name })
	if listed < 0 || list.Items[listed].Status.State != told["STATE"] || list.Items[listed].Status.Type != by.of {
		t.Errorf("told are %v, listed %+v", told, list.Items)
	}
	told = b.tell(t, by, group, "--describe", "--group", group, "--state")[0]
	if told["STATE"] != got.Status.State || told["#MEMBERS"] != fmt.Sprint(len(got.Status.Members)) || told["(ID)"] != fmt.Sprintf("(%d)", got.Status.Coordinator) ||
		got.Status.Type != by.of || len(got.Status.Members) != members {
		t.Errorf("told is %v, the group is %+v", told, got.Status)
	}
	b.expectMembersAsTold(t, group, by, got)
	b.expectOffsetsAsTold(t, group, by, got)
}

func (b *bed) expectMembersAsTold(t *testing.T, group string, by groupTool, got *v1beta1.KafkaConsumerGroup) {
	t.Helper()
	all := b.tell(t, by, group, "--describe", "--group", group, "--members")
	if len(all) != len(got.Status.Members) {
		t.Fatalf("told are %v, the members are %+v", all, got.Status.Members)
	}
	for _, told := range all {
		i := slices.IndexFunc(got.Status.Members, func(m v1beta1.ConsumerGroupMember) bool { return m.MemberID == told[by.member] })
		if i < 0 || got.Status.Members[i].ClientID != told["CLIENT-ID"] {
			t.Errorf("told is %v, the members are %+v", told, got.Status.Members)
			continue
		}
		// That of streams groups tells tasks, which the partitions below are those of, and no hosts.
		var assigned []string
		for _, a := range got.Status.Members[i].Assignments {
			assigned = append(assigned, a.Topic+":"+strings.ReplaceAll(strings.Trim(fmt.Sprint(a.Partitions), "[]"), " ", ","))
		}
		if by == shareGroups && (told["ASSIGNMENT"] != strings.Join(assigned, ";") || told["HOST"] != "/"+got.Status.Members[i].Host) {
			t.Errorf("told is %v, the member is %+v", told, got.Status.Members[i])
		}
	}
}

func (b *bed) expectOffsetsAsTold(t *testing.T, group string, by groupTool, got *v1beta1.KafkaConsumerGroup) {
	t.Helper()
	view, err := b.Groups().GetOffsets(t.Context(), got.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	number := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	told, shown := map[string]string{}, map[string]string{}
	for _, row := range b.tell(t, by, group, "--describe", "--group", group, "--offsets", "--verbose") {
		told[row["TOPIC"]+"-"+row["PARTITION"]] = row[by.at] + ", lag " + row[by.lags]
	}
	for _, p := range view.Status.Partitions {
		shown[fmt.Sprintf("%s-%d", p.Topic, p.Partition)] = number(p.Committed) + ", lag " + number(p.Lag)
	}
	if by == streamsGroups && len(got.Status.Members) == 0 {
		// The tool shows what members have, and no more.
		if len(told) != 0 {
			t.Errorf("without members, told is %v", told)
		}
		return
	}
	if len(told) < 2 || !maps.Equal(told, shown) {
		t.Errorf("told is %v, shown %v", told, shown)
	}
	if by != streamsGroups {
		return
	}
	read := map[string]bool{}
	for _, m := range got.Status.Members {
		for _, a := range m.Assignments {
			for _, p := range a.Partitions {
				read[fmt.Sprintf("%s-%d", a.Topic, p)] = true
			}
		}
	}
	if !slices.Equal(slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(told))) {
		t.Errorf("told is %v, members read %v", told, read)
	}
}

// tell has Kafka's own tool tell of a group, as a table: of each line what is below a word of the first. What is below the last goes to the end.
func (b *bed) tell(t *testing.T, by groupTool, group string, args ...string) []map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := b.Kafka.Tool(ctx, by.class, append([]string{"--bootstrap-server", b.Kafka.Bootstrap()[0]}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	var rows []map[string]string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "GROUP":
			words = fields
		case fields[0] == group && len(fields) >= len(words):
			row := map[string]string{}
			for i, word := range words {
				row[word] = fields[i]
			}
			row[words[len(words)-1]] = strings.Join(fields[len(words)-1:], " ")
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 && slices.Contains(args, "--state") {
		t.Fatalf("%s %v tells\n%s", by.class, args, out)
	}
	return rows
}
