package render

import (
	"fmt"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const (
	// ManagedBy is the value of app.kubernetes.io/managed-by on all objects rendered here.
	ManagedBy = "kafka-apiserver"
	// AppName is the value of app.kubernetes.io/name on all objects rendered here.
	AppName = "kafka"

	// LabelCluster holds the name of the Kafka that an object belongs to.
	LabelCluster = "kafka.openshift.io/cluster"
	// LabelName, LabelInstance, LabelComponent and LabelManagedBy are Kubernetes' recommended labels.
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// AnnotationClusterID on a claim is the id of the cluster whose data it holds (KRaft).
	AnnotationClusterID = "kafka.openshift.io/cluster-id"
	// AnnotationQuorum on a claim is the quorum that the cluster was formed with, as FormatQuorum writes it.
	AnnotationQuorum = "kafka.openshift.io/quorum"
	// AnnotationMode on a claim is the mode of the cluster whose data it holds.
	AnnotationMode = "kafka.openshift.io/mode"
	// AnnotationFormed on a claim says that its node was ready once: from then on an empty volume there is a lost one.
	AnnotationFormed = "kafka.openshift.io/formed"
	// AnnotationConfigHash on a pod is a hash of all that the process was started with.
	AnnotationConfigHash = "kafka.openshift.io/config-hash"

	// ComponentAnchor is the component of the anchor.
	ComponentAnchor = "anchor"
)

// Ports of the listeners.
const (
	ReplicationPort = 9091
	PlainPort       = 9092
	ControllerPort  = 9093
	ZooKeeperPort   = 2181
	zooKeeperPeers  = 2888
	zooKeeperVotes  = 3888
)

// FirstControllerID is the node id of the first dedicated controller: controllers and brokers share one space of ids.
const FirstControllerID = 3000

// Role is what the nodes of one StatefulSet do; it is the value of app.kubernetes.io/component.
type Role string

const (
	Broker     Role = "broker"
	Controller Role = "controller"
	ZooKeeper  Role = "zookeeper"
)

// AnchorName is the name of the ConfigMap that owns all other objects of a Kafka.
func AnchorName(cluster string) string { return cluster + "-anchor" }

// BootstrapService is the name of the Service at which clients begin.
func BootstrapService(cluster string) string { return cluster + "-bootstrap" }

// ConfigName is the name of the ConfigMap that holds what a role's nodes are started with, by its hash: it never changes.
func ConfigName(cluster string, role Role, hash string) string {
	return WorkloadName(cluster, role) + "-" + hash
}

// WorkloadName is the name of a role's StatefulSet and disruption budget, and of the ConfigMap with what its nodes are told of the cluster.
func WorkloadName(cluster string, role Role) string {
	if role == Broker {
		return cluster + "-kafka"
	}
	return cluster + "-" + string(role)
}

// HeadlessService is the name of the Service that gives a role's pods their names.
func HeadlessService(cluster string, role Role) string {
	if role == ZooKeeper {
		return cluster + "-zookeeper"
	}
	return cluster + "-" + string(role) + "s"
}

// Services are the names of all Services that a Kafka can have.
func Services(cluster string) []string {
	return []string{BootstrapService(cluster), HeadlessService(cluster, Broker), HeadlessService(cluster, Controller), HeadlessService(cluster, ZooKeeper)}
}

// PodName is the name of a role's pod by ordinal.
func PodName(cluster string, role Role, ordinal int32) string {
	return fmt.Sprintf("%s-%d", WorkloadName(cluster, role), ordinal)
}

// ClaimName is the name of the claim of a role's pod by ordinal.
func ClaimName(cluster string, role Role, ordinal int32) string {
	return dataVolume + "-" + PodName(cluster, role, ordinal)
}

// PodHost is the DNS name of a role's pod. It ends in ".svc" and not in the cluster domain: pods resolve it through their search
// path under any cluster domain, and what brokers advertise must never change.
func PodHost(namespace, cluster string, role Role, ordinal int32) string {
	return PodName(cluster, role, ordinal) + "." + headlessDomain(namespace, cluster, role)
}

func headlessDomain(namespace, cluster string, role Role) string {
	return HeadlessService(cluster, role) + "." + namespace + ".svc"
}

// BootstrapAddress is the host:port at which clients of a Kafka begin.
func BootstrapAddress(namespace, cluster string) string {
	return fmt.Sprintf("%s.%s.svc:%d", BootstrapService(cluster), namespace, PlainPort)
}

// BrokerAddress is the host:port that a broker advertises to clients.
func BrokerAddress(namespace, cluster string, id int32) string {
	return fmt.Sprintf("%s:%d", PodHost(namespace, cluster, Broker, id), PlainPort)
}

// MemberAddress is the host:port at which a member of ZooKeeper answers clients.
func MemberAddress(namespace, cluster string, ordinal int32) string {
	return fmt.Sprintf("%s:%d", PodHost(namespace, cluster, ZooKeeper, ordinal), ZooKeeperPort)
}

// Labels are the labels of an object of a Kafka.
func Labels(cluster, component string) map[string]string {
	return map[string]string{
		LabelName:      AppName,
		LabelInstance:  cluster,
		LabelComponent: component,
		LabelManagedBy: ManagedBy,
		LabelCluster:   cluster,
	}
}

// CommonLabels are those that the objects of all Kafkas have.
func CommonLabels() map[string]string {
	return map[string]string{LabelName: AppName, LabelManagedBy: ManagedBy}
}

// PodLabels select the pods of a role. A StatefulSet's selector is immutable, so these never change.
func PodLabels(cluster string, role Role) map[string]string {
	return map[string]string{LabelCluster: cluster, LabelComponent: string(role)}
}

// Mode is who keeps the metadata of the cluster that a spec describes.
func Mode(spec *v1beta1.KafkaSpec) v1beta1.ClusterMode {
	switch {
	case spec.External != nil:
		return v1beta1.ModeExternal
	case spec.ZooKeeper != nil:
		return v1beta1.ModeZooKeeper
	case spec.Controllers != nil:
		return v1beta1.ModeDedicated
	default:
		return v1beta1.ModeCombined
	}
}

// Roles lists the StatefulSets of a mode, in the order in which they are written.
func Roles(mode v1beta1.ClusterMode) []Role {
	switch mode {
	case v1beta1.ModeExternal:
		return nil
	case v1beta1.ModeZooKeeper:
		return []Role{ZooKeeper, Broker}
	case v1beta1.ModeDedicated:
		return []Role{Controller, Broker}
	default:
		return []Role{Broker}
	}
}
