package render

import (
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
)

// Container is the name of the container of a node.
const Container = "kafka"

const (
	// dataVolume is numbered for the day when a broker has several.
	dataVolume     = "data-0"
	kafkaMount     = "/var/lib/kafka/data-0"
	zooKeeperMount = "/var/lib/zookeeper"

	// kafkaGrace: a broker allows itself 5 minutes to hand its partitions over.
	kafkaGrace     = 330
	zooKeeperGrace = 60
)

func (r renderer) statefulSet(n nodes, hash string) *appsv1ac.StatefulSetApplyConfiguration {
	template := corev1ac.PodTemplateSpec().
		WithLabels(r.labels(n)).
		WithAnnotations(map[string]string{AnnotationConfigHash: hash}).
		WithSpec(r.podSpec(n, hash))
	spec := appsv1ac.StatefulSetSpec().
		WithServiceName(HeadlessService(r.kafka.Name, n.role)).
		WithReplicas(n.replicas).
		WithSelector(metav1ac.LabelSelector().WithMatchLabels(PodLabels(r.kafka.Name, n.role))).
		// Nodes need each other to become ready.
		WithPodManagementPolicy(appsv1.ParallelPodManagement).
		// The StatefulSet controller does not know which broker may go.
		WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.OnDeleteStatefulSetStrategyType)).
		WithPersistentVolumeClaimRetentionPolicy(appsv1ac.StatefulSetPersistentVolumeClaimRetentionPolicy().
			WithWhenDeleted(appsv1.RetainPersistentVolumeClaimRetentionPolicyType).
			WithWhenScaled(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)).
		WithTemplate(template)
	if n.persistent() {
		spec.WithVolumeClaimTemplates(r.claim(n))
	}
	return appsv1ac.StatefulSet(r.name(n), r.kafka.Namespace).
		WithLabels(r.labels(n)).
		WithOwnerReferences(r.owner()).
		WithSpec(spec)
}

// claim carries what a later Kafka of the same name must know to take the data over: claims outlive everything else.
func (r renderer) claim(n nodes) *corev1ac.PersistentVolumeClaimApplyConfiguration {
	annotations := map[string]string{AnnotationMode: string(r.mode)}
	if r.mode != v1beta1.ModeZooKeeper {
		annotations[AnnotationClusterID] = r.facts.ClusterID
		annotations[AnnotationQuorum] = FormatQuorum(r.facts.Quorum)
	}
	spec := corev1ac.PersistentVolumeClaimSpec().WithAccessModes(corev1.ReadWriteOnce)
	if n.storage.Size != nil {
		spec.WithResources(corev1ac.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: *n.storage.Size}))
	}
	if n.storage.Class != nil {
		spec.WithStorageClassName(*n.storage.Class)
	}
	claim := corev1ac.PersistentVolumeClaim(dataVolume, "").
		WithLabels(r.labels(n)).
		WithAnnotations(annotations).
		WithSpec(spec)
	// A template has no namespace: the StatefulSet's is meant, and the API server would not store one.
	claim.Namespace = nil
	return claim
}

func (r renderer) podSpec(n nodes, hash string) *corev1ac.PodSpecApplyConfiguration {
	security := corev1ac.PodSecurityContext().
		WithRunAsNonRoot(true).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)).
		// The default walks every file of the volume at each start, minutes for a big log.
		WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch)
	if user := r.facts.RunAsUser; user != nil {
		security.WithRunAsUser(*user).WithRunAsGroup(*user).WithFSGroup(*user)
	}
	grace := int64(kafkaGrace)
	if n.role == ZooKeeper {
		grace = zooKeeperGrace
	}
	pod := corev1ac.PodSpec().
		WithEnableServiceLinks(false).
		WithAutomountServiceAccountToken(false).
		WithTerminationGracePeriodSeconds(grace).
		WithSecurityContext(security).
		WithAffinity(r.spreadOverNodes(n)).
		WithTopologySpreadConstraints(r.spreadOverZones(n)).
		WithContainers(r.container(n)).
		WithVolumes(
			corev1ac.Volume().WithName("config").WithProjected(corev1ac.ProjectedVolumeSource().WithSources(
				configSource(ConfigName(r.kafka.Name, n.role, hash)), configSource(r.name(n)))),
			corev1ac.Volume().WithName("run").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
			corev1ac.Volume().WithName("tmp").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		)
	if !n.persistent() {
		dir := corev1ac.EmptyDirVolumeSource()
		if n.storage.Size != nil {
			dir.WithSizeLimit(*n.storage.Size)
		}
		pod.WithVolumes(corev1ac.Volume().WithName(dataVolume).WithEmptyDir(dir))
	}
	return pod
}

func configSource(name string) *corev1ac.VolumeProjectionApplyConfiguration {
	return corev1ac.VolumeProjection().WithConfigMap(corev1ac.ConfigMapProjection().WithName(name))
}

func (r renderer) container(n nodes) *corev1ac.ContainerApplyConfiguration {
	mount := kafkaMount
	if n.role == ZooKeeper {
		mount = zooKeeperMount
	}
	c := corev1ac.Container().
		WithName(Container).
		WithImage(r.facts.Image).
		WithImagePullPolicy(corev1.PullIfNotPresent).
		WithCommand("/bin/bash", configMount+"/"+startScript).
		WithEnv(
			corev1ac.EnvVar().WithName("POD_NAME").WithValueFrom(corev1ac.EnvVarSource().
				WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath("metadata.name"))),
			corev1ac.EnvVar().WithName("POD_PREFIX").WithValue(r.name(n)),
			corev1ac.EnvVar().WithName("POD_DOMAIN").WithValue(headlessDomain(r.kafka.Namespace, r.kafka.Name, n.role)),
			corev1ac.EnvVar().WithName("FIRST_ID").WithValue(strconv.Itoa(int(n.firstID))),
		).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))).
		WithResources(containerResources(n.resources)).
		WithVolumeMounts(
			corev1ac.VolumeMount().WithName("config").WithMountPath(configMount).WithReadOnly(true),
			corev1ac.VolumeMount().WithName("run").WithMountPath("/run/kafka"),
			corev1ac.VolumeMount().WithName("tmp").WithMountPath("/tmp"),
			corev1ac.VolumeMount().WithName(dataVolume).WithMountPath(mount),
		)
	for _, p := range r.ports(n) {
		c.WithPorts(corev1ac.ContainerPort().
			WithName(p.name).WithContainerPort(p.number).WithProtocol(corev1.ProtocolTCP))
	}
	startup, readiness, liveness := r.probes(n)
	return c.WithStartupProbe(startup).WithReadinessProbe(readiness).WithLivenessProbe(liveness)
}

func containerResources(r v1beta1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	out := corev1ac.ResourceRequirements()
	if len(r.Limits) > 0 {
		out.WithLimits(corev1.ResourceList(r.Limits))
	}
	if len(r.Requests) > 0 {
		out.WithRequests(corev1.ResourceList(r.Requests))
	}
	return out
}

func (r renderer) spreadOverNodes(n nodes) *corev1ac.AffinityApplyConfiguration {
	return corev1ac.Affinity().WithPodAntiAffinity(corev1ac.PodAntiAffinity().
		WithPreferredDuringSchedulingIgnoredDuringExecution(corev1ac.WeightedPodAffinityTerm().
			WithWeight(100).
			WithPodAffinityTerm(corev1ac.PodAffinityTerm().
				WithTopologyKey(corev1.LabelHostname).
				WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(PodLabels(r.kafka.Name, n.role))))))
}

func (r renderer) spreadOverZones(n nodes) *corev1ac.TopologySpreadConstraintApplyConfiguration {
	return corev1ac.TopologySpreadConstraint().
		WithMaxSkew(1).
		WithTopologyKey(corev1.LabelTopologyZone).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(PodLabels(r.kafka.Name, n.role)))
}
