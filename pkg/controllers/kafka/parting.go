package kafka

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// partingGrace is how many seconds a node has when its whole cluster goes. A broker that stops hands its partitions over first, and
// waits five minutes for a quorum to agree. When all stop at once there soon is no quorum, and nobody to hand anything to: without
// this, deleting a combined cluster took 5 minutes and 7 seconds (measured), and one of the same name could not start before.
const partingGrace = 30

// disband deletes the pods and the StatefulSets of a cluster whose Kafka is known to have been deleted, and tells whether it is done.
//
// Pods go before their StatefulSet: the kubelet keeps the grace of the first deletion that it sees, whatever comes later, and the
// garbage collector would give them their own. The StatefulSet follows at once, before any of them is gone and would be made again.
// Brokers go before what keeps their metadata: then they end cleanly, and a ZooKeeper that comes back does not take the
// registrations of brokers that were cut off for living ones, which keeps new brokers out until those expire.
func (c *Controller) disband(ctx context.Context, key types.NamespacedName) (done bool, err error) {
	of := labels.Set{render.LabelCluster: key.Name}
	pods, err := c.pods.Pods(key.Namespace).List(labels.SelectorFromSet(of))
	if err != nil {
		return false, err
	}
	brokersLeft, othersLeft := false, false
	for _, p := range pods {
		isBroker := p.Labels[render.LabelComponent] == string(render.Broker)
		brokersLeft, othersLeft = brokersLeft || isBroker, othersLeft || !isBroker
	}
	waits := brokersLeft && othersLeft
	for _, p := range pods {
		if p.DeletionTimestamp != nil || waits && p.Labels[render.LabelComponent] != string(render.Broker) {
			continue
		}
		err := c.host.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](partingGrace), Preconditions: &metav1.Preconditions{UID: &p.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return false, fmt.Errorf("delete pod %s: %w", p.Name, err)
		}
	}
	sets, err := c.statefulSets.StatefulSets(key.Namespace).List(labels.SelectorFromSet(of))
	if err != nil {
		return false, err
	}
	for _, set := range sets {
		if set.DeletionTimestamp != nil || waits && set.Labels[render.LabelComponent] != string(render.Broker) {
			continue
		}
		err := c.host.AppsV1().StatefulSets(set.Namespace).Delete(ctx, set.Name, metav1.DeleteOptions{
			PropagationPolicy: ptr.To(metav1.DeletePropagationBackground), Preconditions: &metav1.Preconditions{UID: &set.UID},
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return false, fmt.Errorf("delete StatefulSet %s: %w", set.Name, err)
		}
	}
	return !waits, nil
}
