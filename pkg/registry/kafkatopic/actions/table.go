package actions

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

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
			rows = append(rows, []any{int64(p.Partition), string(p.Result), table.Broker(p.LeaderBefore), table.Broker(p.LeaderAfter), p.Message})
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
