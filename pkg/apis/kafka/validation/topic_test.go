package validation

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
)

func newTopic(change func(*kafka.KafkaTopic)) *kafka.KafkaTopic {
	topic := &kafka.KafkaTopic{
		ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "team-a", ResourceVersion: "1"},
		Spec: kafka.KafkaTopicSpec{ClusterRef: kafka.ClusterReference{Name: "my-cluster"}, Partitions: ptr.To[int32](3), Replicas: ptr.To[int32](3),
			DriftPolicy: kafka.DriftRevert, DeletionPolicy: kafka.TopicDelete},
	}
	if change != nil {
		change(topic)
	}
	return topic
}

// Names are Kafka's: an aggregated API is not bound to DNS names.
func TestTopicNames(t *testing.T) {
	longest := strings.Repeat("a", 249)
	for name, want := range map[string]string{
		"orders":             "",
		"Orders_v1.compact":  "",
		"-orders":            "",
		"_schemas":           "",
		".hidden":            "",
		"0":                  "",
		longest:              "",
		longest + "a":        "at most 249 characters",
		"":                   "must not be empty",
		".":                  `must not be "." or ".."`,
		"..":                 `must not be "." or ".."`,
		"a b":                "ASCII letters, digits, '.', '_' and '-'",
		"a/b":                "ASCII letters, digits, '.', '_' and '-'",
		"größe":              "ASCII letters, digits, '.', '_' and '-'",
		"a\n":                "ASCII letters, digits, '.', '_' and '-'",
		"__consumer_offsets": "internal topics",
		"__cluster_metadata": "internal topics",
	} {
		problems := strings.Join(TopicNameProblems(name), "; ")
		if want == "" && problems != "" || !strings.Contains(problems, want) {
			t.Errorf("name %q: %q, want %q", name, problems, want)
		}
	}
	for prefix, ok := range map[string]bool{"orders-": true, ".": true, "__": false, strings.Repeat("a", 245): false} {
		if problems := TopicObjectName(prefix, true); (len(problems) == 0) != ok {
			t.Errorf("generateName %q: %v", prefix, problems)
		}
	}
}

func TestValidateKafkaTopic(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		change func(*kafka.KafkaTopic)
		want   []refusal
	}{
		{rule: "three partitions with three replicas"},
		{rule: "numbers can be left to the brokers", change: func(k *kafka.KafkaTopic) { k.Spec.Partitions, k.Spec.Replicas = nil, nil }},
		{rule: "a topic may be retained", change: func(k *kafka.KafkaTopic) { k.Spec.DeletionPolicy = kafka.TopicRetain }},
		{rule: "names may be Kafka's", change: func(k *kafka.KafkaTopic) { k.Name = "Orders_v1" }},

		{"a topic is somewhere", func(k *kafka.KafkaTopic) { k.Spec.ClusterRef.Name = "" }, []refusal{{"spec.clusterRef.name", "name the Kafka"}}},
		{"at least one partition", func(k *kafka.KafkaTopic) { k.Spec.Partitions = ptr.To[int32](0) }, []refusal{{"spec.partitions", "at least 1 partition"}}},
		{"no negative partitions", func(k *kafka.KafkaTopic) { k.Spec.Partitions = ptr.To[int32](-1) }, []refusal{{"spec.partitions", "at least 1 partition"}}},
		{"at least one replica", func(k *kafka.KafkaTopic) { k.Spec.Replicas = ptr.To[int32](0) }, []refusal{{"spec.replicas", "from 1 to 32767"}}},
		{"replicas fit Kafka's 16 bits", func(k *kafka.KafkaTopic) { k.Spec.Replicas = ptr.To[int32](32768) }, []refusal{{"spec.replicas", "from 1 to 32767"}}},
		{"a setting has a name", func(k *kafka.KafkaTopic) { k.Spec.Config = map[string]string{"": "1"} }, []refusal{{"spec.config", "needs a name"}}},
		{"a setting of running reassignments", func(k *kafka.KafkaTopic) {
			k.Spec.Config = map[string]string{"leader.replication.throttled.replicas": "*"}
		}, []refusal{{"spec.config[leader.replication.throttled.replicas]", "reassignments"}}},
		{rule: "changes outside may be reported only", change: func(k *kafka.KafkaTopic) { k.Spec.DriftPolicy = kafka.DriftReport }},
		{"drift policies are two", func(k *kafka.KafkaTopic) { k.Spec.DriftPolicy = "Ignore" }, []refusal{{"spec.driftPolicy", `"Report", "Revert"`}}},
		{rule: "another topic is adopted by its id", change: func(k *kafka.KafkaTopic) { k.Spec.AdoptTopicID = "AAAAAAAAAAAAAAAAAAAADw" }},
		{"which is an id", func(k *kafka.KafkaTopic) { k.Spec.AdoptTopicID = "orders" }, []refusal{{"spec.adoptTopicID", "22 characters"}}},
		{"deletion policies are two", func(k *kafka.KafkaTopic) { k.Spec.DeletionPolicy = "Orphan" }, []refusal{{"spec.deletionPolicy", `"Delete", "Retain"`}}},
		{"names that Kafka refuses", func(k *kafka.KafkaTopic) { k.Name = "or ders" }, []refusal{{"metadata.name", "ASCII letters"}}},
		{"internal topics", func(k *kafka.KafkaTopic) { k.Name = "__consumer_offsets" }, []refusal{{"metadata.name", "internal topics"}}},
		{"a chosen name that Kafka refuses", func(k *kafka.KafkaTopic) { k.Spec.TopicName = "a/b" }, []refusal{{"spec.topicName", "ASCII letters"}}},
		{"a chosen internal name", func(k *kafka.KafkaTopic) { k.Spec.TopicName = "__x" }, []refusal{{"spec.topicName", "internal topics"}}},
		{"the prefix of the namespace counts", func(k *kafka.KafkaTopic) {
			k.Name, k.Spec.ClusterRef.Namespace = strings.Repeat("a", 243), "streams"
		}, []refusal{{"metadata.name", "at most 249 characters"}}},
		{rule: "just as long as it may be", change: func(k *kafka.KafkaTopic) {
			k.Name, k.Spec.ClusterRef.Namespace = strings.Repeat("a", 242), "streams"
		}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			expect(t, ValidateKafkaTopic(newTopic(tc.change)), tc.want...)
		})
	}
}

func TestValidateKafkaTopicUpdate(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		old    func(*kafka.KafkaTopic)
		change func(*kafka.KafkaTopic)
		want   []refusal
	}{
		{rule: "a topic grows", change: func(k *kafka.KafkaTopic) { k.Spec.Partitions = ptr.To[int32](12) }},
		{rule: "its settings change", change: func(k *kafka.KafkaTopic) { k.Spec.Config = map[string]string{"retention.ms": "1"} }},
		{rule: "what becomes of it changes", change: func(k *kafka.KafkaTopic) { k.Spec.DeletionPolicy = kafka.TopicRetain }},
		{rule: "its namespace may be written out", change: func(k *kafka.KafkaTopic) { k.Spec.ClusterRef.Namespace = "team-a" }},
		{rule: "its name may be written out", change: func(k *kafka.KafkaTopic) { k.Spec.TopicName = "orders" }},
		{"it stays on its Kafka", nil, func(k *kafka.KafkaTopic) { k.Spec.ClusterRef.Name = "other" }, []refusal{{"spec.clusterRef.name", "immutable"}}},
		// The name on the brokers follows the Kafka's namespace, so both fields are named.
		{"and the Kafka in its namespace", nil, func(k *kafka.KafkaTopic) { k.Spec.ClusterRef.Namespace = "streams" },
			[]refusal{{"spec.clusterRef.namespace", "immutable"}, {"spec.topicName", "orders on the brokers"}}},
		{"it keeps its name on the brokers", nil, func(k *kafka.KafkaTopic) { k.Spec.TopicName = "other" }, []refusal{{"spec.topicName", "orders on the brokers"}}},
		{"also when the chosen name is left out", func(k *kafka.KafkaTopic) { k.Spec.TopicName = "other" }, func(k *kafka.KafkaTopic) { k.Spec.TopicName = "" },
			[]refusal{{"spec.topicName", "other on the brokers"}}},
		{"a spec stays valid", nil, func(k *kafka.KafkaTopic) { k.Spec.Partitions = ptr.To[int32](0) }, []refusal{{"spec.partitions", "at least 1 partition"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			old := newTopic(tc.old)
			next := old.DeepCopy()
			tc.change(next)
			expect(t, ValidateKafkaTopicUpdate(next, old), tc.want...)
		})
	}
}

func TestValidateMetaUpdate(t *testing.T) {
	old := newTopic(nil)
	next := old.DeepCopy()
	next.Labels = map[string]string{"team": "a"}
	expect(t, ValidateMetaUpdate(&next.ObjectMeta, &old.ObjectMeta))
	next.UID = "other"
	expect(t, ValidateMetaUpdate(&next.ObjectMeta, &old.ObjectMeta), refusal{"metadata.uid", "immutable"})
}

func TestValidatePartitions(t *testing.T) {
	entry := func(id int32, replicas ...int32) kafka.PartitionAssignment {
		return kafka.PartitionAssignment{Partition: id, Replicas: replicas}
	}
	of := func(entries []kafka.PartitionAssignment) *kafka.KafkaTopicPartitions {
		return &kafka.KafkaTopicPartitions{Spec: kafka.KafkaTopicPartitionsSpec{Partitions: entries}}
	}
	old := []kafka.PartitionAssignment{entry(0, 0, 1), entry(1, 1, 2)}
	for _, tc := range []struct {
		rule string
		next []kafka.PartitionAssignment
		want []refusal
	}{
		{rule: "nothing changes", next: old},
		{rule: "replicas move", next: []kafka.PartitionAssignment{entry(0, 2, 1), entry(1, 1, 2)}},
		{rule: "partitions are added", next: []kafka.PartitionAssignment{entry(0, 0, 1), entry(1, 1, 2), entry(2, 2, 0)}},
		{"partitions only grow", old[:1], []refusal{{"spec.partitions", "has 2 partitions, and partitions only grow: list all of them"}}},
		{"and never to nothing", nil, []refusal{{"spec.partitions", "partitions only grow"}}},
		{"without gaps", []kafka.PartitionAssignment{entry(0, 0, 1), entry(1, 1, 2), entry(3, 2, 0)}, []refusal{{"spec.partitions[2].partition", "3 entries are 0 to 2"}}},
		{"from 0", []kafka.PartitionAssignment{entry(-1, 0, 1), entry(1, 1, 2)}, []refusal{{"spec.partitions[0].partition", "numbered from 0"}}},
		{"each once", []kafka.PartitionAssignment{entry(0, 0, 1), entry(0, 1, 2)}, []refusal{{"spec.partitions[1].partition", "Duplicate"}}},
		{"with replicas", []kafka.PartitionAssignment{entry(0), entry(1, 1, 2)}, []refusal{{"spec.partitions[0].replicas", "at least one broker"}}},
		{"on different brokers", []kafka.PartitionAssignment{entry(0, 1, 1), entry(1, 1, 2)}, []refusal{{"spec.partitions[0].replicas[1]", "Duplicate"}}},
		{"on brokers with possible ids", []kafka.PartitionAssignment{entry(0, 0, -1), entry(1, 1, 2)}, []refusal{{"spec.partitions[0].replicas[1]", "not negative"}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			expect(t, ValidatePartitions(of(tc.next), of(old)), tc.want...)
		})
	}
}
