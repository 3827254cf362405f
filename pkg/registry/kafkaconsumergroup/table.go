package kafkaconsumergroup

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

var groupColumns = []metav1.TableColumnDefinition{
	table.Name(),
	table.Column("State", "string", "Apache Kafka's state of the group."),
	table.Column("Type", "string", "The protocol by which the members share their partitions."),
	table.Column("Coordinator", "integer", "Broker that keeps the group."),
}

func groupCells(g *kafka.KafkaConsumerGroup) []any {
	return []any{g.Name, g.Status.State, string(g.Status.Type), int64(g.Status.Coordinator)}
}

// listed is the table of a list, for which no group is asked about by itself.
var listed = table.Convertor[*kafka.KafkaConsumerGroup]{
	Columns: groupColumns,
	Rows:    func(g *kafka.KafkaConsumerGroup) [][]any { return [][]any{groupCells(g)} },
}

// single is the table of one group.
var single = table.Convertor[*kafka.KafkaConsumerGroup]{
	Columns: append(groupColumns[:len(groupColumns):len(groupColumns)],
		table.Column("Members", "integer", "Number of members."),
		table.Column("Lag", "string", "Offsets that the group is behind the ends of its partitions."),
	),
	Rows: func(g *kafka.KafkaConsumerGroup) [][]any {
		return [][]any{append(groupCells(g), int64(len(g.Status.Members)), number(g.Status.Lag, "unknown"))}
	},
}

var offsets = table.Convertor[*kafka.KafkaConsumerGroupOffsets]{
	Columns: []metav1.TableColumnDefinition{
		table.Column("Topic", "string", "The topic's name on the brokers."),
		table.Column("Partition", "integer", "Partition id."),
		table.Column("Committed", "string", "Offset that the group goes on with."),
		table.Column("End", "string", "One past the last offset that can be read."),
		table.Column("Lag", "string", "How far committed is behind the end."),
		table.Column("Owner", "string", "Client id of the member that reads the partition."),
		table.Column("Host", "string", "Address of that member."),
		table.Wide("Start", "string", "First offset that can be read."),
		table.Wide("Member", "string", "Id of that member in the group."),
		table.Wide("Metadata", "string", "What the client wrote beside the offset."),
		table.Wide("Message", "string", "Why something is not known."),
	},
	Rows: func(view *kafka.KafkaConsumerGroupOffsets) [][]any {
		rows := make([][]any, 0, len(view.Status.Partitions))
		for _, p := range view.Status.Partitions {
			rows = append(rows, []any{p.Topic, int64(p.Partition), number(p.Committed, "-"), number(p.EndOffset, "-"), number(p.Lag, "-"),
				p.ClientID, p.Host, number(p.StartOffset, "-"), p.MemberID, p.Metadata, p.Message})
		}
		return rows
	},
	Row: func(view *kafka.KafkaConsumerGroupOffsets, row int) *kafka.KafkaConsumerGroupOffsets {
		one := *view
		one.Spec.Reset, one.Status.Partitions = nil, view.Status.Partitions[row:row+1]
		return &one
	},
}

func number(n *int64, otherwise string) any {
	if n == nil {
		return otherwise
	}
	return *n
}
