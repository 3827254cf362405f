package views

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
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

// Partitions is how partitions are shown.
var Partitions = table.Convertor[*kafka.KafkaTopicPartitions]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "Partition", Type: "integer", Description: "Partition id."},
		table.Column("Leader", "string", "Broker that leads the partition."),
		table.Column("Replicas", "string", "Brokers that hold the partition, the preferred leader first."),
		table.Column("ISR", "string", "Replicas in sync with the leader."),
		table.Column("Offline", "string", "Replicas that do not serve."),
		table.Column("Start", "string", "First offset that can be read."),
		table.Column("End", "string", "One past the last offset that can be read."),
		table.Wide("Epoch", "integer", "Leader epoch: grows with each election."),
		table.Wide("Adding", "string", "Replicas that a running reassignment adds."),
		table.Wide("Removing", "string", "Replicas that a running reassignment removes."),
		table.Wide("ELR", "string", "Replicas that may lead although they are not in sync."),
		table.Wide("Size", "string", "Size on disk of each replica, in the order of the replicas."),
	},
	Rows: func(view *kafka.KafkaTopicPartitions) [][]any {
		rows := make([][]any, 0, len(view.Status.Partitions))
		for i, p := range view.Status.Partitions {
			var replicas []int32
			if i < len(view.Spec.Partitions) {
				replicas = view.Spec.Partitions[i].Replicas
			}
			rows = append(rows, []any{int64(p.Partition), table.Broker(p.Leader), table.Ints(replicas), table.Ints(p.ISR),
				table.Ints(p.Offline), offset(p.StartOffset), offset(p.EndOffset), int64(p.LeaderEpoch),
				table.Ints(p.Adding), table.Ints(p.Removing), table.Ints(p.ELR), sizes(p.Replicas)})
		}
		return rows
	},
	Row: func(view *kafka.KafkaTopicPartitions, row int) *kafka.KafkaTopicPartitions {
		one := *view
		one.Spec.Partitions, one.Status.Partitions = nil, view.Status.Partitions[row:row+1]
		if row < len(view.Spec.Partitions) {
			one.Spec.Partitions = view.Spec.Partitions[row : row+1]
		}
		return &one
	},
}

func offset(at *int64) any {
	if at == nil {
		return "unknown"
	}
	return *at
}

// sizes are those of the logs in use; a broker that did not tell has a question mark.
func sizes(replicas []kafka.ReplicaStatus) string {
	words := make([]string, 0, len(replicas))
	for _, r := range replicas {
		switch {
		case r.Future:
		case r.SizeBytes == nil:
			words = append(words, "?")
		default:
			words = append(words, resource.NewQuantity(*r.SizeBytes, resource.BinarySI).String())
		}
	}
	return strings.Join(words, ",")
}
