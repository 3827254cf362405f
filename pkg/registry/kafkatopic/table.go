package kafkatopic

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

// Places in a row of topics of what a snapshot knows better; see topicRow.
const (
	columnPartitions      = 2
	columnReplicas        = 3
	columnUnderReplicated = 7
	columnOffline         = 8
)

var topicTable = table.Convertor[*kafka.KafkaTopic]{
	Columns: []metav1.TableColumnDefinition{
		table.Name(),
		table.Column("Cluster", "string", "The Kafka that hosts the topic."),
		table.Column("Partitions", "integer", "Number of partitions."),
		table.Column("Replicas", "integer", "Number of replicas of each partition."),
		table.Column("Ready", "string", "Whether the topic is on the brokers as its spec says."),
		table.Age(),
		table.Wide("Topic", "string", "The topic's name on the brokers."),
		table.Wide("Under-Replicated", "string", "Partitions with a replica that is not in sync."),
		table.Wide("Offline", "string", "Partitions without a leader."),
		table.Wide("Message", "string", "Why the topic is not ready."),
	},
	Rows: func(topic *kafka.KafkaTopic) [][]any {
		cluster := topic.Spec.ClusterRef.Name
		if ns := topic.ClusterNamespace(); ns != topic.Namespace {
			cluster = ns + "/" + cluster
		}
		return [][]any{{
			topic.Name, cluster, number(topic.Status.Partitions, topic.Spec.Partitions),
			number(topic.Status.Replicas, topic.Spec.Replicas),
			table.Condition(topic.Status.Conditions, v1beta1.ConditionReady), table.Since(topic.CreationTimestamp),
			topic.TopicName(), "unknown", "unknown", table.Message(topic.Status.Conditions, v1beta1.ConditionReady),
		}}
	},
}

// number shows what the brokers have, or else what is asked for.
func number(observed int32, asked *int32) any {
	switch {
	case observed > 0:
		return int64(observed)
	case asked != nil:
		return int64(*asked)
	}
	return nil
}

var partitions = table.Convertor[*kafka.KafkaTopicPartitions]{
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
			rows = append(rows, []any{int64(p.Partition), leader(p.Leader), table.Ints(replicas), table.Ints(p.ISR),
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

func leader(id int32) any {
	if id < 0 {
		return "none"
	}
	return int64(id)
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
