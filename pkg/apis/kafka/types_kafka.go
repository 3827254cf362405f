package kafka

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Kafka is one Apache Kafka cluster: either run here on StatefulSets, or run by
// somebody else and reached through spec.external.
type Kafka struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	Spec   KafkaSpec
	Status KafkaStatus
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaList is a list of Kafka clusters.
type KafkaList struct {
	metav1.TypeMeta
	metav1.ListMeta

	Items []Kafka
}

// KafkaSpec is what a cluster should be. Exactly one of brokers and external is set.
type KafkaSpec struct {
	Version     string
	Brokers     *BrokersSpec
	Controllers *ControllersSpec
	ZooKeeper   *ZooKeeperSpec
	External    *ExternalSpec
}

// BrokersSpec describes the brokers of a cluster.
type BrokersSpec struct {
	Replicas  *int32
	Storage   StorageSpec
	Resources ResourceRequirements
	JVM       *JVMSpec
	Config    map[string]string
}

// ControllersSpec describes the dedicated controllers of a KRaft quorum.
type ControllersSpec struct {
	Replicas  *int32
	Storage   StorageSpec
	Resources ResourceRequirements
	JVM       *JVMSpec
}

// ZooKeeperSpec describes a ZooKeeper ensemble.
type ZooKeeperSpec struct {
	Replicas  *int32
	Storage   StorageSpec
	Resources ResourceRequirements
	JVM       *JVMSpec
}

// StorageType says what a node's data lives on.
type StorageType string

const (
	PersistentClaim StorageType = "PersistentClaim"
	Ephemeral       StorageType = "Ephemeral"
)

// StorageSpec says what a node's data lives on.
type StorageSpec struct {
	Type  StorageType
	Size  *resource.Quantity
	Class *string
}

// ResourceRequirements are the compute resources of one container.
type ResourceRequirements struct {
	Limits   corev1.ResourceList
	Requests corev1.ResourceList
}

// JVMSpec tunes a Java virtual machine.
type JVMSpec struct {
	Heap    *resource.Quantity
	Options []string
}

// ClusterMode says who keeps a cluster's metadata.
type ClusterMode string

const (
	ModeCombined  ClusterMode = "KRaftCombined"
	ModeDedicated ClusterMode = "KRaft"
	ModeZooKeeper ClusterMode = "ZooKeeper"
	ModeExternal  ClusterMode = "External"
)

const (
	ConditionReady       = "Ready"
	ConditionProgressing = "Progressing"
	ConditionDegraded    = "Degraded"
)

// KafkaStatus is what the controllers last observed of a cluster.
type KafkaStatus struct {
	ObservedGeneration int64
	Conditions         []metav1.Condition
	Mode               ClusterMode
	Version            string
	ClusterID          string
	PinnedClusterID    string
	FirstClusterID     string
	Quorum             []QuorumVoter
	Brokers            BrokerCounts
	Formed             *bool
	Claims             []ClaimsStatus
	Selector           string
	Listeners          []ListenerStatus
	UnreachableBrokers []UnreachableBroker
	Roll               *RollStatus
}

// RollPhase says what a roll does.
type RollPhase string

const (
	RollRestarting RollPhase = "Restarting"
	RollWaiting    RollPhase = "Waiting"
	RollBlocked    RollPhase = "Blocked"
	RollFailed     RollPhase = "Failed"
)

// RollStatus describes how the nodes of a cluster are restarted, one after the other.
type RollStatus struct {
	Phase     RollPhase
	Reason    string
	Message   string
	Since     metav1.Time
	StartTime metav1.Time
	Done      []string
	InWork    []string
	Waiting   []string
	Restarts  []NodeRestart
	Offline   *int32
}

// NodeRestart is a restart of a node.
type NodeRestart struct {
	Pod     string
	UID     types.UID
	Time    metav1.Time
	Back    bool
	Reasons []string
}

// QuorumVoter is one voter of a KRaft quorum.
type QuorumVoter struct {
	ID          int32
	DirectoryID string
}

// ClaimsStatus describes the claims of one component of a cluster.
type ClaimsStatus struct {
	Component string
	Size      resource.Quantity
}

// BrokerCounts counts the brokers of a cluster.
type BrokerCounts struct {
	Desired    int32
	Registered int32
	Ready      int32
}

// UnreachableBroker is a broker of an external cluster that does not answer.
type UnreachableBroker struct {
	ID      int32
	Address string
	Message string
}

// ListenerStatus is an address for clients.
type ListenerStatus struct {
	Name             string
	BootstrapServers string
	Addresses        []string
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaBrokers is the live view of a cluster's brokers, answered by the brokers at request time.
type KafkaBrokers struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	ClusterID string
	Brokers   []BrokerView
}

// BrokerView is one node of a cluster as its brokers describe it.
type BrokerView struct {
	ID       int32
	Host     string
	Port     int32
	Rack     string
	Roles    []string
	Fenced   bool
	Leaders  int32
	Replicas int32
	Version  string
}
