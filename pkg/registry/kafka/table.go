package kafka

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/table"
)

var clusters = table.Convertor[*kafka.Kafka]{
	Columns: []metav1.TableColumnDefinition{
		table.Name(),
		table.Column("Version", "string", "Version of Apache Kafka."),
		table.Column("Mode", "string", "Who keeps the cluster's metadata."),
		table.Column("Brokers", "string", "Brokers that are registered and not fenced, of those desired; of an external cluster those that answer, of all."),
		table.Column("Ready", "string", "Whether the cluster serves as its spec says."),
		table.Age(),
		table.Wide("Cluster ID", "string", "Apache Kafka's own id of the cluster."),
		table.Wide("Bootstrap", "string", "The address to give to a client."),
		table.Wide("Message", "string", "Why the cluster is not ready, or degraded."),
	},
	Rows: func(k *kafka.Kafka) [][]any {
		desired := k.Status.Brokers.Desired
		if k.Spec.Brokers != nil {
			desired = ptr.Deref(k.Spec.Brokers.Replicas, desired)
		}
		bootstrap := ""
		if len(k.Status.Listeners) > 0 {
			bootstrap = k.Status.Listeners[0].BootstrapServers
		}
		version := k.Status.Version
		if version == "" {
			version = k.Spec.Version
		}
		serving, message := k.Status.Brokers.Registered, table.Message(k.Status.Conditions, v1beta1.ConditionReady)
		if k.Spec.External != nil {
			// That others of the cluster count on a broker does not say that clients reach it.
			serving = k.Status.Brokers.Ready
		}
		if degraded := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ConditionDegraded); message == "" && degraded != nil && degraded.Status == metav1.ConditionTrue {
			message = degraded.Message
		}
		return [][]any{{
			k.Name, version, string(k.Mode()), fmt.Sprintf("%d/%d", serving, desired),
			table.Condition(k.Status.Conditions, v1beta1.ConditionReady), table.Since(k.CreationTimestamp),
			k.Status.ClusterID, bootstrap, message,
		}}
	},
}

var brokers = table.Convertor[*kafka.KafkaBrokers]{
	Columns: []metav1.TableColumnDefinition{
		{Name: "ID", Type: "integer", Description: "Node id."},
		table.Column("Host", "string", "Address that the broker advertises."),
		table.Column("Rack", "string", "Rack of the broker."),
		table.Column("Roles", "string", "What the node does."),
		table.Column("Fenced", "boolean", "Whether the broker is registered but serves nobody."),
		table.Column("Leaders", "integer", "Partitions that the broker leads."),
		table.Column("Replicas", "integer", "Partition replicas that are assigned to the broker."),
		table.Column("Version", "string", "Version of Apache Kafka that the broker runs."),
	},
	Rows: func(view *kafka.KafkaBrokers) [][]any {
		rows := make([][]any, 0, len(view.Brokers))
		for _, b := range view.Brokers {
			host := ""
			if b.Host != "" {
				host = fmt.Sprintf("%s:%d", b.Host, b.Port)
			}
			rows = append(rows, []any{int64(b.ID), host, b.Rack, strings.Join(b.Roles, ","), b.Fenced,
				int64(b.Leaders), int64(b.Replicas), b.Version})
		}
		return rows
	},
	Row: func(view *kafka.KafkaBrokers, row int) *kafka.KafkaBrokers {
		one := *view
		one.Brokers = view.Brokers[row : row+1]
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
