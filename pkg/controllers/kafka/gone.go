package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

// mournAgain is how soon a cluster whose Kafka cannot be found, and cannot be shown to be deleted, is looked at again.
const mournAgain = time.Minute

// absence is what is known about a Kafka that the cache does not hold.
type absence struct {
	// Get is the answer to a live GET.
	Get error
	// Name is the Kafka's.
	Name string
	// Seen tells that this process saw the deletion of the very Kafka that the anchor was written for, as an event of a watch.
	Seen bool
	// Recorded is the storage that held the Kafka, Current the storage of today; "" when not known.
	Recorded, Current string
}

// verdict tells whether a cluster may be deleted, and if not why.
//
// Only a Kafka that was deleted takes its cluster along. A Kafka that is merely not there does not: the storage may have been
// emptied, restored to an older state, or replaced by a new installation. The API server answers 503 in the first case, and a
// 404 that does not name the object comes from a host that has no such API at all. For the rest, the deletion must have been
// seen happening, or the storage must be the one that held the Kafka: what is missing there was deleted there.
func (a absence) verdict() (deleted bool, why string) {
	var status apierrors.APIStatus
	switch {
	case a.Get == nil:
		return false, "the Kafka exists"
	case !errors.As(a.Get, &status) || !apierrors.IsNotFound(a.Get):
		return false, "the API server did not say that it does not exist: " + a.Get.Error()
	}
	details := status.Status().Details
	switch {
	case apierrors.HasStatusCause(a.Get, metav1.CauseTypeUnexpectedServerResponse),
		details == nil, details.Name != a.Name, details.Group != v1beta1.GroupName, details.Kind != "kafkas":
		return false, "the answer does not come from the API of Kafkas: " + a.Get.Error()
	case a.Recorded != "" && a.Current != "" && a.Recorded != a.Current:
		return false, fmt.Sprintf("it was stored in %s, and the storage of today is %s", a.Recorded, a.Current)
	case a.Seen, a.Recorded != "" && a.Recorded == a.Current:
		return true, ""
	default:
		return false, "nobody saw it being deleted, and it is not known which storage held it"
	}
}

// bury deletes what a Kafka that was deleted has left, except for claims.
func (c *Controller) bury(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	log := klog.FromContext(ctx)
	anchor, err := c.configMaps.ConfigMaps(key.Namespace).Get(render.AnchorName(key.Name))
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if anchor.Labels[render.LabelCluster] != key.Name || anchor.Labels[render.LabelComponent] != render.ComponentAnchor || anchor.DeletionTimestamp != nil {
		return 0, nil
	}
	known, err := readRecord(anchor)
	if err != nil {
		// Nothing that can be read says that this cluster's Kafka was deleted.
		return 0, err
	}
	_, getErr := c.kafkaClient.KafkaV1beta1().Kafkas(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	current, err := c.currentStorage(ctx)
	if err != nil {
		return 0, err
	}
	deleted, why := absence{
		Get: getErr, Name: key.Name, Seen: c.deletions.seen(known.KafkaUID), Recorded: known.Storage, Current: current,
	}.verdict()
	if !deleted {
		if c.complaints.first(string(anchor.UID), why) {
			log.Info("Cluster without a Kafka is kept", "kafka", key, "reason", why)
			if c.recorder != nil {
				c.recorder.Eventf(anchor, nil, corev1.EventTypeWarning, "KafkaMissing", "Keep",
					"There is no Kafka %s, and its cluster is kept: %s. Create the Kafka again to take the cluster over, or delete this ConfigMap to delete the cluster",
					key.Name, why)
			}
		}
		return mournAgain, nil
	}
	if done, err := c.disband(ctx, key); err != nil || !done {
		return againRegistering, err
	}
	// The anchor goes last, so that whatever fails before is tried again, and must be the one that was judged: a Kafka of the
	// same name may have adopted it since.
	err = c.host.CoreV1().ConfigMaps(key.Namespace).Delete(ctx, anchor.Name, metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
		Preconditions:     &metav1.Preconditions{UID: &anchor.UID, ResourceVersion: &anchor.ResourceVersion},
	})
	if apierrors.IsNotFound(err) {
		// The cache is behind.
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("delete anchor %s/%s: %w", key.Namespace, anchor.Name, err)
	}
	c.deletions.forget(known.KafkaUID)
	c.disconnect(fmt.Sprintf("%s/%s", key, known.KafkaUID))
	log.Info("Deleted the cluster of a deleted Kafka; its claims stay", "kafka", key, "uid", known.KafkaUID)
	c.event(&v1beta1.Kafka{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, UID: known.KafkaUID}},
		"ClusterDeleted", "Delete", "Deleted the cluster; its claims stay")
	return 0, nil
}

// currentStorage is the identity of the API server's storage as it stands in the host; "" when it keeps none there.
func (c *Controller) currentStorage(ctx context.Context) (string, error) {
	if c.identity.Name == "" {
		return "", nil
	}
	cm, err := c.host.CoreV1().ConfigMaps(c.identity.Namespace).Get(ctx, c.identity.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the storage identity: %w", err)
	}
	return cm.Data[identityField], nil
}
