package kafkatopic

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/util/dryrun"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka"
	"kafka.openshift.io/kafka-apiserver/pkg/apis/kafka/v1beta1"
	"kafka.openshift.io/kafka-apiserver/pkg/broker"
	"kafka.openshift.io/kafka-apiserver/pkg/registry/live"
)

// ScaleREST is kafkatopics/scale: the number of partitions on the brokers. It only grows.
type ScaleREST struct {
	plane *plane
}

var (
	_ rest.Patcher                  = &ScaleREST{}
	_ rest.GroupVersionKindProvider = &ScaleREST{}
	_ rest.Storage                  = &ScaleREST{}
	_ rest.TableConvertor           = &ScaleREST{}
)

// New implements rest.Storage.
func (*ScaleREST) New() runtime.Object { return &autoscalingv1.Scale{} }

// Destroy implements rest.Storage.
func (*ScaleREST) Destroy() {}

// GroupVersionKind implements rest.GroupVersionKindProvider: kubectl learns the type from it.
func (*ScaleREST) GroupVersionKind(schema.GroupVersion) schema.GroupVersionKind {
	return autoscalingv1.SchemeGroupVersion.WithKind("Scale")
}

// ConvertToTable implements rest.TableConvertor.
func (*ScaleREST) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return rest.NewDefaultTableConvertor(kafka.Resource("kafkatopics/scale")).ConvertToTable(ctx, object, options)
}

// Get implements rest.Getter.
func (r *ScaleREST) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	topic, _, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, err
	}
	return toScale(topic, len(have.Partitions)), nil
}

// Update implements rest.Updater. The brokers check the number before it is stored and have it before the answer.
func (r *ScaleREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc, update rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	ctx, cancel := live.Deadline(ctx)
	defer cancel()
	topic, cluster, have, err := r.plane.liveTopic(ctx, name)
	if err != nil {
		return nil, false, err
	}
	scale, managed, err := r.updated(ctx, topic, have, info)
	if err != nil {
		return nil, false, err
	}
	if update != nil {
		if err := update(ctx, scale.DeepCopy(), toScale(topic, len(have.Partitions))); err != nil {
			return nil, false, err
		}
	}
	grow := int(scale.Spec.Replicas) > len(have.Partitions)
	if grow {
		if err := cluster.CreatePartitions(ctx, have.Name, scale.Spec.Replicas, nil, true); err != nil {
			return nil, false, growthRefused(err, name)
		}
	}
	if dryrun.IsDryRun(options.DryRun) {
		return toScale(topic, int(scale.Spec.Replicas)), false, nil
	}
	stored, err := r.plane.setPartitions(ctx, topic, scale.Spec.Replicas, managed)
	if err != nil {
		return nil, false, err
	}
	if grow {
		if err := cluster.CreatePartitions(ctx, have.Name, scale.Spec.Replicas, nil, false); err != nil {
			return nil, false, growthRefused(err, name)
		}
	}
	if stored, err = r.plane.recordPartitions(ctx, stored, have, scale.Spec.Replicas); err != nil {
		return nil, false, err
	}
	return toScale(stored, int(scale.Spec.Replicas)), false, nil
}

// updated is the Scale that the caller wants, and who manages the fields of the topic then.
func (r *ScaleREST) updated(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic, info rest.UpdatedObjectInfo) (*autoscalingv1.Scale, []metav1.ManagedFieldsEntry, error) {
	fields := managedfields.NewScaleHandler(topic.ManagedFields, v1beta1.SchemeGroupVersion, managedfields.ResourcePathMappings{
		v1beta1.SchemeGroupVersion.String(): fieldpath.MakePathOrDie("spec", "partitions"),
	})
	old := toScale(topic, len(have.Partitions))
	managed, err := fields.ToSubresource()
	if err != nil {
		return nil, nil, apierrors.NewInternalError(err)
	}
	old.ManagedFields = managed
	obj, err := info.UpdatedObject(ctx, old)
	if err != nil {
		return nil, nil, err
	}
	scale, ok := obj.(*autoscalingv1.Scale)
	if !ok {
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("expected a Scale of autoscaling/v1, got %T", obj))
	}
	if err := sameObject(topic, &scale.ObjectMeta, info.Preconditions()); err != nil {
		return nil, nil, err
	}
	if scale.ResourceVersion != "" && scale.ResourceVersion != topic.ResourceVersion {
		return nil, nil, stale(topic)
	}
	path := field.NewPath("spec", "replicas")
	var problem *field.Error
	if scale.Spec.Replicas < 1 {
		problem = field.Invalid(path, scale.Spec.Replicas, fmt.Sprintf("topic %s has %d partitions, and partitions only grow", have.Name, len(have.Partitions)))
	} else {
		problem = partitionsProblem(have, &scale.Spec.Replicas, path)
	}
	if problem != nil {
		return nil, nil, apierrors.NewInvalid(autoscalingv1.SchemeGroupVersion.WithKind("Scale").GroupKind(), topic.Name, field.ErrorList{problem})
	}
	parent, err := fields.ToParent(scale.ManagedFields)
	if err != nil {
		return nil, nil, apierrors.NewInternalError(err)
	}
	return scale, parent, nil
}

// setPartitions stores a number of partitions that the brokers have accepted.
func (p *plane) setPartitions(ctx context.Context, topic *kafka.KafkaTopic, n int32, managed []metav1.ManagedFieldsEntry) (*kafka.KafkaTopic, error) {
	if ptr.Deref(topic.Spec.Partitions, 0) == n {
		return topic, nil
	}
	next := topic.DeepCopy()
	next.Spec.Partitions = ptr.To(n)
	if managed != nil {
		next.ManagedFields = managed
	}
	// next carries the resourceVersion that was read, so a change in between is a conflict.
	obj, _, err := p.topics.Update(ctx, topic.Name, rest.DefaultUpdatedObjectInfo(next),
		rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
	if err != nil {
		return nil, err
	}
	return asTopic(obj)
}

// recordPartitions records that the brokers have n partitions.
func (p *plane) recordPartitions(ctx context.Context, topic *kafka.KafkaTopic, have broker.Topic, n int32) (*kafka.KafkaTopic, error) {
	for i := int32(len(have.Partitions)); i < n; i++ {
		have.Partitions = append(have.Partitions, broker.Partition{ID: i, Leader: -1})
	}
	obj, err := p.record(ctx, topic, settled(topic, have, false))
	if err != nil {
		return nil, err
	}
	return asTopic(obj)
}

func toScale(topic *kafka.KafkaTopic, partitions int) *autoscalingv1.Scale {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: topic.Name, Namespace: topic.Namespace, UID: topic.UID,
			ResourceVersion: topic.ResourceVersion, CreationTimestamp: topic.CreationTimestamp},
		Spec:   autoscalingv1.ScaleSpec{Replicas: int32(partitions)},
		Status: autoscalingv1.ScaleStatus{Replicas: int32(partitions)},
	}
}

// sameObject refuses a body for another object than the request's.
func sameObject(topic *kafka.KafkaTopic, body *metav1.ObjectMeta, preconditions *metav1.Preconditions) error {
	if body.Name != topic.Name || body.Namespace != "" && body.Namespace != topic.Namespace {
		return apierrors.NewBadRequest(fmt.Sprintf("the body is for %s/%s, the request for %s/%s",
			body.Namespace, body.Name, topic.Namespace, topic.Name))
	}
	uid := body.UID
	if preconditions != nil && preconditions.UID != nil {
		uid = *preconditions.UID
	}
	if uid != "" && uid != topic.UID {
		return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name,
			fmt.Errorf("the request is for uid %s, the object has %s", uid, topic.UID))
	}
	return nil
}

func stale(topic *kafka.KafkaTopic) error {
	return apierrors.NewConflict(kafka.Resource("kafkatopics"), topic.Name,
		fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
}

func growthRefused(err error, name string) error {
	return live.Refused(err, kafka.Resource("kafkatopics"), name, "spec.replicas")
}
