package render

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

const defaultReplicas int32 = 3

// Facts are what a spec does not say: decided once, or observed.
type Facts struct {
	// AnchorUID is the UID of the anchor.
	AnchorUID types.UID
	// ClusterID is Kafka's id of the cluster (KRaft; ZooKeeper's brokers choose their own).
	ClusterID string
	// Quorum is what the cluster was formed with (KRaft). It is written to claims, whose templates are immutable, so it is
	// never the quorum of today.
	Quorum []v1beta1.QuorumVoter
	// Formed are the voters, or ZooKeeper members (from 1), on persistent storage that served once.
	Formed []int32
	// InitialBrokers is the number of brokers at creation. Replication factors derive from it, so that scaling changes
	// nothing in the configuration of running brokers.
	InitialBrokers int32
	// Brokers is how many broker pods to run: spec.brokers.replicas, or more while brokers that leave still host replicas.
	Brokers int32
	// Image is the container image.
	Image string
	// RunAsUser is the user and the group of the pods; nil leaves it to the platform, as OpenShift wants it.
	RunAsUser *int64
}

// Objects are the host objects of a Kafka except for its anchor, in the order in which they are to be written.
type Objects struct {
	Services             []*corev1ac.ServiceApplyConfiguration
	ConfigMaps           []*corev1ac.ConfigMapApplyConfiguration
	PodDisruptionBudgets []*policyv1ac.PodDisruptionBudgetApplyConfiguration
	StatefulSets         []*appsv1ac.StatefulSetApplyConfiguration
}

// Cluster renders a Kafka that is run here, defaults applied. The error says which fact is missing.
func Cluster(kafka *v1beta1.Kafka, facts Facts) (Objects, error) {
	mode := Mode(&kafka.Spec)
	switch {
	case mode == v1beta1.ModeExternal:
		return Objects{}, fmt.Errorf("render Kafka %s/%s: it is run by somebody else", kafka.Namespace, kafka.Name)
	case kafka.Spec.Brokers == nil:
		return Objects{}, fmt.Errorf("render Kafka %s/%s: no spec.brokers", kafka.Namespace, kafka.Name)
	case facts.AnchorUID == "" || facts.Image == "" || facts.InitialBrokers < 1 || facts.Brokers < 1:
		return Objects{}, fmt.Errorf("render Kafka %s/%s: incomplete facts %+v", kafka.Namespace, kafka.Name, facts)
	case mode != v1beta1.ModeZooKeeper && (!ValidID(facts.ClusterID) || len(facts.Quorum) == 0):
		return Objects{}, fmt.Errorf("render Kafka %s/%s: no cluster id or quorum", kafka.Namespace, kafka.Name)
	}
	r := renderer{kafka: kafka, facts: facts, mode: mode}
	var out Objects
	for _, role := range Roles(mode) {
		n := r.nodes(role)
		config, environment, hash := r.configMaps(n)
		out.Services = append(out.Services, r.headless(n))
		out.ConfigMaps = append(out.ConfigMaps, config, environment)
		out.PodDisruptionBudgets = append(out.PodDisruptionBudgets, r.budget(n))
		out.StatefulSets = append(out.StatefulSets, r.statefulSet(n, hash))
	}
	out.Services = append(out.Services, r.bootstrap())
	return out, nil
}

// Anchor renders the owner of all other objects; data is what the controllers record in it.
func Anchor(namespace, cluster string, data map[string]string) *corev1ac.ConfigMapApplyConfiguration {
	return corev1ac.ConfigMap(AnchorName(cluster), namespace).
		WithLabels(Labels(cluster, ComponentAnchor)).
		WithData(data)
}

// renderer holds what all objects of one cluster share.
type renderer struct {
	kafka *v1beta1.Kafka
	facts Facts
	mode  v1beta1.ClusterMode
}

// nodes is what the spec says about the nodes of one role.
type nodes struct {
	role      Role
	replicas  int32
	firstID   int32
	storage   v1beta1.StorageSpec
	resources v1beta1.ResourceRequirements
	jvm       *v1beta1.JVMSpec
}

func (n nodes) persistent() bool { return n.storage.Type != v1beta1.Ephemeral }

func (r renderer) nodes(role Role) nodes {
	switch role {
	case Controller:
		c := r.kafka.Spec.Controllers
		return nodes{role, deref(c.Replicas, defaultReplicas), FirstControllerID, c.Storage, c.Resources, c.JVM}
	case ZooKeeper:
		z := r.kafka.Spec.ZooKeeper
		return nodes{role, deref(z.Replicas, defaultReplicas), 1, z.Storage, z.Resources, z.JVM}
	default:
		b := r.kafka.Spec.Brokers
		return nodes{role, r.facts.Brokers, 0, b.Storage, b.Resources, b.JVM}
	}
}

func (r renderer) name(n nodes) string { return WorkloadName(r.kafka.Name, n.role) }

func (r renderer) labels(n nodes) map[string]string { return Labels(r.kafka.Name, string(n.role)) }

// owner is the anchor. It is no controller reference: nothing in the host looks for one, and blocking the anchor's deletion
// would need rights on its finalizers.
func (r renderer) owner() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion("v1").
		WithKind("ConfigMap").
		WithName(AnchorName(r.kafka.Name)).
		WithUID(r.facts.AnchorUID)
}
