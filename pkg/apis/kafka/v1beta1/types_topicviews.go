package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaTopicConfigs is the live view of a topic's settings, answered by the brokers
// at request time: what applies, and where each value comes from.
type KafkaTopicConfigs struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// configs are all settings of the topic: first those that the topic itself has, then the others, each by name.
	// +listType=map
	// +listMapKey=name
	Configs []EffectiveConfig `json:"configs"`
}

// EffectiveConfig is a setting as it applies to a topic.
type EffectiveConfig struct {
	// name of the setting, such as retention.ms.
	Name string `json:"name"`
	// value that applies; absent when there is none, and for every sensitive setting.
	// +optional
	Value *string `json:"value,omitempty"`
	// source is Apache Kafka's own name of where the value comes from, such as
	// DYNAMIC_TOPIC_CONFIG (the topic's own), STATIC_BROKER_CONFIG or DEFAULT_CONFIG.
	Source string `json:"source"`
	// isDefault tells that nobody set the value.
	IsDefault bool `json:"isDefault"`
	// readOnly tells that the value cannot be changed while brokers run.
	ReadOnly bool `json:"readOnly"`
	// sensitive tells that the value is a secret, which brokers do not tell and this server never passes on.
	Sensitive bool `json:"sensitive"`
	// synonyms are the values of the setting at every level that has one, the one that applies first.
	// +optional
	// +listType=atomic
	Synonyms []ConfigSynonym `json:"synonyms,omitempty"`
}

// ConfigSynonym is a value of a setting at one level.
type ConfigSynonym struct {
	// name of the setting at that level, such as log.retention.ms on a broker.
	Name string `json:"name"`
	// value at that level; absent when there is none, and for every sensitive setting.
	// +optional
	Value *string `json:"value,omitempty"`
	// source is Apache Kafka's own name of the level.
	Source string `json:"source"`
}

// ReplicaStatus is the log of one replica on its broker. It may be 30 seconds old, because brokers walk their folders to tell.
type ReplicaStatus struct {
	// broker id.
	Broker int32 `json:"broker"`
	// logDir is the broker's folder that the log is in.
	// +optional
	LogDir string `json:"logDir,omitempty"`
	// sizeBytes is the size of the log on disk; absent when the broker did not tell.
	// +optional
	SizeBytes *int64 `json:"sizeBytes,omitempty"`
	// offsetLag is how many offsets the replica is behind the high watermark; absent when the broker did not tell.
	// +optional
	OffsetLag *int64 `json:"offsetLag,omitempty"`
	// future marks the copy that a move between two folders of the broker is building.
	// +optional
	Future bool `json:"future,omitempty"`
	// problem is what is wrong with the log's folder, or why the broker did not tell.
	// +optional
	Problem string `json:"problem,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaHostedTopics is the live view of every topic on a cluster's brokers, whether
// a KafkaTopic manages it or not.
type KafkaHostedTopics struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// observedTime is when the brokers were asked; they are asked again after five seconds, and after every write through this server.
	ObservedTime metav1.Time `json:"observedTime"`
	// topics are all topics on the brokers by name, the internal ones of Apache Kafka included.
	// +listType=map
	// +listMapKey=name
	Topics []HostedTopic `json:"topics"`
}

// HostedTopic is one topic on the brokers.
type HostedTopic struct {
	// name of the topic on the brokers.
	Name string `json:"name"`
	// topicID is Apache Kafka's own id of the topic (22 characters).
	// +optional
	TopicID string `json:"topicID,omitempty"`
	// internal marks topics that Apache Kafka keeps its own state in.
	Internal bool `json:"internal"`
	// partitions is the number of partitions.
	Partitions int32 `json:"partitions"`
	// replicas is the number of replicas of the topic's first partition.
	Replicas int32 `json:"replicas"`
	// underReplicated is the number of partitions with a replica that is not in sync.
	UnderReplicated int32 `json:"underReplicated"`
	// offline is the number of partitions without a leader.
	Offline int32 `json:"offline"`
	// managed tells that a KafkaTopic manages the topic.
	Managed bool `json:"managed"`
	// managedBy is the KafkaTopic that manages the topic. It is named to those who may list KafkaTopics in its namespace.
	// +optional
	ManagedBy *TopicReference `json:"managedBy,omitempty"`
}

// TopicReference names a KafkaTopic.
type TopicReference struct {
	// namespace of the KafkaTopic.
	Namespace string `json:"namespace"`
	// name of the KafkaTopic.
	Name string `json:"name"`
}
