package kafka

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/plural"
	"kafka.openshift.io/kafka-apiserver/pkg/render"
)

var applyOptions = metav1.ApplyOptions{FieldManager: FieldManager, Force: true}

// errWait says that an object must be gone before it can be made again.
var errWait = errors.New("waiting for an object to be gone")

// nameTakenError says that an object of the name exists and belongs to somebody else.
type nameTakenError struct{ kind, name string }

func (e *nameTakenError) Error() string {
	return fmt.Sprintf("%s %s exists and does not belong to this Kafka (it lacks the label %s): rename or delete it", e.kind, e.name, render.LabelCluster)
}

// object is a host object as caches and clients return it.
type object interface {
	runtime.Object
	metav1.Object
}

// configuration is an apply configuration that can carry its own hash.
type configuration[C any] interface {
	GetName() *string
	GetNamespace() *string
	WithAnnotations(map[string]string) C
}

// applyTo writes desired unless what the cache holds shows that nothing would change. get reads the cache, live the API; both
// are asked because caches only hold what has our label, and an object of somebody else must not be taken over.
func applyTo[T object, C configuration[C]](ctx context.Context, kind, cluster string, desired C, get func(string) (T, error),
	live func(context.Context, string, metav1.GetOptions) (T, error),
	apply func(context.Context, C, metav1.ApplyOptions) (T, error)) (result T, changed bool, err error) {
	var none T
	name := *desired.GetName()
	hash, err := appliedHash(desired)
	if err != nil {
		return none, false, err
	}
	desired = desired.WithAnnotations(map[string]string{annotationApplied: hash})
	existing, err := get(name)
	switch {
	case apierrors.IsNotFound(err):
		found, err := live(ctx, name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return none, false, fmt.Errorf("read %s %s: %w", kind, name, err)
		}
		if err == nil && found.GetLabels()[render.LabelCluster] != cluster {
			return none, false, &nameTakenError{kind, name}
		}
	case err != nil:
		return none, false, err
	case existing.GetDeletionTimestamp() != nil:
		return none, false, fmt.Errorf("%s %s: %w", kind, name, errWait)
	default:
		same, err := contains(existing, desired)
		if err != nil || same {
			return existing, false, err
		}
	}
	result, err = apply(ctx, desired, applyOptions)
	if err != nil {
		return none, false, fmt.Errorf("apply %s %s: %w", kind, name, err)
	}
	klog.FromContext(ctx).V(2).Info("Applied", "kind", kind, "object", klog.KRef(*desired.GetNamespace(), name))
	return result, true, nil
}

func (c *Controller) applyAnchor(ctx context.Context, kafka *v1beta1.Kafka, r record) (*corev1.ConfigMap, error) {
	anchor, _, err := c.applyConfigMap(ctx, kafka, render.Anchor(kafka.Namespace, kafka.Name, r.data()))
	return anchor, err
}

func (c *Controller) applyConfigMap(ctx context.Context, kafka *v1beta1.Kafka, desired *corev1ac.ConfigMapApplyConfiguration) (*corev1.ConfigMap, bool, error) {
	client := c.host.CoreV1().ConfigMaps(kafka.Namespace)
	return applyTo(ctx, "ConfigMap", kafka.Name, desired, c.configMaps.ConfigMaps(kafka.Namespace).Get, client.Get, client.Apply)
}

func (c *Controller) applyService(ctx context.Context, kafka *v1beta1.Kafka, desired *corev1ac.ServiceApplyConfiguration) error {
	client := c.host.CoreV1().Services(kafka.Namespace)
	_, _, err := applyTo(ctx, "Service", kafka.Name, desired, c.services.Services(kafka.Namespace).Get, client.Get, client.Apply)
	return err
}

func (c *Controller) applyBudget(ctx context.Context, kafka *v1beta1.Kafka, desired *policyv1ac.PodDisruptionBudgetApplyConfiguration) error {
	client := c.host.PolicyV1().PodDisruptionBudgets(kafka.Namespace)
	_, _, err := applyTo(ctx, "PodDisruptionBudget", kafka.Name, desired, c.budgets.PodDisruptionBudgets(kafka.Namespace).Get, client.Get, client.Apply)
	return err
}

// applyStatefulSet also replaces a StatefulSet whose claim templates differ: they are immutable. Its pods stay and the next one
// takes them over.
func (c *Controller) applyStatefulSet(ctx context.Context, kafka *v1beta1.Kafka, desired *appsv1ac.StatefulSetApplyConfiguration) (*appsv1.StatefulSet, error) {
	client := c.host.AppsV1().StatefulSets(kafka.Namespace)
	lister := c.statefulSets.StatefulSets(kafka.Namespace)
	before, err := lister.Get(*desired.GetName())
	if err == nil && before.DeletionTimestamp == nil {
		same, err := contains(before.Spec.VolumeClaimTemplates, desired.Spec.VolumeClaimTemplates)
		if err != nil {
			return nil, err
		}
		if !same {
			err := client.Delete(ctx, before.Name, metav1.DeleteOptions{
				PropagationPolicy: ptr.To(metav1.DeletePropagationOrphan),
				Preconditions:     &metav1.Preconditions{UID: &before.UID, ResourceVersion: &before.ResourceVersion},
			})
			if err != nil && !apierrors.IsNotFound(err) {
				return nil, fmt.Errorf("replace StatefulSet %s: %w", before.Name, err)
			}
			c.event(kafka, "StatefulSetReplaced", "Replace", "Replaced StatefulSet %s for new claim templates; its pods run on", before.Name)
			return nil, fmt.Errorf("StatefulSet %s: %w", before.Name, errWait)
		}
	}
	result, changed, err := applyTo(ctx, "StatefulSet", kafka.Name, desired, lister.Get, client.Get, client.Apply)
	if err != nil || !changed {
		return result, err
	}
	switch {
	case before == nil:
		c.event(kafka, "StatefulSetCreated", "Create", "Created StatefulSet %s with %s", result.Name, plural.Of(ptr.Deref(result.Spec.Replicas, 0), "pod", "pods"))
	case ptr.Deref(before.Spec.Replicas, 0) != ptr.Deref(result.Spec.Replicas, 0):
		c.event(kafka, "Scaled", "Scale", "Scaled StatefulSet %s from %d to %s", result.Name,
			ptr.Deref(before.Spec.Replicas, 0), plural.Of(ptr.Deref(result.Spec.Replicas, 0), "pod", "pods"))
	default:
		c.event(kafka, "StatefulSetChanged", "Update", "Changed StatefulSet %s", result.Name)
	}
	return result, nil
}

// event tells people what was done.
func (c *Controller) event(kafka *v1beta1.Kafka, reason, action, note string, args ...any) {
	if c.recorder != nil {
		c.recorder.Eventf(kafka, nil, corev1.EventTypeNormal, reason, action, note, args...)
	}
}

// warn tells people what is wrong, once as long as it stays the same.
func (c *Controller) warn(kafka *v1beta1.Kafka, reason, action, message string) {
	if c.recorder != nil && c.complaints.first(string(kafka.UID), reason+message) {
		c.recorder.Eventf(kafka, nil, corev1.EventTypeWarning, reason, action, "%s", message)
	}
}
