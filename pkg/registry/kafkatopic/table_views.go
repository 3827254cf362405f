package kafkatopic

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

var configs = table.Convertor[*kafka.KafkaTopicConfigs]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Description: "Name of the setting."},
		table.Column("Value", "string", "Value that applies."),
		table.Column("Source", "string", "Where the value comes from; DYNAMIC_TOPIC_CONFIG is the topic's own."),
		table.Wide("Read-Only", "boolean", "Whether the value cannot be changed while brokers run."),
		table.Wide("Sensitive", "boolean", "Whether the value is a secret, which is never told."),
		table.Wide("Otherwise", "string", "Value that would apply without this one."),
	},
	Rows: func(view *kafka.KafkaTopicConfigs) [][]any {
		rows := make([][]any, 0, len(view.Configs))
		for _, c := range view.Configs {
			otherwise := ""
			// The first synonym is the value that applies.
			if len(c.Synonyms) > 1 {
				otherwise = configValue(c.Synonyms[1].Value, c.Sensitive)
			}
			rows = append(rows, []any{c.Name, configValue(c.Value, c.Sensitive), c.Source, c.ReadOnly, c.Sensitive, otherwise})
		}
		return rows
	},
	Row: func(view *kafka.KafkaTopicConfigs, row int) *kafka.KafkaTopicConfigs {
		one := *view
		one.Configs = view.Configs[row : row+1]
		return &one
	},
}

func configValue(value *string, sensitive bool) string {
	switch {
	case sensitive:
		return "<secret>"
	case value == nil:
		return "<none>"
	}
	return *value
}

var elections = table.Convertor[*kafka.KafkaTopicElection]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Partition", Type: "integer", Description: "Partition id."},
		table.Column("Result", "string", "What came of the election."),
		table.Column("Before", "string", "Broker that led the partition before."),
		table.Column("After", "string", "Broker that leads the partition now."),
		table.Column("Message", "string", "Why the election was refused."),
	},
	Rows: func(order *kafka.KafkaTopicElection) [][]any {
		rows := make([][]any, 0, len(order.Status.Partitions))
		for _, p := range order.Status.Partitions {
			rows = append(rows, []any{int64(p.Partition), string(p.Result), leader(p.LeaderBefore), leader(p.LeaderAfter), p.Message})
		}
		return rows
	},
	Row: func(order *kafka.KafkaTopicElection, row int) *kafka.KafkaTopicElection {
		one := *order
		one.Spec.Partitions, one.Status.Partitions = nil, order.Status.Partitions[row:row+1]
		return &one
	},
}

var truncations = table.Convertor[*kafka.KafkaTopicTruncation]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Partition", Type: "integer", Description: "Partition id."},
		table.Column("Result", "string", "What came of the truncation."),
		table.Column("Start", "integer", "First offset that could be read before."),
		table.Column("New Start", "integer", "First offset that can be read now."),
		table.Column("End", "integer", "One past the last offset that can be read."),
		table.Column("Records", "integer", "Number of offsets that were deleted."),
		table.Column("Message", "string", "Why the truncation was refused."),
	},
	Rows: func(order *kafka.KafkaTopicTruncation) [][]any {
		rows := make([][]any, 0, len(order.Status.Partitions))
		for _, p := range order.Status.Partitions {
			rows = append(rows, []any{int64(p.Partition), string(p.Result), p.StartOffset, p.NewStartOffset, p.EndOffset, p.Records, p.Message})
		}
		return rows
	},
	Row: func(order *kafka.KafkaTopicTruncation, row int) *kafka.KafkaTopicTruncation {
		one := *order
		one.Spec.Partitions, one.Status.Partitions = nil, order.Status.Partitions[row:row+1]
		return &one
	},
}

var hosted = table.Convertor[*kafka.KafkaHostedTopics]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Description: "The topic's name on the brokers."},
		table.Column("Partitions", "integer", "Number of partitions."),
		table.Column("Replicas", "integer", "Number of replicas of each partition."),
		table.Column("Under-Replicated", "integer", "Partitions with a replica that is not in sync."),
		table.Column("Offline", "integer", "Partitions without a leader."),
		table.Column("Internal", "boolean", "Whether Apache Kafka keeps its own state in the topic."),
		table.Column("Managed-By", "string", "The KafkaTopic that manages the topic, as namespace/name."),
		table.Wide("Topic ID", "string", "Apache Kafka's own id of the topic."),
	},
	Rows: func(view *kafka.KafkaHostedTopics) [][]any {
		rows := make([][]any, 0, len(view.Topics))
		for _, t := range view.Topics {
			manager := ""
			switch {
			case t.ManagedBy != nil:
				manager = t.ManagedBy.Namespace + "/" + t.ManagedBy.Name
			case t.Managed:
				manager = "<hidden>"
			}
			rows = append(rows, []any{t.Name, int64(t.Partitions), int64(t.Replicas), int64(t.UnderReplicated), int64(t.Offline), t.Internal, manager, t.TopicID})
		}
		return rows
	},
	Row: func(view *kafka.KafkaHostedTopics, row int) *kafka.KafkaHostedTopics {
		one := *view
		one.Topics = view.Topics[row : row+1]
		return &one
	},
}
