package kafkatopic

import (
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

// unknown is what a column shows that the brokers were not heard about.
const unknown = "unknown"

var topicTable = table.Convertor[*kafka.KafkaTopic]{
	Columns: []metav1.TableColumnDefinition{
		table.Name(),
		table.Column("Cluster", "string", "The Kafka that hosts the topic."),
		table.Column("Partitions", "string", "Number of partitions that the brokers have, or unknown."),
		table.Column("Replicas", "string", "Number of replicas of each partition, or unknown."),
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
			topic.Name, cluster, number(topic.Status.Partitions), number(topic.Status.Replicas),
			table.Condition(topic.Status.Conditions, v1beta1.ConditionReady), table.Since(topic.CreationTimestamp),
			topic.TopicName(), unknown, unknown, table.Message(topic.Status.Conditions, v1beta1.ConditionReady),
		}}
	},
}

// number shows what the brokers are known to have, which is not what is asked for.
func number(observed int32) any {
	if observed > 0 {
		return int64(observed)
	}
	return unknown
}
