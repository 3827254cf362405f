package v1beta1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// +genclient
// +genclient:method=GetScale,verb=get,subresource=scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=UpdateScale,verb=update,subresource=scale,input=k8s.io/api/autoscaling/v1.Scale,result=k8s.io/api/autoscaling/v1.Scale
// +genclient:method=GetBrokers,verb=get,subresource=brokers,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaBrokers
// +genclient:method=GetTopics,verb=get,subresource=topics,result=kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1.KafkaHostedTopics
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Kafka is one Apache Kafka cluster: either run here on StatefulSets, or run by
// somebody else and reached through spec.external.
type Kafka struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the cluster should be.
	// +optional
	Spec KafkaSpec `json:"spec,omitempty"`
	// status is what the controllers last observed of the cluster.
	// +optional
	Status KafkaStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaList is a list of Kafka clusters.
type KafkaList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the clusters.
	Items []Kafka `json:"items"`
}

// KafkaSpec is what a cluster should be. Exactly one of brokers and external is set.
type KafkaSpec struct {
	// version of Apache Kafka that runs here, such as 4.3.1. ZooKeeper needs 3.9.2.
	// Defaults to 4.3.1, or to 3.9.2 when zookeeper is set. Not allowed with external.
	// +optional
	Version string `json:"version,omitempty"`
	// brokers are the nodes that hold records and serve clients.
	// +optional
	Brokers *BrokersSpec `json:"brokers,omitempty"`
	// controllers are dedicated nodes of the KRaft quorum. Left out, the quorum is
	// the first one or three brokers (combined nodes). Cannot be added to, or
	// removed from, a running cluster; excludes zookeeper.
	// +optional
	Controllers *ControllersSpec `json:"controllers,omitempty"`
	// zookeeper is the ensemble that keeps the metadata of a Kafka 3.9 cluster.
	// Cannot be added to, or removed from, a running cluster; excludes controllers.
	// +optional
	ZooKeeper *ZooKeeperSpec `json:"zookeeper,omitempty"`
	// external names a cluster that somebody else runs. Excludes every other field.
	// +optional
	External *ExternalSpec `json:"external,omitempty"`
}

// BrokersSpec describes the brokers of a cluster.
type BrokersSpec struct {
	// replicas is the number of brokers; broker ids are 0 to replicas-1. Defaults to 3.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// storage holds the log directory of each broker.
	Storage StorageSpec `json:"storage"`
	// resources are the requests and limits of each broker's container.
	// +optional
	Resources ResourceRequirements `json:"resources,omitempty"`
	// jvm tunes the Java virtual machine of each broker.
	// +optional
	JVM *JVMSpec `json:"jvm,omitempty"`
	// config is Apache Kafka's broker configuration, as in server.properties. Keys
	// that the cluster manages itself (ids, listeners, quorum, log directories) are refused.
	// A setting that is null is one that is not there.
	// +optional
	Config BrokerConfig `json:"config,omitempty"`
}

// ControllersSpec describes the dedicated controllers of a KRaft quorum.
type ControllersSpec struct {
	// replicas is the number of controllers: 1, 3 or 5; fixed at creation. Node ids
	// start at 3000. Defaults to 3.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// storage holds the metadata log of each controller.
	Storage StorageSpec `json:"storage"`
	// resources are the requests and limits of each controller's container.
	// +optional
	Resources ResourceRequirements `json:"resources,omitempty"`
	// jvm tunes the Java virtual machine of each controller.
	// +optional
	JVM *JVMSpec `json:"jvm,omitempty"`
}

// ZooKeeperSpec describes a ZooKeeper ensemble.
type ZooKeeperSpec struct {
	// replicas is the number of members: 1, 3 or 5; fixed at creation. Defaults to 3.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// storage holds the transaction log and the snapshots of each member.
	Storage StorageSpec `json:"storage"`
	// resources are the requests and limits of each member's container.
	// +optional
	Resources ResourceRequirements `json:"resources,omitempty"`
	// jvm tunes the Java virtual machine of each member.
	// +optional
	JVM *JVMSpec `json:"jvm,omitempty"`
}

// StorageType says what a node's data lives on.
// +enum
type StorageType string

const (
	// PersistentClaim keeps data on a PersistentVolumeClaim a node. Claims outlive the Kafka object.
	PersistentClaim StorageType = "PersistentClaim"
	// Ephemeral keeps data in an emptyDir: it is lost when the pod is deleted.
	Ephemeral StorageType = "Ephemeral"
)

// StorageSpec says what a node's data lives on.
type StorageSpec struct {
	// type is PersistentClaim or Ephemeral. Fixed at creation. Defaults to PersistentClaim.
	// +optional
	Type StorageType `json:"type,omitempty"`
	// size of each claim, such as 100Gi. Required for PersistentClaim; it can grow,
	// never shrink. For Ephemeral it limits the emptyDir.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
	// class is the StorageClass of the claims; left out, the Kubernetes cluster's
	// default. Fixed at creation.
	// +optional
	Class *string `json:"class,omitempty"`
}

// ResourceRequirements are the compute resources of one container.
type ResourceRequirements struct {
	// limits are the most that the container may use.
	// +optional
	Limits ResourceList `json:"limits,omitempty"`
	// requests are what the scheduler reserves for the container.
	// +optional
	Requests ResourceList `json:"requests,omitempty"`
}

// JVMSpec tunes a Java virtual machine.
type JVMSpec struct {
	// heap is the size of the Java heap (-Xms and -Xmx), such as 4Gi. Left out, half
	// of the container's memory limit up to 4Gi; without a limit 1Gi for brokers and
	// 512Mi for controllers and ZooKeeper.
	// +optional
	Heap *resource.Quantity `json:"heap,omitempty"`
	// options are further options of the java command, such as -XX:+UseZGC.
	// +optional
	// +listType=atomic
	Options []string `json:"options,omitempty"`
}

// ClusterMode says who keeps a cluster's metadata.
// +enum
type ClusterMode string

const (
	// ModeCombined is KRaft with the quorum on the first one or three brokers.
	ModeCombined ClusterMode = "KRaftCombined"
	// ModeDedicated is KRaft with controllers of their own.
	ModeDedicated ClusterMode = "KRaft"
	// ModeZooKeeper is a ZooKeeper ensemble.
	ModeZooKeeper ClusterMode = "ZooKeeper"
	// ModeExternal is a cluster that somebody else runs.
	ModeExternal ClusterMode = "External"
)

const (
	// ConditionReady is True when the object is what its spec says and serves.
	ConditionReady = "Ready"
	// ConditionProgressing is True while the controllers are changing something.
	ConditionProgressing = "Progressing"
	// ConditionDegraded is True when something that should run does not.
	ConditionDegraded = "Degraded"
	// ConditionStalled is True while the object waits for a person: nothing that is tried again by itself can mend it. It is absent otherwise. The
	// name is kstatus's (sigs.k8s.io/cli-utils), by which kubectl, Argo CD and Flux tell a failure from what takes its time.
	ConditionStalled = "Stalled"
	// ConditionRollBlocked is True while the restart of a cluster's nodes does not get on: status.roll says why. It is absent otherwise.
	ConditionRollBlocked = "RollBlocked"
	// ConditionUnderReplicated is True while partitions of a cluster that is run here have replicas that are not in sync, ConditionOffline while some have no
	// leader. The message counts them and names the first ten. They are absent otherwise.
	ConditionUnderReplicated = "UnderReplicated"
	ConditionOffline         = "Offline"
	// ConditionAuthorized is False while the account that is used on the brokers of an external Kafka lacks rights on their cluster that some of
	// the features need. It is absent where brokers do not tell. What needs no such right works all the same.
	ConditionAuthorized = "Authorized"
	// ReasonPending is the reason of Ready=Unknown in an object that no controller has looked at yet.
	ReasonPending = "Pending"
)

// KafkaStatus is what the controllers last observed of a cluster.
type KafkaStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready, Progressing and Degraded, Stalled while the cluster waits for a person, and Authorized of an external one whose brokers tell what their account may do.
	// +optional
	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
	// mode says who keeps the cluster's metadata.
	// +optional
	Mode ClusterMode `json:"mode,omitempty"`
	// version of Apache Kafka that the brokers run.
	// +optional
	Version string `json:"version,omitempty"`
	// clusterID is Apache Kafka's own id of the cluster.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// pinnedClusterID is the id of the cluster that an external Kafka was the last time its brokers were found to be its own. Unless
	// spec.external.clusterID names another, it stays that cluster, also while the id is not in clusterID because the cluster is another Kafka's.
	// +optional
	PinnedClusterID string `json:"pinnedClusterID,omitempty"`
	// firstClusterID is the id of the first cluster that an external Kafka was found to be. It never changes: what was noted of topics before
	// any id was known is about that one.
	// +optional
	FirstClusterID string `json:"firstClusterID,omitempty"`
	// quorum are the voters of the KRaft quorum, fixed when the cluster is created.
	// +optional
	// +listType=map
	// +listMapKey=id
	Quorum []QuorumVoter `json:"quorum,omitempty"`
	// brokers counts the brokers.
	// +optional
	Brokers BrokerCounts `json:"brokers,omitempty"`
	// formed tells whether a broker has ever served. Before, no broker hosts anything; from then on it may. Absent
	// while that is not known.
	// +optional
	Formed *bool `json:"formed,omitempty"`
	// claims are the claims that the cluster has.
	// +optional
	// +listType=map
	// +listMapKey=component
	Claims []ClaimsStatus `json:"claims,omitempty"`
	// selector is the label selector of the broker pods.
	// +optional
	Selector string `json:"selector,omitempty"`
	// listeners are the addresses for clients.
	// +optional
	// +listType=map
	// +listMapKey=name
	Listeners []ListenerStatus `json:"listeners,omitempty"`
	// unreachableBrokers are brokers of an external cluster that do not answer at the address that they advertise, the first ten by id.
	// +optional
	// +listType=map
	// +listMapKey=id
	UnreachableBrokers []UnreachableBroker `json:"unreachableBrokers,omitempty"`
	// roll tells how the nodes of the cluster are restarted, one after the other, because they have to run with another specification. It is
	// absent when no node has to be restarted.
	// +optional
	Roll *RollStatus `json:"roll,omitempty"`
}

// RollPhase says what a roll does.
// +enum
type RollPhase string

const (
	// RollRestarting restarts a node.
	RollRestarting RollPhase = "Restarting"
	// RollWaiting waits for what takes its time: a node that starts, or catches up, or another that would be missed.
	RollWaiting RollPhase = "Waiting"
	// RollBlocked waits for so long that somebody should look. The roll goes on by itself when what it waits for is over.
	RollBlocked RollPhase = "Blocked"
	// RollFailed has met a node that does not come up with the specification of today. No other is restarted until it does, or the
	// specification is changed.
	RollFailed RollPhase = "Failed"
)

// RollStatus describes how the nodes of a cluster are restarted.
type RollStatus struct {
	// phase says what the roll does.
	Phase RollPhase `json:"phase"`
	// reason says in one word what is waited for, such as Denied while the restart of the next node would take a partition below
	// min.insync.replicas, or NotInSync while the one that was restarted catches up.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says what is waited for, with the first ten partitions that it is about.
	// +optional
	Message string `json:"message,omitempty"`
	// since is when the phase, or what is waited for, began.
	// +optional
	Since metav1.Time `json:"since,omitempty"`
	// startTime is when the roll began.
	// +optional
	StartTime metav1.Time `json:"startTime,omitempty"`
	// done are the pods that were restarted and have caught up.
	// +optional
	// +listType=atomic
	Done []string `json:"done,omitempty"`
	// inWork are the pods that are restarted now, or have not caught up yet.
	// +optional
	// +listType=atomic
	InWork []string `json:"inWork,omitempty"`
	// waiting are the pods that are to be restarted, in order.
	// +optional
	// +listType=atomic
	Waiting []string `json:"waiting,omitempty"`
	// restarts are those of this roll, the last of each pod.
	// +optional
	// +listType=map
	// +listMapKey=pod
	Restarts []NodeRestart `json:"restarts,omitempty"`
	// offline is the number of partitions without a leader when the roll began, or the least since then. No node is restarted while there are more.
	// +optional
	Offline *int32 `json:"offline,omitempty"`
}

// NodeRestart is a restart of a node.
type NodeRestart struct {
	// pod is the name of the node's pod.
	Pod string `json:"pod"`
	// uid is that of the pod that was deleted.
	UID types.UID `json:"uid"`
	// time is when it was deleted.
	Time metav1.Time `json:"time"`
	// back tells whether the node has caught up since.
	// +optional
	Back bool `json:"back,omitempty"`
	// reasons are why it is restarted, such as ConfigChanged. When there is a new pod they are those that the restart has not removed.
	// +optional
	// +listType=atomic
	Reasons []string `json:"reasons,omitempty"`
}

// QuorumVoter is one voter of a KRaft quorum.
type QuorumVoter struct {
	// id is the voter's node id.
	ID int32 `json:"id"`
	// directoryID is the id of the voter's metadata log directory, as Apache Kafka writes it (22 characters).
	DirectoryID string `json:"directoryID"`
}

// ClaimsStatus describes the claims of one component of a cluster.
type ClaimsStatus struct {
	// component is broker, controller or zookeeper.
	Component string `json:"component"`
	// size is the largest that one of the claims asks for, so that no smaller one suits all of them; 0 when there is no claim.
	Size resource.Quantity `json:"size"`
}

// BrokerCounts counts the brokers of a cluster.
type BrokerCounts struct {
	// desired is the number of brokers that the spec asks for, or that an external cluster has.
	// +optional
	Desired int32 `json:"desired,omitempty"`
	// registered is the number of brokers that are registered with the cluster and not fenced.
	// +optional
	Registered int32 `json:"registered,omitempty"`
	// ready is the number of broker pods that are ready, or of brokers of an external cluster that answer at the address that they advertise.
	// +optional
	Ready int32 `json:"ready,omitempty"`
}

// UnreachableBroker is a broker of an external cluster that does not answer.
type UnreachableBroker struct {
	// id of the broker.
	ID int32 `json:"id"`
	// address is the host:port address that the broker advertises to clients.
	Address string `json:"address"`
	// message says why the broker is not reached there.
	Message string `json:"message"`
}

// ListenerStatus is an address for clients.
type ListenerStatus struct {
	// name of the listener.
	Name string `json:"name"`
	// bootstrapServers is the comma-separated host:port list to give to a client.
	// +optional
	BootstrapServers string `json:"bootstrapServers,omitempty"`
	// addresses are the host:port addresses of the single brokers.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// KafkaBrokers is the live view of a cluster's brokers, answered by the brokers at request time.
type KafkaBrokers struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// clusterID is Apache Kafka's own id of the cluster.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// brokers are the registered brokers by id, and in KRaft mode the controllers that are no brokers.
	// +optional
	// +listType=map
	// +listMapKey=id
	Brokers []BrokerView `json:"brokers,omitempty"`
}

// BrokerView is one node of a cluster as its brokers describe it.
type BrokerView struct {
	// id of the node.
	ID int32 `json:"id"`
	// host is the address that the broker advertises to clients.
	// +optional
	Host string `json:"host,omitempty"`
	// port is the port that the broker advertises to clients.
	// +optional
	Port int32 `json:"port,omitempty"`
	// rack of the broker, if it has one.
	// +optional
	Rack string `json:"rack,omitempty"`
	// roles are broker, controller, and leader for the controller that is active.
	// +optional
	// +listType=atomic
	Roles []string `json:"roles,omitempty"`
	// fenced brokers are registered and serve nobody.
	// +optional
	Fenced bool `json:"fenced"`
	// leaders is the number of partitions that the broker leads.
	Leaders int32 `json:"leaders"`
	// replicas is the number of partition replicas that are assigned to the broker.
	Replicas int32 `json:"replicas"`
	// version of Apache Kafka that the broker runs; empty when it did not answer.
	// +optional
	Version string `json:"version,omitempty"`
}
