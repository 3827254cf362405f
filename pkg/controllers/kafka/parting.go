package kafka

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

const (
	// partingGrace is how many seconds a node has when its whole cluster goes. A broker that stops hands its partitions over
	// first, and waits five minutes for a quorum to agree. When all stop at once there soon is no quorum, and nobody to hand
	// anything to: without this, deleting a combined cluster took 5 minutes and 7 seconds (measured), and one of the same name
	// could not start before.
	partingGrace = 30
	// againParting is how soon to look again at pods that are on their way out.
	againParting = time.Second
)

// parting are the pods that are being deleted together with their StatefulSet and still have more time than that takes.
// running are the UIDs of the StatefulSets that exist.
func parting(pods []*corev1.Pod, running map[types.UID]bool) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range pods {
		owner := metav1.GetControllerOf(p)
		if p.DeletionTimestamp != nil && ptr.Deref(p.DeletionGracePeriodSeconds, 0) > partingGrace &&
			owner != nil && owner.Kind == "StatefulSet" && !running[owner.UID] {
			out = append(out, p)
		}
	}
	return out
}

// hasten gives the pods of a cluster that goes as a whole less time, and tells whether any pod is left.
func (c *Controller) hasten(ctx context.Context, key types.NamespacedName) (left bool, err error) {
	of := labels.SelectorFromSet(labels.Set{render.LabelCluster: key.Name})
	pods, err := c.pods.Pods(key.Namespace).List(of)
	if err != nil || len(pods) == 0 {
		return false, err
	}
	sets, err := c.statefulSets.StatefulSets(key.Namespace).List(of)
	if err != nil {
		return false, err
	}
	running := map[types.UID]bool{}
	for _, set := range sets {
		running[set.UID] = true
	}
	for _, p := range parting(pods, running) {
		err := c.host.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](partingGrace), Preconditions: &metav1.Preconditions{UID: &p.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return true, fmt.Errorf("shorten the grace of pod %s: %w", p.Name, err)
		}
		klog.FromContext(ctx).Info("Shortened the grace of a pod whose cluster is deleted", "pod", klog.KObj(p), "seconds", partingGrace)
	}
	return true, nil
}
