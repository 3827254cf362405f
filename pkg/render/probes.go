package render

import (
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// probes never kill a node that recovers. A broker opens its listener only when the controller has unfenced it, after log
// recovery, which takes hours for a big unclean log: the startup probe waits a day. Liveness then needs ten minutes of refused
// connections; a broker that is merely slow accepts them.
func (r renderer) probes(n nodes) (startup, readiness, liveness *corev1ac.ProbeApplyConfiguration) {
	probe := func(portNumber int32) *corev1ac.ProbeApplyConfiguration {
		return corev1ac.Probe().WithTCPSocket(corev1ac.TCPSocketAction().WithPort(intstr.FromInt32(portNumber)))
	}
	ready, alive := func() *corev1ac.ProbeApplyConfiguration { return probe(PlainPort) }, probe(ReplicationPort)
	switch n.role {
	case Controller:
		ready, alive = func() *corev1ac.ProbeApplyConfiguration { return probe(ControllerPort) }, probe(ControllerPort)
	case ZooKeeper:
		alive = probe(ZooKeeperPort)
		ready = func() *corev1ac.ProbeApplyConfiguration {
			return corev1ac.Probe().WithExec(corev1ac.ExecAction().WithCommand("/bin/bash", configMount+"/"+readyScript))
		}
	}
	startup = ready().WithPeriodSeconds(1).WithTimeoutSeconds(5).WithFailureThreshold(86400)
	readiness = ready().WithPeriodSeconds(5).WithTimeoutSeconds(5).WithFailureThreshold(2)
	liveness = alive.WithPeriodSeconds(30).WithTimeoutSeconds(10).WithFailureThreshold(20)
	return startup, readiness, liveness
}
