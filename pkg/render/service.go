package render

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

func (r renderer) headless(n nodes) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(HeadlessService(r.kafka.Name, n.role), r.kafka.Namespace).
		WithLabels(r.labels(n)).
		WithOwnerReferences(r.owner()).
		WithSpec(corev1ac.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			// Nodes must find each other to become ready.
			WithPublishNotReadyAddresses(true).
			WithSelector(PodLabels(r.kafka.Name, n.role)).
			WithPorts(r.servicePorts(n)...))
}

func (r renderer) bootstrap() *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(BootstrapService(r.kafka.Name), r.kafka.Namespace).
		WithLabels(Labels(r.kafka.Name, string(Broker))).
		WithOwnerReferences(r.owner()).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(PodLabels(r.kafka.Name, Broker)).
			WithPorts(servicePort("plain", PlainPort)))
}

type port struct {
	name   string
	number int32
}

func (r renderer) ports(n nodes) []port {
	switch {
	case n.role == ZooKeeper:
		return []port{{"client", ZooKeeperPort}, {"peers", zooKeeperPeers}, {"votes", zooKeeperVotes}}
	case n.role == Controller:
		return []port{{"controller", ControllerPort}}
	case r.mode == v1beta1.ModeCombined:
		return []port{{"replication", ReplicationPort}, {"plain", PlainPort}, {"controller", ControllerPort}}
	default:
		return []port{{"replication", ReplicationPort}, {"plain", PlainPort}}
	}
}

func (r renderer) servicePorts(n nodes) []*corev1ac.ServicePortApplyConfiguration {
	var out []*corev1ac.ServicePortApplyConfiguration
	for _, p := range r.ports(n) {
		out = append(out, servicePort(p.name, p.number))
	}
	return out
}

// servicePort names the protocol although it is the default: it is part of the key of server-side apply.
func servicePort(name string, number int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().
		WithName(name).
		WithPort(number).
		WithTargetPort(intstr.FromInt32(number)).
		WithProtocol(corev1.ProtocolTCP)
}

// budget lets drains take one node of a role at a time.
func (r renderer) budget(n nodes) *policyv1ac.PodDisruptionBudgetApplyConfiguration {
	return policyv1ac.PodDisruptionBudget(r.name(n), r.kafka.Namespace).
		WithLabels(r.labels(n)).
		WithOwnerReferences(r.owner()).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(PodLabels(r.kafka.Name, n.role))))
}
