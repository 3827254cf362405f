package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// world is what the host holds of a cluster.
type world struct {
	anchor *corev1.ConfigMap
	claims []*corev1.PersistentVolumeClaim
	pods   map[render.Role][]pod
}

// pod is what matters of a pod.
type pod struct {
	Name    string
	UID     types.UID
	Ordinal int32
	// Ready pods serve and are not on their way out, which Terminating ones are. Since is when Ready last changed, or when the pod was made.
	Ready       bool
	Terminating bool
	Since       time.Time
	Revision    string
	// Image and ConfigHash are what the pod was made with.
	Image      string
	ConfigHash string
	// Stuck is why a pod cannot start; empty when nothing is known to hinder it.
	Stuck string
	// Failing is how the process of a pod ended that does not stay up; empty for one that does.
	Failing string
}

// observe reads the caches.
func (c *Controller) observe(kafka *v1beta1.Kafka) (*world, error) {
	w := &world{pods: map[render.Role][]pod{}}
	anchor, err := c.configMaps.ConfigMaps(kafka.Namespace).Get(render.AnchorName(kafka.Name))
	switch {
	case err == nil:
		w.anchor = anchor
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	of := labels.SelectorFromSet(labels.Set{render.LabelCluster: kafka.Name})
	if w.claims, err = c.claims.PersistentVolumeClaims(kafka.Namespace).List(of); err != nil {
		return nil, err
	}
	sortClaims(w.claims)
	pods, err := c.pods.Pods(kafka.Namespace).List(of)
	if err != nil {
		return nil, err
	}
	for _, p := range pods {
		role := render.Role(p.Labels[render.LabelComponent])
		suffix, found := strings.CutPrefix(p.Name, render.WorkloadName(kafka.Name, role)+"-")
		ordinal, err := strconv.ParseInt(suffix, 10, 32)
		if !found || err != nil {
			continue
		}
		w.pods[role] = append(w.pods[role], pod{
			Name: p.Name, UID: p.UID, Ordinal: int32(ordinal), Ready: ready(p), Terminating: p.DeletionTimestamp != nil, Since: since(p),
			Revision: p.Labels[appsv1.ControllerRevisionHashLabelKey], Image: image(p.Spec.Containers),
			ConfigHash: p.Annotations[render.AnnotationConfigHash], Stuck: stuck(p, c.clock.Now()), Failing: failing(p),
		})
	}
	for _, of := range w.pods {
		slices.SortFunc(of, func(a, b pod) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	}
	return w, nil
}

// observeLive reads anchor and claims past the caches, for the one decision that must not rest on an old picture: that a
// cluster is new.
func (c *Controller) observeLive(ctx context.Context, kafka *v1beta1.Kafka, w *world) error {
	anchor, err := c.host.CoreV1().ConfigMaps(kafka.Namespace).Get(ctx, render.AnchorName(kafka.Name), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		w.anchor = nil
	case err != nil:
		return fmt.Errorf("read the anchor: %w", err)
	default:
		w.anchor = anchor
	}
	claims, err := c.host.CoreV1().PersistentVolumeClaims(kafka.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: render.LabelCluster + "=" + kafka.Name})
	if err != nil {
		return fmt.Errorf("list the claims: %w", err)
	}
	w.claims = nil
	for i := range claims.Items {
		w.claims = append(w.claims, &claims.Items[i])
	}
	sortClaims(w.claims)
	return nil
}

func sortClaims(claims []*corev1.PersistentVolumeClaim) {
	slices.SortFunc(claims, func(a, b *corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
}

// ready tells whether a pod serves. A pod that is being deleted still says Ready for as long as its container runs.
func ready(p *corev1.Pod) bool {
	if p.DeletionTimestamp != nil {
		return false
	}
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// manyRestarts is how often a process has ended that does not come up by itself: one of a new cluster may do so once or twice, while it
// waits for others.
const manyRestarts = 3

// failing tells how the process of a pod ended that was started again and again and does not serve; "" of other pods. The kubelet says
// CrashLoopBackOff only between two attempts, of which that would be news each time.
func failing(p *corev1.Pod) string {
	if ready(p) {
		return ""
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		end := c.LastTerminationState.Terminated
		if c.RestartCount < manyRestarts || end == nil {
			continue
		}
		how := fmt.Sprintf("container %s ends with code %d", c.Name, end.ExitCode)
		if end.Reason != "" {
			how += " (" + end.Reason + ")"
		}
		return how
	}
	return ""
}

// since is when a pod became ready or stopped being so, or when it was made.
func since(p *corev1.Pod) time.Time {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady && !condition.LastTransitionTime.IsZero() {
			return condition.LastTransitionTime.Time
		}
	}
	return p.CreationTimestamp.Time
}

// image is that of the container of a node.
func image(containers []corev1.Container) string {
	for _, c := range containers {
		if c.Name == render.Container {
			return c.Image
		}
	}
	return ""
}

// stuckReasons are what the kubelet waits with for something that does not mend itself (k8s.io/kubernetes/pkg/kubelet/images and
// kuberuntime).
var stuckReasons = []string{"CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "ErrImageNeverPull", "InvalidImageName",
	"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

// schedulingPatience is how long a pod may wait for a node: the volume of the one before it may have to be detached first.
const schedulingPatience = time.Minute

// stuck tells why a pod cannot start. A process that ends again and again is told of by failing, too, as the kubelet calls it CrashLoopBackOff
// only between two attempts.
func stuck(p *corev1.Pod, now time.Time) string {
	if ready(p) || p.DeletionTimestamp != nil {
		return ""
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if waiting := c.State.Waiting; waiting != nil && slices.Contains(stuckReasons, waiting.Reason) {
			return waiting.Reason
		}
	}
	if failing(p) != "" {
		return "CrashLoopBackOff"
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable &&
			now.Sub(condition.LastTransitionTime.Time) > schedulingPatience {
			return corev1.PodReasonUnschedulable
		}
	}
	return ""
}

// readyBelow counts the ready pods with ordinals below n.
func readyBelow(pods []pod, n int32) int32 {
	var count int32
	for _, p := range pods {
		if p.Ready && p.Ordinal < n {
			count++
		}
	}
	return count
}

// serving are the voters that serve now.
func (w *world) serving(kafka *v1beta1.Kafka, r record) []int32 {
	var ids []int32
	for _, voter := range voterNodes(kafka, &r) {
		if slices.ContainsFunc(w.pods[voter.role], func(p pod) bool { return p.Ready && p.Ordinal == voter.ordinal }) {
			ids = append(ids, voter.id)
		}
	}
	return ids
}
